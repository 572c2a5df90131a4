import type { ChatAddress, ChatEvent } from '../channels/channel.ts';

/** Tells whoever follows a chat of its new events. */
export function createChatFeed() {
  const listeners = new Map<string, Set<(event: ChatEvent) => void>>();

  return {
    publish(event: ChatEvent): void {
      for (const listener of listeners.get(keyOf(event)) ?? []) listener(event);
    },
    subscribe(address: ChatAddress, listener: (event: ChatEvent) => void): () => void {
      const key = keyOf(address);
      const set = listeners.get(key) ?? new Set();
      listeners.set(key, set.add(listener));
      return () => {
        set.delete(listener);
        if (set.size === 0) listeners.delete(key);
      };
    },
  };
}

function keyOf({ channel, group, chat }: ChatAddress): string {
  return JSON.stringify([channel, group, chat]);
}

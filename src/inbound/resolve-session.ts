import type { Group } from '../groups/group.ts';

export interface SessionPlace {
  /** Unique within the group. */
  key: string;
  /** False: all chats of the group share the session. */
  ofChat: boolean;
  thread: string | null;
}

/** Which session of its group a message belongs to, by the group's `session:`. Pure. */
export function resolveSession(
  mode: Group['session'],
  message: { channel: string; chat: string; thread: string | null },
): SessionPlace {
  // JSON, because any separator could stand in the name of a chat.
  if (mode === 'shared') return { key: 'shared', ofChat: false, thread: null };
  if (mode === 'per-chat')
    return { key: JSON.stringify([message.channel, message.chat]), ofChat: true, thread: null };
  return {
    key: JSON.stringify([message.channel, message.chat, message.thread]),
    ofChat: true,
    thread: message.thread,
  };
}

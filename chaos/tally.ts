import type { Happening, History } from './history.ts';

/** What the run itself has to know while it goes on. */
export interface Tally {
  /** The session of a chat, once a message of it was accepted. */
  sessionOf(chat: string): string | undefined;
  /** Messages that nothing has answered yet. */
  unanswered(): number;
}

/** A history that is counted along. */
export function counted(history: History): { history: History; tally: Tally } {
  const chats = new Map<string, string>();
  const sessions = new Map<string, string>();
  const offered = new Map<string, string>();
  const open = new Set<string>();

  return {
    tally: { sessionOf: (chat) => sessions.get(chat), unanswered: () => open.size },
    history: {
      file: history.file,
      record(happening) {
        history.record(happening);
        note(happening);
      },
    },
  };

  function note(happening: Happening): void {
    if (happening.what === 'offered') {
      chats.set(happening.message, happening.chat);
      offered.set(happening.text, happening.message);
      open.add(happening.message);
    }
    if (happening.what === 'accepted') {
      const chat = chats.get(happening.message);
      if (chat !== undefined) sessions.set(chat, happening.session);
    }
    // The agents say what they are told.
    if (happening.what === 'shown') open.delete(offered.get(happening.event.text.trim()) ?? '');
  }
}

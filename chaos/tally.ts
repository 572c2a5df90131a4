import type { Happening, History } from './history.ts';

/** What the run itself has to know while it goes on. */
export interface Tally {
  /** The session of a chat, once a message of it was accepted. */
  sessionOf(chat: string): string | undefined;
  /** Messages that still have an answer to come. */
  unanswered(): number;
}

/** What tells of a reply that does not come any more, or perhaps has come. */
const LOST_ON_THE_WAY = ['E_SEND_FAILED', 'E_SEND_UNCERTAIN'];

/** A history that is counted along. */
export function counted(history: History): { history: History; tally: Tally } {
  const chats = new Map<string, string>();
  const sessions = new Map<string, string>();
  const offered = new Map<string, string>();
  const messages = new Map<string, string>();
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
      messages.set(happening.id, happening.message);
    }
    if (happening.what === 'deleted')
      for (const message of open) if (chats.get(message) === happening.chat) open.delete(message);
    if (happening.what !== 'shown') return;
    const { text, code, answers } = happening.event;
    // The agents say what they are told.
    open.delete(offered.get(text.trim()) ?? '');
    if (LOST_ON_THE_WAY.includes(code ?? '')) for (const id of answers) open.delete(messages.get(id) ?? '');
  }
}

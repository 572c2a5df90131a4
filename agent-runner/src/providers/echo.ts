import type { ProviderModule, Reply, Turn } from './provider.ts';

/** Says back what it is told: one reply of its own to each message. For tests, measurements and first steps. */
export const echo: ProviderModule = {
  showsLife: true,
  wantsSlashCommands: false,
  speaksMcp: false,
  messagesPerTurn: () => Number.POSITIVE_INFINITY,
  start: () => ({
    runTurn: (turn) => ({ replies: echoes(turn) }),
    abort: () => {},
    close: () => {},
  }),
};

function echoes(turn: Turn): Reply[] {
  return turn.messages
    .filter((message) => !message.context)
    .map((message) => ({ text: message.text, files: message.files, answers: [message.id] }));
}

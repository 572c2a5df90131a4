import { type Logger, pino } from 'pino';

export type { Logger };

/** The host's log: JSON lines on stdout (or on stderr, where stdout belongs to a chat). Secrets are redacted by key. */
export function createLog(level: string, destination: 'stdout' | 'stderr' = 'stdout'): Logger {
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      redact: {
        paths: ['token', '*.token', 'authorization', '*.authorization', 'apiKey', '*.apiKey'],
        censor: '[secret]',
      },
    },
    pino.destination(destination === 'stdout' ? 1 : 2),
  );
}

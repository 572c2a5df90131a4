import { type Logger, pino } from 'pino';
import { hideSecrets } from './secrets.ts';

export type { Logger };

/** The host's log: JSON lines on stdout (or on stderr, where stdout belongs to a chat). Secrets are redacted by key, and by value wherever they stand. */
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
      hooks: { streamWrite: hideSecrets },
    },
    pino.destination(destination === 'stdout' ? 1 : 2),
  );
}

import type { ErrorKind } from './error-kind.ts';

/** The codes about the ledger and its backups; `errors.ts` has them among all others. */
export const recordErrors = {
  E_LEDGER: {
    status: 500,
    cause: 'The ledger `host.db` cannot be opened, read or written.',
    remedy: 'Look at the message; check the disk and who may read the file.',
  },
  E_LEDGER_DAMAGED: {
    status: 500,
    cause: 'The ledger `host.db` is damaged or missing. Nothing was written to it.',
    remedy: 'Keep the data folder as it is and restore a backup beside it; see `docs/operating.md`.',
  },
  E_BACKUP_FOLDER: {
    status: 409,
    cause: 'The folder for a backup is not empty, cannot be made, or lies in the data or the groups folder.',
    remedy: 'Name a new folder elsewhere, best on another disk.',
  },
  E_RESTORE: {
    status: 409,
    cause: 'The folder is no complete backup, or something is there already that the backup would replace.',
    remedy:
      'Name a folder that `berth backup` has finished, and restore to a new `BERTH_DATA_DIR` and `BERTH_GROUPS_DIR`.',
  },
} as const satisfies Record<string, ErrorKind>;

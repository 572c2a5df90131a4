import { join } from 'node:path';
import { createLedgerReads, type LedgerReads } from './ledger/ledger-reads.ts';
import { openLedgerForReading } from './ledger/open-database.ts';
import type { Logger } from './log.ts';
import type { ReleaseStack } from './release-stack.ts';
import { startWriter, type Writer } from './writer/writer.ts';

interface Options {
  dataDir: string;
  log: Logger;
  releases: ReleaseStack;
  onStuck(session: string, reason: string, noRoom: boolean): void;
  onFatal(error: Error): void;
}

/** Opens the ledger: the one thread that writes it, the look-ups beside it, and whose it is. @throws E_LEDGER. */
export async function openRecords(
  options: Options,
): Promise<{ writer: Writer; reads: LedgerReads; install: string }> {
  const { dataDir, log, releases, onStuck, onFatal } = options;
  const path = join(dataDir, 'host.db');
  const writer = await startWriter({
    path,
    onStuck,
    onFull: (reason) => log.error({ code: 'E_DISK_FULL' }, `${reason}: what has happened waits for room`),
    onDeath: onFatal,
  });
  releases.add('writer', () => writer.close());
  const reads = createLedgerReads(openLedgerForReading(path));
  releases.add('reads', reads.close);
  return { writer, reads, install: await writer.run('installId') };
}

import { join } from 'node:path';
import { checkLedger } from './ledger/check-ledger.ts';
import { createLedgerReads, type LedgerReads } from './ledger/ledger-reads.ts';
import { openLedgerForReading } from './ledger/open-database.ts';
import type { Logger } from './log.ts';
import type { ReleaseStack } from './release-stack.ts';
import { prepareWriter, startWriter, type Writer } from './writer/writer.ts';

/** So long a start waits for the check of the ledger. */
const CHECK_MS = 1000;

interface Options {
  dataDir: string;
  log: Logger;
  releases: ReleaseStack;
  onStuck(session: string, reason: string, noRoom: boolean): void;
  onFatal(error: Error): void;
}

/** Opens the ledger: the one thread that writes it, the look-ups beside it, and whose it is. @throws E_LEDGER, E_LEDGER_DAMAGED. */
export async function openRecords(
  options: Options,
): Promise<{ writer: Writer; reads: LedgerReads; install: string }> {
  const { dataDir, log, releases, onStuck, onFatal } = options;
  const path = join(dataDir, 'host.db');
  prepareWriter();
  const checked = await checkLedger(path, CHECK_MS, onFatal);
  if (!checked) log.info('the ledger is large: it is checked while the host works');
  const writer = await startWriter({
    path,
    onStuck,
    onFull: (reason) => log.error({ code: 'E_DISK_FULL' }, `${reason}: what has happened waits for room`),
    onRenewed: (inbound, reason) =>
      log.error({ inbound, reason }, 'an inbound.db was damaged: it was made anew from the ledger'),
    onDeath: onFatal,
  });
  releases.add('writer', () => writer.close());
  const reads = createLedgerReads(openLedgerForReading(path));
  releases.add('reads', reads.close);
  return { writer, reads, install: await writer.run('installId') };
}

import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openMailboxFile } from '../../contract/open-mailbox-file.ts';
import { CONTRACT_VERSION } from '../../contract/version.ts';
import { startRunner } from './runner.ts';

const LIMIT_MS = 10_000;

/**
 * Shows that this runner works where it is: both files in a temporary folder, one turn of `echo`. Prints one line of
 * JSON, `{"ok": true, "contract", "node", "sqlite"}`; throws when there is no reply.
 */
export async function selfCheck(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'berth-self-check-'));
  try {
    const sqlite = await answerOneMessage(join(folder, 'in'), join(folder, 'out'));
    process.stdout.write(
      `${JSON.stringify({ ok: true, contract: CONTRACT_VERSION, node: process.version, sqlite })}\n`,
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function answerOneMessage(inDir: string, outDir: string): Promise<string> {
  for (const folder of [inDir, outDir]) mkdirSync(folder);
  const inbound = openMailboxFile(join(inDir, 'inbound.db'), 'inbound', 0);
  const body = JSON.stringify({
    text: 'hello',
    sender: { id: 'self-check' },
    chat: 'self-check',
    thread: null,
    files: [],
  });
  inbound
    .prepare(`INSERT INTO messages (seq, id, kind, body, created_at) VALUES (1, 'hello', 'chat', ?, 0)`)
    .run(body);
  inbound.close();
  const place = { session: 'self-check', group: 'self-check', groupName: 'Self-check', admin: false };
  const environment = { ...place, inDir, outDir, groupDir: outDir, epoch: 1, provider: 'echo' };
  const log = (line: string): void => void process.stderr.write(`${line}\n`);
  const runner = await startRunner({
    environment,
    watch: true,
    maxFile: 1,
    stopGraceMs: LIMIT_MS,
    log,
    onStop: () => {},
  });
  await runner.stop();
  const outbound = openMailboxFile(join(outDir, 'outbound.db'), 'outbound', LIMIT_MS);
  try {
    const reply = outbound.prepare<[], { body: string }>('SELECT body FROM messages').get();
    if (!reply?.body.includes('hello')) throw new Error('the runner did not answer');
    return outbound.prepare<[], string>('SELECT sqlite_version()').pluck().get() ?? '';
  } finally {
    outbound.close();
  }
}

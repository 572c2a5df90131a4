import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { sessionFolders } from '../src/mailbox/session-folders.ts';
import type { BenchHost } from './bench-host.ts';

const MESSAGES = 10;

/** Durable commits per message, by file. */
export interface CommitsPerMessage {
  /** `host.db`: accept and outbox. */
  ledger: number;
  inbound: number;
  /** `outbound.db`: claim and reply. */
  outbound: number;
}

/**
 * Sends messages one at a time and counts what each file committed meanwhile.
 * @throws when there is not at least one commit each at accept, inbound, claim, reply and outbox: the figures would be
 * bought with durability.
 */
export async function countDurableCommits(host: BenchHost, chat: string): Promise<CommitsPerMessage> {
  const { event } = await host.say(chat, 'commits');
  const folders = sessionFolders(host.dataDir, 'echo', event.session);
  const files = [join(host.dataDir, 'host.db-wal'), folders.inbound, folders.outbound];
  for (let tries = 0; tries < 20; tries++) {
    const before = await count(files);
    for (let i = 0; i < MESSAGES; i++) await host.say(chat, 'commits');
    const after = await count(files);
    // The write-ahead log began anew in between: once more.
    if (before[0]?.era !== after[0]?.era) continue;
    const [ledger = 0, inbound = 0, outbound = 0] = after.map(
      ({ commits }, index) => (commits - (before[index]?.commits ?? 0)) / MESSAGES,
    );
    const commits = { ledger, inbound, outbound };
    if (ledger < 2 || inbound < 1 || outbound < 2)
      throw new Error(`too few durable commits per message: ${JSON.stringify(commits)}`);
    return commits;
  }
  throw new Error('the write-ahead log began anew each time');
}

async function count(files: string[]): Promise<{ commits: number; era: string }[]> {
  const program = new URL('./count-commits.ts', import.meta.url).pathname;
  const { stdout } = await promisify(execFile)(process.execPath, [program, ...files]);
  return JSON.parse(stdout) as { commits: number; era: string }[];
}

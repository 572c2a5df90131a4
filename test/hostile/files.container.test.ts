import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Arena, type Attack, openArena } from './arena.ts';

// A look may come when the old file is gone and the new one not yet there.
const broken = (reason: string) => ({
  told: /^E_OUTBOUND_INVALID$/,
  error: new RegExp(
    `^E_OUTBOUND_INVALID What the agent's container wrote cannot be read: .*(${reason}|is gone)`,
  ),
});

const attacks: Attack[] = [
  { name: 'linkToSession', ...broken('not a regular file') },
  { name: 'linkToPasswd', ...broken('not a regular file') },
  { name: 'linkToCanary', ...broken('not a regular file') },
  { name: 'secondName', ...broken('more than one link') },
  { name: 'fifo', ...broken('not a regular file') },
  { name: 'folder', ...broken('not a regular file') },
  { name: 'text', ...broken('not a database') },
  { name: 'sparse', ...broken('10000000000 bytes') },
  { name: 'truncated', ...broken('malformed') },
  { name: 'flipped', ...broken('malformed|not a database|cannot be read') },
  { name: 'journalIsFifo', ...broken('outbound.db-journal is not a regular file') },
  { name: 'fileOrFifo', ...broken('not a regular file|more than one link') },
  { name: 'deleted', ...broken('is gone') },
  { name: 'deletedFolder', ...broken('is gone') },
  { name: 'wal', ...broken('WAL') },
  { name: 'sentFiles', answered: true, told: /^E_FILE_REFUSED$/, after: expectProperFileOnly },
  { name: 'linkedFiles', answered: true, told: /^E_FILE_REFUSED$/ },
];

let arena: Arena;
beforeAll(async () => {
  arena = await openArena(attacks);
});
afterAll(() => arena.close());

test.each(attacks)('$name', (attack) => arena.fight(attack));

async function expectProperFileOnly(_: Arena, events: { files?: { name: string }[] }[]): Promise<void> {
  expect(events.flatMap(({ files = [] }) => files.map(({ name }) => name))).toEqual(['r_proper.txt.txt']);
}

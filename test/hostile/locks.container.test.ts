import { rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { waitUntil } from '../fixtures/host-process.ts';
import { canMount, mountSmallDisk } from '../fixtures/small-disk.ts';
import { type Arena, type Attack, folderOf, openArena, sessionsFolder } from './arena.ts';

const locked = {
  told: /^E_OUTBOUND_INVALID$/,
  error:
    /^E_OUTBOUND_INVALID What the agent's container wrote cannot be read: outbound.db has been locked for 10 s$/,
};

const attacks: Attack[] = [
  { name: 'lockOutbound', ...locked },
  { name: 'lockOutboundPaused', during: pauseLocked, ...locked },
  { name: 'lockInbound', answered: true, after: losesItsLock },
  { name: 'lockInboundPaused', answered: true, after: losesItsLockWhilePaused },
  { name: 'hotJournal', ...locked },
  // Before or after its first look: either way it is told, and left alone for a while.
  {
    name: 'hotJournalAndDeath',
    told: /^E_(RESTARTS|CONTAINER_EXITED)$/,
    error: /died or hung|ended before its first look/,
    retried: true,
  },
  { name: 'answerAndDeath', answered: true },
  { name: 'journalOfHostFile', ...locked },
  { name: 'events', answered: true, after: (from) => answersAgain(from, 'events') },
  { name: 'touches', answered: true, after: (from) => answersAgain(from, 'touches') },
  { name: 'inotify', answered: true, after: (from) => answersAgain(from, 'inotify') },
  { name: 'forks', answered: true },
  { name: 'prints', answered: true, after: (from) => answersAgain(from, 'prints') },
  { name: 'burns', answered: true, after: (from) => answersAgain(from, 'burns') },
  { name: 'deaf', answered: true, yaml: ['idle: { freeze: off, stop: 1s }'], after: fallsAsleep },
];
if (canMount)
  attacks.push({
    name: 'fillsDisk',
    before: mountDisk,
    during: speakOnceItIsFull,
    error: /^E_DISK_FULL there is no room/,
    after: makeRoom,
    limitMs: 60_000,
  });

let arena: Arena;
beforeAll(async () => {
  arena = await openArena(attacks);
});
afterAll(() => arena.close());

test.each(attacks)('$name', (attack) => arena.fight(attack));

async function answersAgain({ host }: Arena, name: string): Promise<void> {
  expect(await host.ask(folderOf(name), 'chat', '{}', 20_000)).toMatchObject({ type: 'message' });
}

/** It has something to do, and so the host makes it go on; its lock counts as before. */
async function pauseLocked(from: Arena, session: string): Promise<void> {
  await waitUntil('the lock', 20_000, async () => {
    const container = await from.container(session);
    return (await container?.logs({ stdout: true }))?.includes('locked') ?? false;
  });
  await (await from.container(session))?.pause();
}

async function losesItsLock(from: Arena): Promise<void> {
  await answersAgain(from, 'lockInbound');
  const lines = from.host.log.map(({ msg }) => msg);
  expect(lines).toContain('the container holds a lock on inbound.db: killed');
}

async function losesItsLockWhilePaused(from: Arena, _: unknown, session: string): Promise<void> {
  await (await from.container(session))?.pause();
  await answersAgain(from, 'lockInboundPaused');
}

async function fallsAsleep(from: Arena, _: unknown, session: string): Promise<void> {
  await waitUntil('the deaf one to be gone', 15_000, async () => {
    return (await from.session(session)).state === 'asleep';
  });
}

/** A disk of its own for the folders of its sessions, as a quota would be. */
async function mountDisk(from: Arena): Promise<void> {
  const disk = await mountSmallDisk(sessionsFolder(from, folderOf('fillsDisk')), 4);
  from.onClose.push(disk.unmount);
}

async function speakOnceItIsFull({ host }: Arena): Promise<void> {
  const path = sessionsFolder({ host }, folderOf('fillsDisk'));
  await waitUntil('a full disk', 20_000, async () => (await statfs(path)).bavail === 0);
  // Too long for what room the files have in themselves.
  await host.post(folderOf('fillsDisk'), 'chat', JSON.stringify({ text: 'x'.repeat(200_000) }));
}

async function makeRoom(from: Arena, _: unknown, session: string): Promise<void> {
  const out = join(sessionsFolder(from, folderOf('fillsDisk')), session, 'out');
  for (const name of ['full', 'fuller']) await rm(join(out, name), { force: true });
  await (await from.container(session))?.remove({ force: true }).catch(() => undefined);
}

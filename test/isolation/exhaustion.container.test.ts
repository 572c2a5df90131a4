import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Arena, type Attack, folderOf, openArena } from '../hostile/arena.ts';

/*
 * A container that uses up whatever it can get, beside a good session that is talked to all the while: the greedy one is
 * bounded or gets a code, and the good one is answered as fast as without it (see arena.ts for how that is compared).
 */

/** It is bounded, and answers again. */
const goesOn = (name: string): Attack => ({
  name,
  answered: true,
  after: (from) => answersAgain(from, name),
});
const pastItsDisk = (name: string): Attack => ({
  name,
  disk: '64m',
  told: /^E_DISK_LIMIT$/,
  error: /^E_DISK_LIMIT .*limits\.disk allows 64 MiB.*no container is started/,
  after: (from) => isToldAgain(from, name),
});

const attacks: Attack[] = [
  // A fork bomb.
  { name: 'forks', answered: true },
  // It dies with each try: it is told, and left alone for a while.
  {
    name: 'memory',
    told: /^E_RESTARTS$/,
    error: /out of memory \(limits\.memory\)/,
    retried: true,
    limitMs: 90_000,
  },
  { name: 'memoryFolder', answered: true },
  pastItsDisk('greedyHome'),
  pastItsDisk('greedyGroup'),
  { ...goesOn('prints'), during: hasASmallLog },
  goesOn('descriptors'),
  goesOn('inotify'),
  goesOn('watches'),
  goesOn('events'),
  goesOn('touches'),
  goesOn('burns'),
  { ...goesOn('asks'), yaml: ['network: { allow: [somewhere.example] }'] },
];

let arena: Arena;
beforeAll(async () => {
  arena = await openArena(attacks);
}, 120_000);
afterAll(() => arena?.close());

test.each(attacks)('$name', (attack) => arena.fight(attack), 240_000);

async function answersAgain({ host }: Arena, name: string): Promise<void> {
  expect(await host.ask(folderOf(name), 'chat', '{}', 30_000)).toMatchObject({ type: 'message' });
}

/** As long as there is no room, whoever writes is told so, and what helps. */
async function isToldAgain({ host }: Arena, name: string): Promise<void> {
  expect(await host.ask(folderOf(name), 'chat', '{}', 30_000)).toMatchObject({
    type: 'failure',
    code: 'E_DISK_LIMIT',
    reason: expect.stringMatching(
      /Until files are removed there, the limit is raised, or the chat is deleted/,
    ),
  });
}

async function hasASmallLog(from: Arena, session: string): Promise<void> {
  const logConfig = async () => (await (await from.container(session))?.inspect())?.HostConfig.LogConfig;
  const small = { Type: 'json-file', Config: { 'max-size': '1m', 'max-file': '2' } };
  await expect.poll(logConfig, { timeout: 30_000 }).toEqual(small);
}

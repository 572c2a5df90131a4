import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Arena, type Attack, openArena } from './arena.ts';

const broken = (reason: string) => ({
  told: /^E_OUTBOUND_INVALID$/,
  error: new RegExp(`^E_OUTBOUND_INVALID What the agent's container wrote cannot be read: .*(${reason})`),
});

const attacks: Attack[] = [
  { name: 'triggers', answered: true },
  { name: 'view', ...broken('messages is not an ordinary table|is gone') },
  { name: 'virtualTable', ...broken('messages is no table|is gone') },
  { name: 'generated', ...broken('column messages.extra is hidden or generated') },
  { name: 'unordered', ...broken('messages.seq is not its primary key|is gone') },
  { name: 'million', ...broken('more than 1000 tables|took longer than') },
  { name: 'endlessSchema', ...broken('took longer than 2000 ms') },
  { name: 'endlessTable', ...broken('more than 10000 messages|malformed') },
  { name: 'wrongTypes', ...broken('messages: epoch') },
  { name: 'largestSeq', ...broken('messages.seq is not an integer') },
  { name: 'pastEpoch', ...broken('out of order|messages: epoch') },
  { name: 'futureEpoch', ...broken('out of order') },
  { name: 'otherSession', ...broken('belongs to another session') },
  { name: 'longId', ...broken('messages: id') },
  { name: 'millionRows', ...broken('more than 10000 messages') },
  { name: 'gigabyte', writes: 2 ** 30, ...broken('bytes, 536870912 are allowed|is gone') },
  { name: 'largeBody', ...broken('too long'), limitMs: 60_000 },
  { name: 'othersMessage', told: /^E_TURN_NO_REPLY$/, after: expectNothingSaid },
  { name: 'wrongDestination', told: /^E_TURN_NO_REPLY$/, after: expectNothingSaid },
  { name: 'endlessRows', answered: true },
];

let arena: Arena;
beforeAll(async () => {
  arena = await openArena(attacks);
});
afterAll(() => arena.close());

test.each(attacks)('$name', (attack) => arena.fight(attack));

async function expectNothingSaid(_: Arena, events: { type: string }[]): Promise<void> {
  expect(events.filter(({ type }) => type === 'message')).toEqual([]);
}

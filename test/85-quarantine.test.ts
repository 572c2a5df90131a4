import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pino } from 'pino';
import { expect, test, vi } from 'vitest';
import { AwakeSessions } from '../src/awake/awake-session.ts';
import { systemClock } from '../src/clock.ts';
import type { OutboxRow } from '../src/ledger/rows.ts';
import { createQuarantine } from '../src/recovery/quarantine.ts';
import { openLivingRoom } from './fixtures/living-session.ts';

const invalid = new Error('outbound.db is not a database');

async function openQuarantine({ stops = true } = {}) {
  const room = await openLivingRoom();
  const { session, ledger } = room;
  const awake = new AwakeSessions();
  awake.add(session);
  const events: OutboxRow[] = [];
  const looked: string[] = [];
  const writer = { ...ledger.writer };
  const { quarantine, cleared } = createQuarantine({
    ...{ writer, clock: systemClock, log: pino({ level: 'silent' }) },
    async stopBroken() {
      if (!stops) return new Promise<never>(() => undefined);
      session.state = 'stopping';
      awake.remove(session);
    },
    onEvents: (more) => void events.push(...more),
    onRetryAt: (id) => void looked.push(id),
    settled: async () => undefined,
  });
  return { ...room, writer, events, looked, quarantine, cleared };
}

const told = (message: string) => [{ type: 'failure', code: 'E_OUTBOUND_INVALID', inReplyTo: message }];

test('a folder that breaks the contract is put aside, and who waits is told', async () => {
  const { session, message, events, quarantine, cleared } = await openQuarantine();
  quarantine(session, invalid);
  await cleared(session.id);
  expect(events).toMatchObject(told(message));
  expect(existsSync(session.folders.out)).toBe(false);
});

test('where it cannot be put aside, who waits is told all the same', async () => {
  const { session, message, events, looked, quarantine, cleared } = await openQuarantine();
  writeFileSync(join(session.folders.root, 'broken'), 'in the way, as a full disk is');
  quarantine(session, invalid);
  await cleared(session.id);
  expect(events).toMatchObject(told(message));
  expect(looked).toEqual([]);
});

test('and while the engine does not end its container', async () => {
  const { session, message, events, quarantine } = await openQuarantine({ stops: false });
  quarantine(session, invalid);
  await vi.waitUntil(() => events.length > 0, { timeout: 10_000 });
  expect(events).toMatchObject(told(message));
});

test('a session in which nobody could be told is looked at again', async () => {
  const { session, looked, writer, quarantine, cleared } = await openQuarantine();
  writer.run = () => Promise.reject(new Error('the disk is full'));
  quarantine(session, invalid);
  await cleared(session.id);
  expect(looked).toEqual([session.id]);
});

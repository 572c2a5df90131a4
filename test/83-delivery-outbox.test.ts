import { existsSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { SendError } from '../src/channels/send-error.ts';
import type { OutboxRow } from '../src/ledger/rows.ts';
import { expectRefusal, runBerth } from './fixtures/berth-command.ts';
import { type DeliveryRoom, openDeliveryRoom } from './fixtures/delivery-room.ts';
import { startHost, waitUntil } from './fixtures/host-process.ts';
import { type RecordingChannel, recordingChannel } from './fixtures/recording-channel.ts';

const permanent = new SendError('permanent', 'the user has \u001b[2Jleft');
const later = new SendError('rate-limited', 'not now', { retryAfterMs: 60_000 });

let keyless: RecordingChannel;
let room: DeliveryRoom;
/** One of each kind: dead, waiting for a retry, pending behind it, uncertain, sent. */
let events: { dead: number; retry: number; pending: number; uncertain: number; sent: number };
beforeEach(async () => {
  keyless = recordingChannel('keyless', false);
  room = await openDeliveryRoom({ channels: [keyless], stopGraceMs: 10 });
  keyless.plan('dead', permanent);
  keyless.plan('retry', later);
  keyless.plan('uncertain', new Error('odd'));
  const numbers = (rows: OutboxRow[]) => rows.map(({ n }) => n);
  const [dead = 0, sent = 0] = numbers(await room.reply('keyless1', ['dead', 'sent']));
  const [retry = 0, pending = 0] = numbers(await room.reply('keyless2', ['retry', 'pending']));
  const [uncertain = 0] = numbers(await room.reply('keyless3', ['uncertain']));
  events = { dead, sent, retry, pending, uncertain };
  for (const kind of ['dead', 'sent', 'retry', 'uncertain'] as const) await room.until(events[kind], kind);
  // Their notices are sent as well.
  await waitUntil('the notices', 5000, () => room.ledger.reads.unsentEvents().length === 2);
});
afterEach(async () => {
  await room.close();
  expect(keyless.offences).toEqual([]);
});

const listed = () => room.outbox.list({ all: false }).map(({ n, status }) => [n, status]);

describe('orders to a running host', () => {
  test('the list has what is not over, with all what is', () => {
    expect(listed()).toEqual([
      [events.dead, 'dead'],
      [events.retry, 'retry'],
      [events.pending, 'pending'],
      [events.uncertain, 'uncertain'],
    ]);
    expect(room.outbox.list({ all: true })).toHaveLength(7);
  });

  test('resend sends dead, uncertain and waiting ones at once, each at its place', async () => {
    keyless.plan('retry', 'take');
    for (const n of [events.dead, events.uncertain]) keyless.allow(n);
    await room.outbox.resend([events.dead, events.uncertain, events.retry]);
    for (const n of [events.dead, events.uncertain, events.retry, events.pending])
      await room.until(n, 'sent');
    expect(keyless.shown('keyless2')).toEqual(['retry', 'pending']);
    expect(room.entry(events.retry).attempts).toBe(0);
  });

  test('what is sent again and fails again is told no second time', async () => {
    keyless.plan('dead', permanent);
    keyless.allow(events.dead);
    const told = room.told.length;
    await room.outbox.resend([events.dead]);
    await waitUntil('the second failure', 5000, () => room.entry(events.dead).attempts === 1);
    await room.until(events.dead, 'dead');
    expect(room.told).toHaveLength(told);
  });

  test('drop gives up; who still waited is told, and what stood behind goes on', async () => {
    await room.outbox.drop([events.retry, events.dead]);
    await room.until(events.pending, 'sent');
    const told = room.told.at(-1);
    expect(told).toMatchObject({ chat: 'keyless2', code: 'E_SEND_FAILED', answers: expect.any(Array) });
    expect(told?.reason).toContain('the operator dropped it');
    await room.until(told?.key, 'sent');
    expect([room.entry(events.retry).status, room.entry(events.dead).status]).toEqual(['dropped', 'dropped']);
    expect(listed()).toEqual([[events.uncertain, 'uncertain']]);
  });

  test('a dropped one can be sent again', async () => {
    await room.outbox.drop([events.dead]);
    keyless.allow(events.dead);
    await room.outbox.resend([events.dead]);
    await room.until(events.dead, 'sent');
  });

  test('wrong ids and states: nothing is done, and all goes on as before', async () => {
    await expect(room.outbox.resend([events.dead, 999])).rejects.toMatchObject({ code: 'E_OUTBOX_UNKNOWN' });
    await expect(room.outbox.resend([events.dead, events.sent])).rejects.toMatchObject({
      code: 'E_OUTBOX_STATE',
      message: `r${events.sent} is sent: only what is dead, uncertain, dropped, retry can be sent again, so that nothing was done`,
    });
    await expect(room.outbox.drop([events.retry, events.sent])).rejects.toMatchObject({
      code: 'E_OUTBOX_STATE',
    });
    expect(room.entry(events.dead).status).toBe('dead');
    await room.outbox.resend([events.retry]);
    await room.until(events.pending, 'sent');
  });

  test('what is being sent right now cannot be dropped', async () => {
    keyless.plan('slow', 'hang');
    const { calls } = keyless;
    const before = calls.length;
    const [slow] = await room.reply('keyless4', ['slow']);
    await keyless.called(before + 1);
    await expect(room.outbox.drop([slow?.n ?? 0])).rejects.toMatchObject({
      code: 'E_OUTBOX_STATE',
      message: `r${slow?.n} is being sent right now, so that nothing was done`,
    });
    calls.at(-1)?.settle('take');
    await room.until(slow?.n, 'sent');
  });
});

describe('berth outbox', () => {
  const berth = (...words: string[]) =>
    runBerth(['outbox', ...words], { env: { BERTH_DATA_DIR: room.ledger.folder } });
  const states = (stdout: string) =>
    stdout
      .split('\n')
      .slice(1, -1)
      .map((line) => line.split('\t').slice(0, 2));

  test('without a host: lists, sends again with the next host, drops', async () => {
    await room.sender.close();
    await room.ledger.reopen();
    const { folder } = room.ledger;
    await room.ledger.writer.close();
    const list = await berth();
    expect(list).toMatchObject({ code: 0, stderr: '' });
    expect(list.stdout.split('\n')[0]).toBe('ID\tSTATE\tSINCE\tTRIES\tNEXT\tCHANNEL\tGROUP\tCHAT\tTEXT\tWHY');
    expect(states(list.stdout)).toEqual([
      [`r${events.dead}`, 'dead'],
      [`r${events.retry}`, 'retry'],
      [`r${events.pending}`, 'pending'],
      [`r${events.uncertain}`, 'uncertain'],
    ]);
    expect(list.stdout).toContain('\tpermanent: the user has left\n');
    const { events: entries } = JSON.parse((await berth('--json', '--all')).stdout);
    expect(entries.map(({ id }: { id: string }) => id)).toEqual(['r1', 'r2', 'r3', 'r4', 'r5', 'r6', 'r7']);
    expect(await berth('resend', `r${events.dead}`, `${events.uncertain}`)).toMatchObject({
      code: 0,
      stdout: `r${events.dead} is sent again once a host runs\nr${events.uncertain} is sent again once a host runs\n`,
    });
    expect(await berth('drop', `r${events.retry}`)).toMatchObject({
      code: 0,
      stdout: `r${events.retry} is dropped\n`,
    });
    keyless = recordingChannel('keyless', false);
    room = await openDeliveryRoom({ channels: [keyless], folder });
    for (const n of [events.dead, events.uncertain, events.pending]) await room.until(n, 'sent');
    expect(room.entry(events.retry).status).toBe('dropped');
  });

  test('with a host that has no such channel: the same over its socket; errors name what is wrong', async () => {
    await room.sender.close();
    const { folder } = room.ledger;
    room.ledger.reads.close();
    await room.ledger.writer.close();
    const host = await startHost({
      groups: { echo: 'name: Echo\nagent: { provider: echo }\n' },
      env: { BERTH_ENGINE: 'process', BERTH_DATA_DIR: folder },
    });
    try {
      expect(states((await berth()).stdout)).toHaveLength(4);
      expect(await berth('resend', `r${events.dead}`)).toMatchObject({
        code: 0,
        stdout: `r${events.dead} is sent again\n`,
      });
      expectRefusal(await berth('resend', 'r999'), 'E_OUTBOX_UNKNOWN', 'there is no event "r999"');
      expectRefusal(await berth('resend', '17; rm'), 'E_OUTBOX_UNKNOWN', '"17; rm" is no id of an event');
      expectRefusal(await berth('drop', 'r2'), 'E_OUTBOX_STATE', /r2 is (sent|dead)/);
      expect((await berth('drop')).code).toBe(2);
      expect(states((await berth()).stdout)[0]).toEqual([`r${events.dead}`, 'pending']);
    } finally {
      await host.dispose();
    }
    room = await openDeliveryRoom({ channels: [keyless], folder });
    keyless.allow(events.dead);
    await room.until(events.dead, 'sent');
  });

  test('neither a host nor a ledger: E_NO_HOST, and no folder is made', async () => {
    const env = { BERTH_DATA_DIR: '/tmp/berth-there-is-nothing' };
    expectRefusal(
      await runBerth(['outbox'], { env }),
      'E_NO_HOST',
      'there is no ledger in /tmp/berth-there-is-nothing',
    );
    expect(existsSync(env.BERTH_DATA_DIR)).toBe(false);
  });
});

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { SendError } from '../src/channels/send-error.ts';
import { type DeliveryRoom, openDeliveryRoom } from './fixtures/delivery-room.ts';
import { type RecordingChannel, recordingChannel } from './fixtures/recording-channel.ts';

const MINUTE = 60_000;
const inAMinute = new SendError('rate-limited', 'not now', { retryAfterMs: MINUTE });

let keyed: RecordingChannel;
let keyless: RecordingChannel;
let room: DeliveryRoom;
beforeEach(async () => {
  [keyed, keyless] = platforms();
  room = await openDeliveryRoom({ channels: [keyed, keyless] });
});
afterEach(async () => {
  await room.close();
  expect([...keyed.offences, ...keyless.offences]).toEqual([]);
});

/** After a crash the old host's hand is still on the old ones. */
function platforms(): [RecordingChannel, RecordingChannel] {
  return [recordingChannel('keyed', true), recordingChannel('keyless', false)];
}

async function crash(more: object = {}): Promise<void> {
  [keyed, keyless] = platforms();
  room = await room.crash({ channels: [keyed, keyless], ...more });
}

describe('a host that dies', () => {
  test('in the middle of a send with a key: sent again under the same key, in order', async () => {
    keyed.plan('one', 'hang');
    const events = await room.reply('keyed', ['one', 'two']);
    await keyed.called(1);
    await crash();
    for (const { n } of events) await room.until(n, 'sent');
    expect(keyed.calls.map(({ key }) => key)).toEqual(events.map(({ n }) => n));
  });

  test('in the middle of a send without one: uncertain and told, what is behind it is sent', async () => {
    keyless.plan('one', 'hang');
    const [one, two] = await room.reply('keyless', ['one', 'two']);
    await keyless.called(1);
    await crash();
    await room.until(two?.n, 'sent');
    expect(room.entry(one?.n)).toMatchObject({
      status: 'uncertain',
      attempts: 1,
      error: 'the host ended while it was being sent',
    });
    expect((await keyless.called(2)).map(({ text }) => text)).toEqual(['two', '[E_SEND_UNCERTAIN]']);
  });

  test('keeps the time of the next try', async () => {
    keyed.plan('one', inAMinute);
    keyless.plan('one', inAMinute);
    const events = [...(await room.reply('keyed', ['one'])), ...(await room.reply('keyless', ['one']))];
    const due = [];
    for (const { n } of events) due.push((await room.until(n, 'retry')).dueAt);
    await crash();
    const [free] = await room.reply('keyed2', ['free']);
    await room.until(free?.n, 'sent');
    expect(events.map(({ n }) => room.entry(n).dueAt)).toEqual(due);
    expect([keyed.shown('keyed'), keyless.shown('keyless')]).toEqual([[], []]);
    await crash({ aheadMs: MINUTE + 1000 });
    for (const { n } of events) expect(await room.until(n, 'sent')).toMatchObject({ attempts: 1 });
  });

  test('is told nothing twice: a second death changes nothing', async () => {
    keyless.plan('one', 'hang');
    const [one] = await room.reply('keyless', ['one']);
    await keyless.called(1);
    await crash();
    await keyless.called(1);
    await room.until((one?.n ?? 0) + 1, 'sent');
    await crash();
    expect(room.ledger.reads.unsentEvents()).toEqual([]);
    expect(room.outbox.list({ all: true }).map(({ status }) => status)).toEqual(['uncertain', 'sent']);
  });
});

describe('a host that stops', () => {
  test('waits for the send that is under way, and begins no other', async () => {
    keyless.plan('one', 'hang');
    const [one, two] = await room.reply('keyless', ['one', 'two']);
    const [call] = await keyless.called(1);
    const stopped = room.sender.close();
    call?.settle('take');
    await stopped;
    expect([room.entry(one?.n).status, room.entry(two?.n).status]).toEqual(['sent', 'pending']);
    expect(keyless.calls).toHaveLength(1);
  });

  test('does not wait for ever: what hangs is uncertain without a key, and sent again with one', async () => {
    room = await room.restart({ stopGraceMs: 30 });
    keyless.plan('one', 'hang');
    keyed.plan('one', 'hang');
    const [one] = await room.reply('keyless', ['one']);
    const [other] = await room.reply('keyed', ['one']);
    await Promise.all([keyless.called(1), keyed.called(1)]);
    await room.sender.close();
    expect([room.entry(one?.n).status, room.entry(other?.n).status]).toEqual(['uncertain', 'pending']);
    await crash();
    await room.until(other?.n, 'sent');
  });

  test('before the call takes it back: nothing has left', async () => {
    await room.sender.close();
    const [one] = await room.reply('keyless', ['one']);
    expect(one?.delivery.status).toBe('sending');
    await room.until(one?.n, 'pending');
    await crash();
    await room.until(one?.n, 'sent');
    expect(keyless.shown('keyless')).toEqual(['one']);
  });
});

test.each([
  ['keyless', 'uncertain'],
  ['keyed', 'sent'],
])('kill -9 in the middle of a send: %s is %s', async (chat, status) => {
  await room.close();
  const folder = mkdtempSync(join(tmpdir(), 'berth-killed-'));
  const program = new URL('./fixtures/sending-host.ts', import.meta.url).pathname;
  const child = spawn(process.execPath, [program, folder, chat], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [said] = (await once(child.stdout, 'data')) as [Buffer];
  expect(String(said)).toBe('the platform has it\n');
  child.kill('SIGKILL');
  await once(child, 'exit');
  room = await openDeliveryRoom({ channels: [keyed, keyless], folder });
  await room.until(1, status);
  await room.until(2, 'sent');
  expect((chat === 'keyed' ? keyed : keyless).calls.map(({ text }) => text)).toEqual(
    chat === 'keyed' ? ['one', 'two'] : ['two', '[E_SEND_UNCERTAIN]'],
  );
});

test('receipts that no mailbox was open for are there after the wake, also in a file made anew', async () => {
  const [one] = await room.reply('keyed', ['one']);
  await room.until(one?.n, 'sent');
  await room.reply('keyed', ['elsewhere'], { destination: 'nowhere' });
  keyed.plan('two', new SendError('permanent', 'too long'));
  const [two] = await room.reply('keyed', ['two'], { fileProblem: 'the file "a" does not exist' });
  await room.until(two?.n, 'dead');
  const [three] = await room.reply('keyed', ['three'], { fileProblem: 'the file "b" does not exist' });
  await room.until(three?.n, 'sent');
  await room.ledger.accept('next', { chat: 'keyed', channel: 'keyed' });
  await room.ledger.wake('s_keyed');
  expect(room.receipts('keyed')).toEqual([
    { out_id: 'row-keyed-one', status: 'sent', detail: null, platform_id: `p${one?.n}` },
    {
      out_id: 'row-keyed-elsewhere',
      status: 'refused',
      detail: 'this session has no destination "nowhere"',
      platform_id: null,
    },
    { out_id: 'row-keyed-two', status: 'failed', detail: 'too long', platform_id: null },
    {
      out_id: 'row-keyed-three',
      status: 'sent',
      detail: 'the file "b" does not exist',
      platform_id: `p${three?.n}`,
    },
  ]);
});

test('a ledger of an earlier version: what was pending is sent', async () => {
  await room.close();
  const folder = mkdtempSync(join(tmpdir(), 'berth-old-'));
  const old = new Database(join(folder, 'host.db'));
  const migrations = new URL('../migrations/host/', import.meta.url);
  const names = readdirSync(migrations).filter((name) => name.endsWith('.sql'));
  const before = names.sort().slice(
    0,
    names.findIndex((name) => name.includes('delivery')),
  );
  for (const name of before) old.exec(readFileSync(new URL(name, migrations), 'utf8'));
  old.pragma(`user_version = ${before.length}`);
  old.exec(
    `INSERT INTO chats (channel, group_folder, chat, last_event) VALUES ('keyed', 'echo', 'keyed', 2)`,
  );
  const insert = old.prepare(
    `INSERT INTO outbox (session, row_id, chat_id, event, type, body, status, created_at) VALUES ('s', ?, 1, ?, 'message', ?, ?, 1)`,
  );
  const body = JSON.stringify({ text: 'old', answers: [], files: [], rowId: 'r' });
  insert.run('r1', 1, body, 'sent');
  insert.run('r2', 2, body, 'pending');
  old.close();
  room = await openDeliveryRoom({ channels: [keyed, keyless], folder });
  await room.until(2, 'sent');
  expect(keyed.calls.map(({ key }) => key)).toEqual([2]);
});

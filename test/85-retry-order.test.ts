import { existsSync, statSync } from 'node:fs';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type LedgerRoom, openLedgerRoom } from './fixtures/ledger-room.ts';
import { createRunnerSession, until } from './fixtures/runner-session.ts';

const BODY = { group: 'echo', agent: { provider: 'echo', options: {} }, turnLimitMs: 1000, notices: [] };

describe('the host', () => {
  let room: LedgerRoom;
  beforeEach(async () => {
    room = await openLedgerRoom();
  });
  afterEach(() => room.close());

  function inbound<Row>(session: string, sql: string): Row[] {
    const db = new Database(room.inbound(session), { readonly: true });
    try {
      return db.prepare(sql).all() as Row[];
    } finally {
      db.close();
    }
  }

  /** What the container sees: id and attempt, in order. The writer writes after it has answered. */
  async function rows(session: string): Promise<string[]> {
    await room.writer.run('markSent', { events: [], now: 1 });
    return inbound<{ id: string; attempt: number }>(
      session,
      'SELECT id, attempt FROM messages ORDER BY seq',
    ).map(({ id, attempt }) => `${id} ${attempt}`);
  }

  function failed(session: string, message: string, retryAt: number) {
    const claims = [{ message, attempt: 1, outcome: { retryAt } }];
    return room.writer.run('collect', { session, file: 'f', messages: [], usage: [], claims, now: 2000 });
  }

  test('a retry takes what follows it out of the file, and brings it back with it, in order', async () => {
    const first = await room.accept('one');
    const second = await room.accept('two');
    const elsewhere = await room.accept('three', { chat: 'd' });
    const { session } = first;
    await room.wake(session);
    await failed(session, first.message, 9000);
    expect(await rows(session)).toEqual([`${first.message} 1`]);

    const third = await room.accept('four', { now: 3000 });
    expect(await rows(session)).toEqual([`${first.message} 1`]);
    await room.writer.run('putDue', { session, now: 8999 });
    expect(await rows(session)).toEqual([`${first.message} 1`]);

    await room.writer.run('putDue', { session, now: 9000 });
    expect(await rows(session)).toEqual([`${first.message} 2`, `${second.message} 1`, `${third.message} 1`]);
    expect(elsewhere.session).not.toBe(session);
  });

  test('a message that comes right after a retry came due does not overtake it', async () => {
    const first = await room.accept('one');
    const { session } = first;
    await room.wake(session);
    await failed(session, first.message, 9000);
    // Nobody has put the retry in yet.
    const second = await room.accept('two', { now: 9001 });
    expect(await rows(session)).toEqual([`${first.message} 2`, `${second.message} 1`]);
  });

  test('the next container gets nothing that waits behind a retry', async () => {
    const first = await room.accept('one');
    const { session } = first;
    await room.accept('two');
    await room.wake(session);
    await failed(session, first.message, 9000);
    await room.writer.run('sleep', { session, epoch: 1, now: 3000, from: 'waking' });
    await room.wake(session);
    expect(await rows(session)).toEqual([]);
  });

  test('adoption: what is as it should be is not written, controls stay, and the file follows the ledger again', async () => {
    const first = await room.accept('one');
    const { session } = first;
    await room.wake(session);
    await room.writer.run('control', { session, epoch: 1, now: 1, verb: 'nudge' });
    await rows(session);
    await room.reopen();
    const written = () => statSync(room.inbound(session), { bigint: true }).mtimeNs;

    const ticket = await room.writer.run('adopt', { session, epoch: 1, now: 5000, to: 'awake' });
    expect(ticket).toMatchObject({ waiting: [{ id: first.message }] });
    const before = written();
    await room.writer.run('attach', {
      session,
      epoch: 1,
      now: 5000,
      inbound: room.inbound(session),
      body: BODY,
    });
    expect(await rows(session)).toEqual([`${first.message} 1`]);
    expect(written()).toBe(before);
    expect(inbound(session, 'SELECT verb FROM controls')).toEqual([{ verb: 'nudge' }]);
    expect(room.reads.session(session)).toMatchObject({ state: 'awake', epoch: 1 });

    const second = await room.accept('two');
    await room.writer.run('control', { session, epoch: 1, now: 1, verb: 'abort' });
    expect(await rows(session)).toEqual([`${first.message} 1`, `${second.message} 1`]);
    expect(inbound(session, 'SELECT seq, verb FROM controls ORDER BY seq')).toEqual([
      { seq: 1, verb: 'nudge' },
      { seq: 2, verb: 'abort' },
    ]);
  });

  test('adoption at another epoch, or of a session that sleeps, is refused', async () => {
    const { session } = await room.accept('one');
    await room.wake(session);
    expect(await room.writer.run('adopt', { session, epoch: 2, now: 1, to: 'awake' })).toBeUndefined();
    expect(await room.writer.run('recover', { now: 1, adopted: [session] })).toEqual([]);
    expect(await room.writer.run('recover', { now: 1, adopted: [] })).toEqual([
      { id: session, group: 'echo', state: 'waking' },
    ]);
    expect(await room.writer.run('adopt', { session, epoch: 1, now: 1, to: 'awake' })).toBeUndefined();
  });

  /** A host that was killed had not heard what became of its messages; the next one has. */
  async function adoptLate(...outcomes: ({ done: true } | { retryAt: number })[]): Promise<string> {
    const accepted = await Promise.all(outcomes.map(() => room.accept('text')));
    const session = accepted[0]?.session ?? '';
    await room.wake(session);
    await room.reopen();
    await room.writer.run('adopt', { session, epoch: 1, now: 5000, to: 'awake' });
    const claims = outcomes.map((outcome, n) => ({
      message: accepted[n]?.message ?? '',
      attempt: 1,
      outcome,
    }));
    await room.writer.run('collect', { session, file: 'f', messages: [], usage: [], claims, now: 5000 });
    const file = { inbound: room.inbound(session), body: BODY };
    await room.writer.run('attach', { session, epoch: 1, now: 5000, ...file });
    return session;
  }

  test('adoption: what is to be tried later is taken out at once', async () => {
    expect(await rows(await adoptLate({ retryAt: 9000 }))).toEqual([]);
    expect(await rows(await adoptLate({ done: true }, { retryAt: 9000 }))).toEqual([]);
  });

  test('adoption: what is over is taken out with the next message', async () => {
    const session = await adoptLate({ done: true });
    expect(await rows(session)).toHaveLength(1);
    const { message } = await room.accept('next');
    expect(await rows(session)).toEqual([`${message} 1`]);
  });

  test('adoption: what is over is taken out after a while when no message comes', async () => {
    const session = await adoptLate({ done: true });
    await until(() => inbound(session, 'SELECT id FROM messages').length === 0);
  });

  test('a container that retires keeps what it works on, and gets nothing more', async () => {
    const first = await room.accept('one');
    const { session } = first;
    await room.accept('two');
    await room.wake(session);
    await room.reopen();
    await room.writer.run('adopt', { session, epoch: 1, now: 5000, to: 'awake' });
    const only = [first.message];
    await room.writer.run('attach', {
      session,
      epoch: 1,
      now: 5000,
      inbound: room.inbound(session),
      body: BODY,
      only,
    });
    await room.accept('three');
    expect(await rows(session)).toEqual([`${first.message} 1`]);
    expect(existsSync(room.inbound(session))).toBe(true);
  });

  test('troubles outlive a restart; an awake session keeps them; the operator forgets them', async () => {
    const { session } = await room.accept('one');
    const troubles = { times: [100, 200], failures: 2, quietSince: 200 };
    await room.writer.run('recordTrouble', { session, troubles });
    await room.reopen();
    await room.wake(session);
    await room.writer.run('change', { session, epoch: 1, now: 300, from: 'waking', to: 'awake' });
    expect(room.reads.session(session)).toMatchObject({
      troubles: '[100,200]',
      failures: 2,
      quietSince: 200,
    });

    expect(await room.writer.run('retryNow', { session, now: 400 })).toBe(1);
    expect(room.reads.session(session)).toMatchObject({ troubles: '[]', failures: 0, quietSince: null });
  });
});

describe('the runner', () => {
  /** Fails its first attempt in passing (75 is EX_TEMPFAIL), whatever the message. */
  const FLAKY = `const turn = JSON.parse(await new Response(process.stdin).text());
const { id, text } = turn.messages.at(-1);
if (text === 'flaky' && turn.attempt === 1) process.exit(75);
console.log(id + ' ' + turn.attempt);`;

  function flaky() {
    const session = createRunnerSession({ provider: 'command', command: ['node', '/group/bot.mjs'] });
    session.bot(FLAKY);
    return session;
  }

  test('leaves alone what follows a message that is tried again, until the host has spoken', async () => {
    const session = flaky();
    session.put({ id: 'm1', text: 'flaky' }, { id: 'm2' }, { id: 'm3', chat: 'other' });
    session.start();
    await session.settled('m1', 'm3');
    expect(session.claim('m2')).toBeUndefined();
    session.raiseAttempt('m1');
    await session.settled('m2');
    expect(session.texts()).toEqual(['m3 1', 'm1 2', 'm2 1']);
  });

  test('also after a restart, and when the host takes the message away', async () => {
    const session = flaky();
    session.put({ id: 'm1', text: 'flaky' }, { id: 'm2' });
    const first = session.start();
    await session.settled('m1');
    await first.kill('SIGKILL');
    session.start({}, 2);
    await until(() => session.runner()?.epoch === 2);
    session.put({ id: 'm3', chat: 'other' });
    await session.settled('m3');
    expect(session.claim('m2')).toBeUndefined();
    session.remove('m1');
    await session.settled('m2');
    expect(session.texts()).toEqual(['m3 1', 'm2 1']);
  });

  test('a failure that is final holds back nobody', async () => {
    const session = flaky();
    session.bot(
      `${FLAKY.replace("text === 'flaky' && turn.attempt === 1", "text === 'flaky'").replace('75', '1')}`,
    );
    session.put({ id: 'm1', text: 'flaky' }, { id: 'm2' });
    session.start();
    await session.settled('m1', 'm2');
    expect(session.texts()).toEqual(['m2 1']);
  });

  test('says why it was aborted, where the host says so', async () => {
    const session = createRunnerSession({ provider: 'command', command: ['node', '/group/bot.mjs'] });
    session.bot('setInterval(() => {}, 1000);');
    session.put({ id: 'm1' });
    session.start();
    await until(() => session.claim('m1')?.status === 'processing');
    session.control('abort', { message_id: 'm1', text: 'It was silent for too long.' });
    await session.settled('m1');
    expect(session.claim('m1')).toMatchObject({
      errorClass: 'aborted',
      error: 'It was silent for too long.',
    });
  });
});

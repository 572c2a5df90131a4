import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { describe, expect, test } from 'vitest';
import { openMailboxFile } from '../contract/open-mailbox-file.ts';
import { createRunnerSession, type RunnerSession, until } from './fixtures/runner-session.ts';

/** Waits until a file appears in the group's folder, then answers with the attempt. */
const GATED = `import { existsSync } from 'node:fs';
const turn = JSON.parse(await new Response(process.stdin).text());
while (!existsSync('open')) await new Promise((resolve) => setTimeout(resolve, 5));
console.log('attempt ' + turn.attempt);`;

test('killed between claim and reply, it takes the turn up again and answers once', async () => {
  const session = createRunnerSession({ provider: 'command', command: ['node', '/group/bot.mjs'] });
  session.bot(GATED);
  session.put({ id: 'm1' });
  const first = session.start();
  await until(() => session.claim('m1')?.status === 'processing');
  await first.kill('SIGKILL');
  writeFileSync(join(session.groupDir, 'open'), '');
  session.raiseAttempt('m1');
  session.start({}, 2);
  await until(() => session.claim('m1', 2)?.status === 'done');
  expect(session.replies()).toMatchObject([{ text: 'attempt 2', epoch: 2, answers: ['m1'] }]);
  expect(session.claim('m1', 1)).toBeUndefined();
  expect(session.runner()).toMatchObject({ epoch: 2, tool: null });
});

test('one that lives on beside its successor writes nothing more, and ends', async () => {
  const session = createRunnerSession({ provider: 'command', command: ['node', '/group/bot.mjs'] });
  session.bot(GATED);
  session.put({ id: 'm1' });
  const lost = session.start();
  await until(() => session.claim('m1')?.status === 'processing');
  session.start({}, 2);
  await until(() => session.claim('m1')?.epoch === 2);
  writeFileSync(join(session.groupDir, 'open'), '');
  expect(await lost.exited()).toBe(78);
  await session.settled('m1');
  expect(session.replies()).toMatchObject([{ text: 'attempt 1', epoch: 2 }]);
  expect(lost.stderr()).toMatch(/a later container works here/);
});

test('told to stop, it lets a turn end that ends in time', async () => {
  const session = createRunnerSession({ provider: 'command', command: ['node', '/group/bot.mjs'] });
  session.bot(GATED);
  session.put({ id: 'm1' });
  const runner = session.start();
  await until(() => session.claim('m1')?.status === 'processing');
  runner.signal('SIGTERM');
  writeFileSync(join(session.groupDir, 'open'), '');
  expect(await runner.exited()).toBe(0);
  expect(session.texts()).toEqual(['attempt 1']);
});

test('a turn that outlasts the grace is given up without a failure, and repeated by the next start', async () => {
  const session = createRunnerSession({ provider: 'command', command: ['node', '/group/bot.mjs'] });
  session.bot(GATED);
  session.put({ id: 'm1' });
  const runner = session.start({ BERTH_STOP_GRACE_MS: '1200' });
  await until(() => session.claim('m1')?.status === 'processing');
  runner.signal('SIGTERM');
  expect(await runner.exited()).toBe(0);
  expect(session.claim('m1')?.status).toBe('processing');
  writeFileSync(join(session.groupDir, 'open'), '');
  session.start({}, 2);
  await session.settled('m1');
  expect(session.texts()).toEqual(['attempt 1']);
});

test('the control "stop" ends it as well, and begins no new turn', async () => {
  const session = createRunnerSession({});
  const runner = session.start();
  await until(() => session.runner());
  session.control('stop');
  expect(await runner.exited()).toBe(0);
});

test("another session's file is refused in words", async () => {
  const session = createRunnerSession({});
  const first = session.start();
  await until(() => session.runner());
  await first.kill('SIGTERM');
  const runner = session.start({ BERTH_SESSION: 's2' }, 2);
  expect(await runner.exited()).toBe(78);
  expect(runner.stderr()).toMatch(/made for session s1, and this is session s2/);
});

test('an older start than the one that wrote last is refused', async () => {
  const session = createRunnerSession({});
  const newer = session.start({}, 3);
  await until(() => session.runner());
  await newer.kill('SIGKILL');
  const runner = session.start({}, 2);
  expect(await runner.exited()).toBe(78);
  expect(runner.stderr()).toMatch(/epoch 3/);
});

test('without its environment it says what is missing', async () => {
  const session = createRunnerSession({});
  const runner = session.start({ BERTH_CONTRACT: '' });
  expect(await runner.exited()).toBe(78);
  expect(runner.stderr()).toMatch(/BERTH_CONTRACT is not set/);
});

test('a damaged file is put aside, and what is unanswered is answered from a new one', async () => {
  const session = createRunnerSession({});
  writeFileSync(session.outboundPath, 'this was a database once, and is none any more');
  session.put({ id: 'm1' });
  session.start();
  await until(() => existsSync(`${session.outboundPath}.damaged`));
  await session.settled('m1');
});

describe('a file that another runner made', () => {
  const made = (session: RunnerSession, sql: string) => {
    const db = openMailboxFile(session.outboundPath, 'outbound', 0);
    db.exec(sql);
    db.close();
  };

  test.each([
    ['without a number', 'PRAGMA user_version = 0'],
    ['without a table', 'DROP TABLE memory; DROP TABLE usage'],
    ['without either', 'DROP TABLE memory; PRAGMA user_version = 0'],
  ])('%s: what is missing is made, what is there goes on', async (_, sql) => {
    const session = createRunnerSession({});
    const rows =
      "INSERT INTO messages (id, epoch, kind, body, created_at) VALUES ('r1', 1, 'chat', '{}', 0);";
    made(session, `${rows} ${sql}`);
    session.put({ id: 'm1' });
    session.start();
    await session.settled('m1');
    expect(session.replies().map(({ seq }) => seq)).toEqual([1, 2]);
    const db = new Database(session.outboundPath, { readonly: true });
    expect(db.pragma('user_version', { simple: true })).toBe(1);
    expect(db.prepare('SELECT count(*) FROM memory').pluck().get()).toBeTypeOf('number');
    db.close();
  });

  test('of a later version is not touched', async () => {
    const session = createRunnerSession({});
    made(session, 'DROP TABLE memory; PRAGMA user_version = 2');
    const runner = session.start();
    expect(await runner.exited()).toBe(1);
    expect(runner.stderr()).toMatch(/outbound database has version 2, this program knows 1/);
  });
});

test('settled rows, their files and claims of removed messages are pruned; the rest stays', async () => {
  const session = createRunnerSession({});
  session.put({ id: 'm1' }, { id: 'm2' }, { id: 'm3' });
  const first = session.start();
  await session.settled('m1', 'm2', 'm3');
  await first.kill('SIGTERM');
  const [one, , three] = session.replies();
  for (const name of [one?.id, three?.id, 'turn_left_over']) {
    mkdirSync(join(session.outDir, 'files', name ?? ''), { recursive: true });
  }
  session.remove('m1');
  session.settle(2);
  session.start({}, 2);
  await until(() => session.replies().length === 1);
  expect(session.texts()).toEqual(['m3']);
  expect(session.claims().map((claim) => claim.id)).toEqual(['m2', 'm3']);
  await until(() => !existsSync(join(session.outDir, 'files', 'turn_left_over')));
  expect(existsSync(join(session.outDir, 'files', one?.id ?? ''))).toBe(false);
  expect(existsSync(join(session.outDir, 'files', three?.id ?? ''))).toBe(true);
  session.put({ id: 'm4' });
  await session.settled('m4');
  expect(session.replies().at(-1)?.seq).toBe(4);
});

test('somebody waits at the start, and the turn outlasts every glance: after the first reply it is pruned all the same', async () => {
  const session = createRunnerSession({ provider: 'command', command: ['node', '/group/bot.mjs'] });
  session.bot(GATED);
  const gate = join(session.groupDir, 'open');
  writeFileSync(gate, '');
  session.put({ id: 'm1' }, { id: 'm2' });
  const first = session.start();
  await session.settled('m1', 'm2');
  await first.kill('SIGTERM');
  rmSync(gate);
  const [one] = session.replies();
  mkdirSync(join(session.outDir, 'files', one?.id ?? ''), { recursive: true });
  session.remove('m1');
  session.remove('m2');
  session.settle(2);
  session.put({ id: 'm3' });
  session.start({}, 2);
  await until(() => session.claim('m3')?.status === 'processing');
  // Taken at once, also in mid-turn: the runner has looked, and no later look is owed to what lies there.
  session.answer('nothing', { ok: true });
  await until(() => session.claims().some((claim) => claim.id.startsWith('a_')));
  expect(session.replies().length).toBe(2);
  writeFileSync(gate, '');
  await session.settled('m3');
  await until(() => session.replies().length === 1);
  expect(session.replies()[0]).toMatchObject({ seq: 3, answers: ['m3'] });
  expect(
    session
      .claims()
      .map((claim) => claim.id)
      .sort(),
  ).toEqual([expect.stringMatching(/^a_/), 'm3']);
  await until(() => !existsSync(join(session.outDir, 'files', one?.id ?? '')));
});

test("a cursor of another file settles nothing of this one's", async () => {
  const session = createRunnerSession({});
  session.put({ id: 'm1' });
  const first = session.start();
  await session.settled('m1');
  await first.kill('SIGTERM');
  session.settle(99, 'f_other');
  session.start({}, 2);
  session.put({ id: 'm2' });
  await session.settled('m2');
  expect(session.texts()).toEqual(['m1', 'm2']);
});

test('more than 500 settled rows are pruned while it runs', async () => {
  const session = createRunnerSession({});
  session.start();
  const ids = Array.from({ length: 600 }, (_, index) => `m${index}`);
  session.put(...ids.map((id) => ({ id })));
  await session.settled(...ids.slice(-1));
  await until(() => session.replies().length === 600);
  session.settle(590);
  await until(() => session.replies().length === 10);
});

test('what a host that was killed in mid-commit left is not believed, and answered once a host is back', async () => {
  const session = createRunnerSession({});
  session.put({ id: 'm1' });
  // So little memory that the rows go to the file before they are committed.
  const killed = `const db = new (require('better-sqlite3'))(process.argv[1]);
    db.exec("PRAGMA journal_mode = PERSIST; PRAGMA cache_size = 1; BEGIN");
    const insert = db.prepare("INSERT INTO messages (seq, id, kind, body, created_at) VALUES (?, ?, 'chat', ?, 0)");
    for (let seq = 100; seq < 200; seq += 1) insert.run(seq, 'never' + seq, JSON.stringify({ text: 'x'.repeat(5000) }));
    process.kill(process.pid, 'SIGKILL');`;
  spawnSync(process.execPath, ['-e', killed, join(session.inDir, 'inbound.db')], {
    cwd: import.meta.dirname,
  });
  expect(readFileSync(join(session.inDir, 'inbound.db-journal'))[0]).not.toBe(0);
  session.start();
  await until(() => session.runner());
  expect(session.claims()).toEqual([]);
  session.put({ id: 'm2', seq: 2 });
  await session.settled('m1', 'm2');
  expect(session.texts()).toEqual(['m1', 'm2']);
});

test('the file is a rollback journal of the contract version', async () => {
  const session = createRunnerSession({});
  const first = session.start();
  await until(() => session.runner());
  await first.kill('SIGTERM');
  const db = new Database(session.outboundPath, { readonly: true });
  expect(db.pragma('journal_mode', { simple: true })).toBe('delete');
  expect(db.pragma('user_version', { simple: true })).toBe(1);
  db.close();
});

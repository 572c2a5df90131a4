import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { createRunnerSession, until } from './fixtures/runner-session.ts';

test('a message that waits is answered, by a reply that lists it and a claim that is done', async () => {
  const session = createRunnerSession({});
  session.put({ id: 'm1', text: 'hello' });
  session.start();
  await session.settled('m1');
  expect(session.replies()).toMatchObject([
    { text: 'hello', inReplyTo: 'm1', answers: ['m1'], epoch: 1, kind: 'chat' },
  ]);
  expect(session.claims()).toMatchObject([{ id: 'm1', attempt: 1, epoch: 1, status: 'done', error: null }]);
  expect(session.runner()).toMatchObject({ epoch: 1, parked: 0, tool: null });
});

test('messages that come later are noticed, each answered once and in order', async () => {
  const session = createRunnerSession({});
  session.start();
  await until(() => session.runner());
  const ids = Array.from({ length: 50 }, (_, index) => `m${index}`);
  for (const id of ids.slice(0, 5)) session.put({ id });
  session.put(...ids.slice(5).map((id) => ({ id })));
  await session.settled(...ids);
  expect(session.texts()).toEqual(ids);
});

test('the heartbeat is there from the start', async () => {
  const session = createRunnerSession({});
  session.start();
  await until(() => session.runner());
  expect(Date.now() - statSync(join(session.outDir, 'heartbeat')).mtimeMs).toBeLessThan(5000);
});

test('a raised attempt is answered again, also on a row that was done', async () => {
  const session = createRunnerSession({});
  session.put({ id: 'm1' }, { id: 'm2' });
  session.start();
  await session.settled('m1', 'm2');
  session.raiseAttempt('m1');
  await until(() => session.claim('m1', 2)?.status === 'done');
  expect(session.texts()).toEqual(['m1', 'm2', 'm1']);
});

test('a row with a lower number that comes later is answered as well', async () => {
  const session = createRunnerSession({});
  session.put({ id: 'm5', seq: 5 });
  session.start();
  await session.settled('m5');
  session.put({ id: 'm2', seq: 2 });
  await session.settled('m2');
});

test('context alone starts nothing, and comes along with the next message of its chat', async () => {
  const session = createRunnerSession({});
  session.put({ id: 'c1', wake: 0 }, { id: 'other', wake: 0, chat: 'chat-2' });
  session.start();
  await until(() => session.runner());
  session.put({ id: 'm1' });
  await session.settled('m1', 'c1');
  expect(session.replies()).toMatchObject([{ inReplyTo: 'm1', answers: ['m1', 'c1'] }]);
  expect(session.claim('other')).toBeUndefined();
});

test('chats and threads have turns of their own, the longest wait first', async () => {
  const session = createRunnerSession({});
  session.put(
    { id: 'a1', chat: 'a' },
    { id: 'b1', chat: 'b' },
    { id: 'a2', chat: 'a' },
    { id: 't1', chat: 'a', thread: 't' },
  );
  session.start();
  await session.settled('a1', 'a2', 'b1', 't1');
  expect(session.texts()).toEqual(['a1', 'a2', 'b1', 't1']);
});

test('an answer to a request of its own is taken and never shown', async () => {
  const session = createRunnerSession({});
  session.start();
  await until(() => session.runner());
  session.put({ id: 'r1', kind: 'system', wake: 0, answers: 'out_1' }, { id: 'm1' });
  await session.settled('r1', 'm1');
  expect(session.replies()).toMatchObject([{ answers: ['m1'] }]);
});

test('files of a message come back with the echo', async () => {
  const session = createRunnerSession({});
  mkdirSync(join(session.inDir, 'files', 'm1'), { recursive: true });
  writeFileSync(join(session.inDir, 'files', 'm1', 'stored'), 'content');
  session.put({
    id: 'm1',
    files: [{ name: 'a.txt', path: 'files/m1/stored', type: 'text/plain', bytes: 7 }],
  });
  session.start();
  await session.settled('m1');
  const [file] = session.replies()[0]?.files ?? [];
  expect(file).toMatchObject({ name: 'a.txt' });
  expect(existsSync(join(session.outDir, file?.path ?? ''))).toBe(true);
});

test('while the host is in the middle of a commit the runner waits for its end', async () => {
  const session = createRunnerSession({});
  const release = session.holdInbound();
  session.start();
  await until(() => session.runner());
  release();
  session.put({ id: 'm1' });
  await session.settled('m1');
});

test('without file events it looks by timer', async () => {
  const session = createRunnerSession({});
  session.start({ BERTH_RUNNER_WATCH: 'off' });
  await until(() => session.runner());
  for (const id of ['m1', 'm2', 'm3']) {
    session.put({ id });
    await session.settled(id);
  }
  expect(session.texts()).toEqual(['m1', 'm2', 'm3']);
});

test('an unknown provider fails every message and names those there are', async () => {
  const session = createRunnerSession({ provider: 'oracle' });
  session.put({ id: 'm1' }, { id: 'm2' });
  session.start();
  await session.settled('m1', 'm2');
  for (const claim of session.claims()) {
    expect(claim).toMatchObject({ status: 'failed', errorClass: 'permanent' });
    expect(claim.error).toContain('"oracle"');
    expect(claim.error).toContain('echo, command');
  }
});

test('the self-check answers a message and says with what', async () => {
  const main = join(import.meta.dirname, '../agent-runner/src/main.ts');
  const { stdout } = await promisify(execFile)(process.execPath, [main, '--self-check']);
  expect(JSON.parse(stdout)).toEqual({
    ok: true,
    contract: 1,
    node: process.version,
    sqlite: expect.stringMatching(/^3\./),
  });
});

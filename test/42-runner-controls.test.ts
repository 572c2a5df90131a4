import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createRunnerSession, type RunnerSession, until } from './fixtures/runner-session.ts';

/** A bot that answers what it is told, once a file of that name lies in the group's folder. */
const GATED = `import { existsSync } from 'node:fs';
const turn = JSON.parse(await new Response(process.stdin).text());
const text = turn.messages.at(-1).text;
while (!existsSync(text)) await new Promise((resolve) => setTimeout(resolve, 5));
console.log(text);`;

function gatedSession(turnLimitMs = 60_000): RunnerSession & { open(text: string): void } {
  const session = createRunnerSession({
    provider: 'command',
    command: ['node', '/group/bot.mjs'],
    turnLimitMs,
  });
  session.bot(GATED);
  return { ...session, open: (text) => writeFileSync(join(session.groupDir, text), '') };
}

test('park with nothing to do is obeyed, and nothing is written until something comes in', async () => {
  const session = createRunnerSession({});
  session.put({ id: 'm1' });
  session.start();
  await session.settled('m1');
  const park = session.control('park');
  await until(() => session.runner()?.parked === 1);
  expect(session.runner()).toMatchObject({ parked: 1, controlSeq: park });
  session.put({ id: 'm2' });
  await session.settled('m2');
  expect(session.runner()).toMatchObject({ parked: 0 });
});

test('unpark is obeyed', async () => {
  const session = createRunnerSession({});
  session.start();
  await until(() => session.runner());
  session.control('park');
  await until(() => session.runner()?.parked === 1);
  const unpark = session.control('unpark');
  await until(() => session.runner()?.controlSeq === unpark);
  expect(session.runner()?.parked).toBe(0);
});

test('park while something is due is not obeyed, also not later', async () => {
  const session = gatedSession();
  session.put({ id: 'm1', text: 'one' });
  session.start();
  await until(() => session.claim('m1'));
  session.control('park');
  const noted = session.control('nudge', { message_id: 'nobody' });
  await until(() => session.runner()?.controlSeq === noted);
  session.open('one');
  await session.settled('m1');
  expect(session.runner()).toMatchObject({ parked: 0, controlSeq: noted });
});

test('it beats while parked, and is parked also without file events', async () => {
  const session = createRunnerSession({});
  session.start({ BERTH_RUNNER_WATCH: 'off' });
  await until(() => session.runner());
  session.control('park');
  await until(() => session.runner()?.parked === 1);
  const heartbeat = join(session.outDir, 'heartbeat');
  const before = statSync(heartbeat).mtimeMs;
  await until(() => statSync(heartbeat).mtimeMs > before, 'the heartbeat changes');
  session.put({ id: 'm1' });
  await session.settled('m1');
});

test('controls of another start are not obeyed', async () => {
  const session = createRunnerSession({});
  session.control('stop', {}, 1);
  session.start({}, 2);
  session.control('stop', {}, 3);
  const mine = session.control('unpark', {}, 2);
  await until(() => session.runner()?.controlSeq === mine);
  session.put({ id: 'm1' });
  await session.settled('m1');
});

test('abort ends that turn and its program, and the next message has its turn', async () => {
  const session = gatedSession();
  session.put({ id: 'm1', text: 'one' }, { id: 'm2', text: 'two' });
  session.start();
  await until(() => session.claim('m1')?.status === 'processing');
  session.control('abort', { message_id: 'm1' });
  await session.settled('m1');
  expect(session.claim('m1')).toMatchObject({ status: 'failed', errorClass: 'aborted' });
  session.open('two');
  await session.settled('m2');
  expect(session.texts()).toEqual(['two']);
});

test('abort of a message that waits takes it out of the queue; of one that is answered it means nothing', async () => {
  const session = gatedSession();
  session.put({ id: 'm1', text: 'one' }, { id: 'm2', text: 'two' });
  session.start();
  await until(() => session.claim('m1')?.status === 'processing');
  session.control('abort', { message_id: 'm2' });
  await session.settled('m2');
  session.open('one');
  await session.settled('m1');
  const late = session.control('abort', { message_id: 'm1' });
  await until(() => session.runner()?.controlSeq === late);
  expect(session.claims()).toMatchObject([
    { id: 'm1', status: 'done' },
    { id: 'm2', status: 'failed', errorClass: 'aborted' },
  ]);
});

test('abort of an attempt that is over means nothing to the next one', async () => {
  const session = gatedSession();
  session.bot('process.exit(75);');
  session.put({ id: 'm1', text: 'one' });
  session.start();
  await session.settled('m1');
  await session.crash();
  session.bot(GATED);
  session.raiseAttempt('m1');
  session.control('abort', { message_id: 'm1' }, 2);
  session.open('one');
  session.start({}, 2);
  await until(() => /done|failed/.test(session.claim('m1', 2)?.status ?? ''));
  expect(session.claim('m1', 2)?.status).toBe('done');
});

test('a turn past its limit is stopped with the limit in words, and its tool is over', async () => {
  const session = gatedSession(300);
  session.put({ id: 'm1', text: 'one' });
  const before = Date.now();
  session.start();
  await until(() => session.runner()?.tool);
  const { tool, toolUntil } = session.runner() ?? {};
  expect(tool).toBe('command');
  expect((toolUntil ?? 0) - before).toBeGreaterThanOrEqual(300);
  await session.settled('m1');
  expect(session.claim('m1')).toMatchObject({ status: 'failed', errorClass: 'aborted' });
  expect(session.claim('m1')?.error).toMatch(/0\.3 s.*limits\.turn/);
  expect(session.runner()).toMatchObject({ tool: null, toolUntil: null });
});

test('a program that ignores SIGTERM is killed, with all that it started', async () => {
  const session = createRunnerSession({
    provider: 'command',
    command: ['node', '/group/bot.mjs'],
    turnLimitMs: 1000,
  });
  session.bot(`import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
process.on('SIGTERM', () => {});
const child = spawn('sleep', ['600']);
writeFileSync('pids', process.pid + ' ' + child.pid);
setInterval(() => {}, 1000);`);
  session.put({ id: 'm1' });
  session.start();
  await session.settled('m1');
  for (const pid of readFileSync(join(session.groupDir, 'pids'), 'utf8').split(' ')) {
    await until(() => !isAlive(pid), `process ${pid} ends`);
  }
});

/** A zombie that nobody has collected yet is dead enough. */
function isAlive(pid: string): boolean {
  try {
    return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

import { chmodSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createRunnerSession, type RunnerSession, until } from './fixtures/runner-session.ts';

function sessionOf(source: string, agentOptions: Record<string, unknown> = {}): RunnerSession {
  const session = createRunnerSession({
    provider: 'command',
    command: ['node', '/group/bot.mjs'],
    agentOptions,
  });
  session.bot(source);
  return session;
}

const READ_TURN = 'const turn = JSON.parse(await new Response(process.stdin).text());\n';

/** Runs one message through a bot and gives back its claim. */
async function outcomeOf(source: string) {
  const session = sessionOf(source);
  session.put({ id: 'm1' });
  const runner = session.start();
  await session.settled('m1');
  return { session, runner, claim: session.claim('m1'), replies: session.replies() };
}

test('it gets the whole turn as JSON and stands in the folder of the group', async () => {
  const session =
    sessionOf(`${READ_TURN}console.log(JSON.stringify({ text: JSON.stringify({ turn, cwd: process.cwd(),
    session: process.env.BERTH_SESSION }) }));`);
  session.put(
    { id: 'c1', text: 'listen', wake: 0 },
    { id: 'm1', text: 'hello', files: [{ name: 'a.txt', path: 'files/m1/a', type: 'text/plain', bytes: 3 }] },
  );
  session.start();
  await session.settled('m1', 'c1');
  const { turn, cwd, session: id } = JSON.parse(session.texts()[0] ?? '');
  expect({ cwd, id }).toEqual({ cwd: session.groupDir, id: 's1' });
  expect(turn).toMatchObject({
    session: 's1',
    group: 'demo',
    groupName: 'Demo',
    chat: 'chat-1',
    thread: null,
    attempt: 1,
    messages: [
      { id: 'c1', text: 'listen', context: true },
      {
        id: 'm1',
        text: 'hello',
        context: false,
        attempt: 1,
        sender: { id: 'u1', name: 'Ann' },
        files: [{ name: 'a.txt', path: join(session.inDir, 'files/m1/a') }],
        createdAt: expect.any(Number),
      },
    ],
  });
  expect(turn.outDir).toMatch(new RegExp(`^${session.outDir}/files/`));
  await until(() => !existsSync(turn.outDir));
});

test('plain text is the reply', async () => {
  const { replies } = await outcomeOf(`console.log('two'); console.log('  lines');`);
  expect(replies).toMatchObject([{ text: 'two\n  lines', answers: ['m1'] }]);
});

test('JSON that is no reply is plain text', async () => {
  const { replies } = await outcomeOf(`console.log('{"answer": 42}');`);
  expect(replies).toMatchObject([{ text: '{"answer": 42}' }]);
});

test('JSON lines are several replies, of which the last answers', async () => {
  const { replies } = await outcomeOf(`console.log('{"text": "one"}\\n\\n{"text": "two"}');`);
  expect(replies).toMatchObject([
    { text: 'one', inReplyTo: 'm1', answers: [] },
    { text: 'two', inReplyTo: 'm1', answers: ['m1'] },
  ]);
});

test('silence has to be said', async () => {
  const { replies } = await outcomeOf(`console.log('{"silent": true}');`);
  expect(replies).toMatchObject([{ text: '', silent: true, answers: ['m1'] }]);
});

test('files are sent from wherever they lie, under safe names', async () => {
  const { session, replies } = await outcomeOf(`import { writeFileSync } from 'node:fs';
${READ_TURN}writeFileSync(turn.outDir + '/a.txt', 'from the turn');
writeFileSync('b.txt', 'from the group');
console.log(JSON.stringify({ files: [{ path: turn.outDir + '/a.txt' }, { path: 'b.txt', name: '../../b.txt' },
  { path: 'b.txt', name: 'a.txt' }] }));`);
  const files = replies[0]?.files ?? [];
  expect(files.map((file) => file.name)).toEqual(['a.txt', '_.._b.txt', '2-a.txt']);
  const contents = files.map((file) => readFileSync(join(session.outDir, file.path), 'utf8'));
  expect(contents).toEqual(['from the turn', 'from the group', 'from the group']);
  // What the turn's own folder held is gone soon after.
  await until(() => `${readdirSync(join(session.outDir, 'files'))}` === replies[0]?.id);
});

test('a file that cannot be sent does not take the reply with it', async () => {
  const session = sessionOf(`import { writeFileSync } from 'node:fs';
writeFileSync('big.txt', 'x'.repeat(2000));
console.log(JSON.stringify({ text: 'done', files: [{ path: 'none.txt' }, { path: 'big.txt' }, { path: '/dev/null' }] }));`);
  session.put({ id: 'm1' });
  session.start({ BERTH_MAX_FILE: '1000' });
  await session.settled('m1');
  expect(session.replies()[0]?.files).toEqual([]);
  expect(session.texts()[0]?.split('\n\n')).toEqual([
    'done',
    '[The file none.txt was not sent: there is no such file.]',
    '[The file big.txt was not sent: it has 2000 bytes, and 1000 are allowed.]',
    '[The file null was not sent: it is not a regular file.]',
  ]);
});

test('one message a turn, or as many as the group says', async () => {
  const source = `${READ_TURN}console.log(turn.messages.map((one) => one.id).join(' '));`;
  const single = sessionOf(source);
  single.put({ id: 'c1', wake: 0 }, { id: 'm1' }, { id: 'c2', wake: 0 }, { id: 'm2' }, { id: 'c3', wake: 0 });
  single.start();
  await single.settled('m1', 'm2', 'c3');
  expect(single.texts()).toEqual(['c1 m1', 'c2 m2 c3']);

  const batch = sessionOf(source, { batch: 2 });
  batch.put({ id: 'm1' }, { id: 'm2' }, { id: 'm3' });
  batch.start();
  await batch.settled('m1', 'm2', 'm3');
  expect(batch.replies()).toMatchObject([
    { text: 'm1 m2', inReplyTo: 'm2', answers: ['m1', 'm2'] },
    { text: 'm3', inReplyTo: 'm3', answers: ['m3'] },
  ]);
});

test.for([
  [
    'exits 1',
    `console.error('a'); console.error('no luck'); process.exit(1);`,
    'permanent',
    'code 1: no luck',
  ],
  ['asks to be tried again', 'process.exit(75);', 'transient', 'code 75.'],
  ['prints nothing', '', 'permanent', 'printed nothing'],
  ['prints blank lines', `console.log(' \\n ');`, 'permanent', 'printed nothing'],
  ['prints a megabyte', `console.log('x'.repeat(1e6));`, 'permanent', 'printed more than 256 KiB'],
  [
    'prints control characters',
    `process.stdout.write('x' + '\\x01'.repeat(2e5));`,
    'permanent',
    'longer than 960 KiB',
  ],
  [
    'never stops printing',
    `for (;;) if (!process.stdout.write('y'.repeat(1e5))) await new Promise((resolve) => process.stdout.once('drain', resolve));`,
    'permanent',
    'printed more than',
  ],
  ['breaks off its lines', `console.log('{"text": "a"}\\nb');`, 'permanent', 'Line 2'],
  ['sends files that are none', `console.log('{"files": [1]}');`, 'permanent', 'Line 1'],
  ['is killed', `process.kill(process.pid, 'SIGKILL'); setInterval(() => {}, 9);`, 'transient', 'killed'],
  [
    'ends by a signal',
    `process.kill(process.pid, 'SIGUSR2'); setInterval(() => {}, 9);`,
    'permanent',
    'SIGUSR2',
  ],
] as const)('a program that %s fails its message in words', async ([, source, errorClass, words]) => {
  const { claim, replies } = await outcomeOf(source);
  expect(claim).toMatchObject({ status: 'failed', errorClass });
  expect(claim?.error).toContain(words);
  expect(replies).toEqual([]);
});

test('what it says on stderr is in the log, and a reason as well', async () => {
  const { runner } = await outcomeOf(`console.error('a word for the log'); process.exit(3);`);
  await until(() => runner.stderr().includes('turn failed (permanent)'));
  expect(runner.stderr()).toContain('a word for the log');
});

test.for([
  ['is not there', ['/group/none'], 'none was not found'],
  ['may not be executed', ['/group/bot.mjs'], 'not executable'],
  ['is named nowhere', [], 'agent.command'],
  ['is not in the PATH', ['no-such-program'], 'no-such-program was not found'],
] as const)('a command that %s fails its message in words', async ([, command, words]) => {
  const session = createRunnerSession({ provider: 'command', command: [...command] });
  session.bot('');
  chmodSync(join(session.groupDir, 'bot.mjs'), 0o644);
  session.put({ id: 'm1' });
  session.start();
  await session.settled('m1');
  expect(session.claim('m1')).toMatchObject({ status: 'failed', errorClass: 'permanent' });
  expect(session.claim('m1')?.error).toContain(words);
});

test('a group without its folder is told so', async () => {
  const session = sessionOf('');
  rmSync(session.groupDir, { recursive: true });
  session.put({ id: 'm1' });
  session.start();
  await session.settled('m1');
  expect(session.claim('m1')?.error).toContain('folder');
});

test('a failed message does not stop the next, which gets the command as it is then', async () => {
  const session = sessionOf('process.exit(1);');
  session.put({ id: 'm1' });
  session.start();
  await session.settled('m1');
  writeFileSync(join(session.groupDir, 'other.mjs'), `console.log('better');`);
  session.describe({ agent: { provider: 'command', command: ['node', 'other.mjs'], options: {} } });
  session.put({ id: 'm2' });
  await session.settled('m2');
  expect(session.texts()).toEqual(['better']);
});

test('what a program leaves running in the background does not hold up its reply', async () => {
  // It lives longer than this test is ready to wait for the reply.
  const session = sessionOf(`import { spawn } from 'node:child_process';
spawn('sleep', ['20'], { stdio: 'inherit', detached: true }).unref();
console.log('here');`);
  session.put({ id: 'm1' });
  session.start();
  await session.settled('m1');
  expect(session.texts()).toEqual(['here']);
});

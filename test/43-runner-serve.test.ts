import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createRunnerSession, type RunnerSession, until } from './fixtures/runner-session.ts';

/** `say({...})` answers the turn at hand; `turns()` gives each line that comes in. */
const SERVE = `import { createInterface } from 'node:readline';
import { existsSync } from 'node:fs';
const lines = createInterface({ input: process.stdin });
lines.on('close', () => process.exit(0)); // nobody reads any more
const say = (line) => process.stdout.write(JSON.stringify(line) + '\\n');
const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const textOf = (line) => line.messages.at(-1).text;
`;

function serve(source: string, options: Record<string, unknown> = {}, turnLimitMs = 60_000): RunnerSession {
  const session = createRunnerSession({
    provider: 'command',
    command: ['node', '/group/bot.mjs'],
    agentOptions: { mode: 'serve', ...options },
    turnLimitMs,
  });
  session.bot(SERVE + source);
  return session;
}

const COUNTING = `let count = 0;
for await (const json of lines) {
  const line = JSON.parse(json);
  count += 1;
  say({ turn: line.turn, text: [count, process.pid, textOf(line), line.chat, line.conversation].join(' '), done: true });
}`;

test('one process answers turn after turn', async () => {
  const session = serve(COUNTING);
  session.put({ id: 'm1' }, { id: 'm2', chat: 'chat-2' });
  session.start();
  await session.settled('m1', 'm2');
  session.put({ id: 'm3' });
  await session.settled('m3');
  const [first, second, third] = session.texts().map((text) => text.split(' '));
  expect([first?.[0], second?.[0], third?.[0]]).toEqual(['1', '2', '3']);
  expect(new Set([first?.[1], second?.[1], third?.[1]]).size).toBe(1);
  expect(second?.slice(2)).toEqual(['m2', 'chat-2', '0']);
  expect(session.runner()?.tool).toBeNull();
});

test('it is asked again in a new process after another conversation was begun', async () => {
  const session = serve(COUNTING);
  session.put({ id: 'm1' });
  session.start();
  await session.settled('m1');
  const agent = { provider: 'command', command: ['node', '/group/bot.mjs'], options: { mode: 'serve' } };
  session.describe({ agent, conversation: 1 });
  session.put({ id: 'm2' });
  await session.settled('m2');
  expect(session.texts()[1]).toMatch(/^1 \d+ m2 chat-1 1$/);
});

test('drafts and tools are shown while it works, and a text without done is said at once', async () => {
  const session = serve(`for await (const json of lines) {
  const { turn } = JSON.parse(json);
  say({ turn, draft: 'so far' });
  say({ turn, tool: 'search', quietMs: 90000 });
  say({ turn, text: 'a moment' });
  while (!existsSync('go')) await wait(5);
  say({ turn, tool: null });
  say({ turn, done: true });
}`);
  const draft = join(session.outDir, 'draft.json');
  session.put({ id: 'm1' });
  session.start();
  await until(() => session.texts().length === 1 && existsSync(draft));
  await until(() => JSON.parse(readFileSync(draft, 'utf8')).tool === 'search');
  expect(JSON.parse(readFileSync(draft, 'utf8'))).toEqual({
    message_id: 'm1',
    text: 'so far',
    tool: 'search',
  });
  const runner = session.runner();
  expect(runner?.tool).toBe('search');
  expect((runner?.toolUntil ?? 0) - (runner?.activityAt ?? 0)).toBeGreaterThan(80_000);
  writeFileSync(join(session.groupDir, 'go'), '');
  await session.settled('m1');
  await until(() => !existsSync(draft));
  expect(session.replies()).toMatchObject([
    { text: 'a moment', answers: [] },
    { text: '', silent: true, answers: ['m1'] },
  ]);
});

const FOLLOWED = `const seen = [];
let turn;
for await (const json of lines) {
  const line = JSON.parse(json);
  if (line.more) {
    if (ACK) say({ turn: line.turn, took: line.more.map((one) => one.id) });
    seen.push(...line.more.map((one) => one.text));
    if (line.turn === 1) say({ turn: line.turn, text: 'heard ' + seen, done: true });
    continue;
  }
  turn = line.turn;
  if (turn > 1) say({ turn, text: 'again ' + textOf(line), done: true });
}`;

test('a follow-up joins the turn that says it took it', async () => {
  const session = serve(`const ACK = true;${FOLLOWED}`, { followUps: true });
  session.put({ id: 'm1' });
  session.start();
  await until(() => session.claim('m1'));
  session.put({ id: 'm2' });
  await session.settled('m1', 'm2');
  expect(session.replies()).toMatchObject([{ text: 'heard m2', inReplyTo: 'm2', answers: ['m1', 'm2'] }]);
});

test('a follow-up that it did not say to have taken is asked of it again, and none is lost', async () => {
  const session = serve(`const ACK = false;${FOLLOWED}`, { followUps: true });
  session.put({ id: 'm1' });
  session.start();
  await until(() => session.claim('m1'));
  session.put({ id: 'm2' });
  await session.settled('m1', 'm2');
  expect(session.replies()).toMatchObject([
    { text: 'heard m2', inReplyTo: 'm1', answers: ['m1'] },
    { text: 'again m2', inReplyTo: 'm2', answers: ['m2'] },
  ]);
});

test('an answer that is finished is not lost with a follow-up that fails', async () => {
  const failing = FOLLOWED.replace("text: 'again ' + textOf(line), done: true", "error: 'no luck'");
  const session = serve(`const ACK = false;${failing}`, { followUps: true });
  session.put({ id: 'm1' });
  session.start();
  await until(() => session.claim('m1'));
  session.put({ id: 'm2' });
  await session.settled('m1', 'm2');
  expect(session.replies()).toMatchObject([{ text: 'heard m2', answers: ['m1'] }]);
  expect(session.claims()).toMatchObject([
    { id: 'm1', status: 'done' },
    { id: 'm2', status: 'failed', error: 'no luck' },
  ]);
});

test('without followUps a message waits for its own turn; batch takes several at once', async () => {
  const source = `for await (const json of lines) {
  const { turn, messages } = JSON.parse(json);
  say({ turn, text: messages.map((one) => one.id).join(' '), done: true });
}`;
  const session = serve(source, { batch: 2 });
  session.put({ id: 'm1' }, { id: 'm2' }, { id: 'm3' });
  session.start();
  await session.settled('m1', 'm2', 'm3');
  expect(session.texts()).toEqual(['m1 m2', 'm3']);
});

const OR_WELL = (wrong: string) => `for await (const json of lines) {
  const line = JSON.parse(json);
  const { turn } = line;
  if (textOf(line) === 'well') say({ turn, text: 'well ' + process.pid, done: true });
  else { ${wrong} }
}`;

test.for([
  [
    'crashes',
    `console.error('a'); console.error('no luck'); process.exit(3);`,
    'permanent',
    'code 3: no luck',
  ],
  ['asks to be tried again by its exit code', 'process.exit(75);', 'transient', 'code 75.'],
  ['is killed', `process.kill(process.pid, 'SIGKILL');`, 'transient', 'killed'],
  ['ends too soon', 'process.exit(0);', 'permanent', 'exit code 0 in the middle'],
  [
    'prints what is no JSON',
    `console.log('debug');`,
    'permanent',
    'the line "debug", which is not a JSON object',
  ],
  ['names no turn', `say({ text: 'hi', done: true });`, 'permanent', 'has no "turn"'],
  ['says nothing known', `say({ turn, txt: 'hi' });`, 'permanent', 'has none of the keys draft, tool, text'],
  [
    'has a text that is none',
    `say({ turn, text: 5, done: true });`,
    'permanent',
    '"text" that is not a string',
  ],
  ['ends without a text', `say({ turn, done: true });`, 'permanent', 'without a text'],
  ['says why it failed', `say({ turn, error: 'no key' });`, 'permanent', 'no key'],
  ['asks to be tried again', `say({ turn, error: 'busy', retry: true });`, 'transient', 'busy'],
  [
    'prints a long line',
    `process.stdout.write('x'.repeat(3e5));`,
    'permanent',
    'a line of more than 256 KiB',
  ],
  [
    'closes its stdout and lives on',
    `(await import('node:fs')).closeSync(1);`,
    'permanent',
    'closed its stdout and went on running',
  ],
] as const)(
  'a program that %s fails its turn in words, and the next turn is answered',
  async ([, source, errorClass, words]) => {
    const session = serve(OR_WELL(source));
    session.put({ id: 'm1', text: 'ill' });
    session.start();
    await session.settled('m1');
    expect(session.claim('m1')).toMatchObject({ status: 'failed', errorClass });
    expect(session.claim('m1')?.error).toContain(words);
    session.put({ id: 'm2', chat: 'chat-2', text: 'well' });
    await session.settled('m2');
    expect(session.texts().at(-1)).toMatch(/^well \d+$/);
  },
);

test('a program that reads no more fails the turn that it cannot hear, in words, and is started anew', async () => {
  const session = createRunnerSession({
    provider: 'command',
    command: ['sh', '/group/bot.sh'],
    agentOptions: { mode: 'serve' },
  });
  const source = `read -r line
turn=$(echo "$line" | sed 's/^{"turn":\\([0-9]*\\).*/\\1/')
printf '{"turn": %s, "text": "once", "done": true}\\n' "$turn"
exec </dev/null
touch closed
exec sleep 1000
`;
  writeFileSync(join(session.groupDir, 'bot.sh'), source);
  session.put({ id: 'm1' });
  session.start();
  await session.settled('m1');
  await until(() => existsSync(join(session.groupDir, 'closed')));
  session.put({ id: 'm2' });
  await session.settled('m2');
  expect(session.claim('m2')).toMatchObject({ status: 'failed', errorClass: 'permanent' });
  expect(session.claim('m2')?.error).toContain('closed its stdin and went on running');
  session.put({ id: 'm3' });
  await session.settled('m3');
  expect(session.texts()).toEqual(['once', 'once']);
});

test('a command that is not there fails its message in words', async () => {
  const session = createRunnerSession({
    provider: 'command',
    command: ['no-such-program'],
    agentOptions: { mode: 'serve' },
  });
  session.put({ id: 'm1' });
  session.start();
  await session.settled('m1');
  expect(session.claim('m1')?.error).toContain('no-such-program was not found');
});

test('one that dies between two turns is started anew for the next', async () => {
  const session = serve(`for await (const json of lines) {
  const { turn } = JSON.parse(json);
  say({ turn, text: 'pid ' + process.pid, done: true });
  await wait(20);
  process.exit(4);
}`);
  session.put({ id: 'm1' });
  const runner = session.start();
  await session.settled('m1');
  await until(() => runner.stderr().includes('exited with code 4'));
  session.put({ id: 'm2' });
  await session.settled('m2');
  const [one, two] = session.texts();
  expect(one).toMatch(/^pid \d+$/);
  expect(two).toMatch(/^pid \d+$/);
  expect(two).not.toBe(one);
});

const STOPPABLE = `let stopped = 0;
for await (const json of lines) {
  const line = JSON.parse(json);
  if (line.abort) {
    if (!DEAF) say({ turn: line.turn, done: true });
    stopped += 1;
  } else if (textOf(line) !== 'slowly') {
    say({ turn: line.turn, text: [stopped, process.pid].join(' '), done: true });
  } else say({ turn: line.turn, draft: String(process.pid) });
}`;

async function abortOne(deaf: boolean) {
  const session = serve(`const DEAF = ${deaf};${STOPPABLE}`);
  session.put({ id: 'm1', text: 'slowly' });
  session.start();
  const draft = join(session.outDir, 'draft.json');
  await until(() => existsSync(draft));
  const { text: pid } = JSON.parse(readFileSync(draft, 'utf8'));
  session.control('abort', { message_id: 'm1' });
  await session.settled('m1');
  session.put({ id: 'm2' });
  await session.settled('m2');
  return { session, pid, next: session.texts()[0] };
}

test('a turn is aborted by a line, and the program lives on', async () => {
  const { session, pid, next } = await abortOne(false);
  expect(session.claim('m1')).toMatchObject({ status: 'failed', errorClass: 'aborted' });
  expect(next).toBe(`1 ${pid}`);
});

test('a program that does not end its turn on that is killed, and started anew', async () => {
  const { session, pid, next } = await abortOne(true);
  expect(session.claim('m1')).toMatchObject({ status: 'failed', errorClass: 'aborted' });
  expect(next).toMatch(/^0 \d+$/);
  expect(next).not.toBe(`0 ${pid}`);
});

test('it shows life, unless the group says that it does not', async () => {
  const source = 'for await (const json of lines) { while (!existsSync("go")) await wait(5); }';
  const lively = serve(source);
  lively.put({ id: 'm1' });
  lively.start();
  const silent = serve(source, { showsLife: false });
  silent.put({ id: 'm1' });
  silent.start();
  await until(() => lively.claim('m1') && silent.claim('m1'));
  expect(lively.runner()?.tool).toBeNull();
  expect(silent.runner()?.tool).toBe('command');
});

test('it ends with its runner, and does not keep the session from being parked', async () => {
  const session = serve(COUNTING);
  session.put({ id: 'm1' });
  const runner = session.start();
  await session.settled('m1');
  const pid = Number(session.texts()[0]?.split(' ')[1]);
  // The turn is over once its folder is gone; a park before that is ignored.
  await until(() => !readdirSync(join(session.outDir, 'files')).some((name) => name.startsWith('turn_')));
  const park = session.control('park');
  await until(() => session.runner()?.parked === 1 && session.runner()?.controlSeq === park);
  await runner.kill('SIGTERM');
  expect(existsSync(`/proc/${pid}`)).toBe(false);
});

const hasPython = spawnSync('python3', ['--version']).status === 0;

test.skipIf(!hasPython)(
  'the bot in Python that docs/groups.md shows answers, counts and shows a draft',
  async () => {
    const page = readFileSync(join(import.meta.dirname, '../docs/groups.md'), 'utf8');
    const source = /```python\n([\s\S]*?)```/.exec(page)?.[1] ?? '';
    expect(source.trim().split('\n').length).toBeLessThanOrEqual(12);
    const session = createRunnerSession({
      provider: 'command',
      command: ['python3', '/group/bot.py'],
      agentOptions: { mode: 'serve' },
    });
    writeFileSync(join(session.groupDir, 'bot.py'), source);
    session.put({ id: 'm1', text: 'hello' }, { id: 'm2', text: 'again' });
    session.start();
    await session.settled('m1', 'm2');
    expect(session.texts()).toEqual(['hello (1)', 'again (2)']);
  },
);

import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { opencode } from '../agent-runner/src/providers/opencode.ts';
import type { TurnMessage } from '../agent-runner/src/providers/provider.ts';
import type { SessionBody } from '../contract/bodies.ts';
import { until } from './fixtures/runner-session.ts';

const FAKE = join(import.meta.dirname, 'fixtures/fake-opencode.mjs');
const { PATH } = process.env;
let root: string;

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'berth-opencode-'));
  const program = join(root, 'opencode');
  writeFileSync(program, `#!/bin/sh\nexec "${process.execPath}" "${FAKE}" "$@"\n`);
  chmodSync(program, 0o755);
  process.env.PATH = [root, PATH].join(delimiter);
});

afterAll(() => {
  process.env.PATH = PATH;
  rmSync(root, { recursive: true });
});

const messageOf = (text: string): TurnMessage => ({
  ...{ id: text, attempt: 1, kind: 'chat', context: false, text, chat: 'one', thread: null, files: [] },
  ...{ sender: { id: 'u1', name: 'Ann' }, createdAt: 0 },
});

const events = {
  ...{ onText: () => undefined, onTool: () => undefined, onWait: () => undefined },
  ...{ onLife: () => undefined, send: async () => undefined, answer: async () => undefined },
};

/** The provider with a program in OpenCode's place. @param fake what that does wrong. */
async function open(fake: Record<string, boolean> = {}) {
  const groupDir = mkdtempSync(join(root, 'group-'));
  const session: SessionBody = {
    ...{ group: 'demo', turnLimitMs: 60_000, notices: [] },
    agent: { provider: 'opencode', options: { fake } },
  };
  const environment = {
    ...{ inDir: join(root, 'in'), outDir: join(root, 'out'), groupDir, session: 's', group: 'demo' },
    ...{ groupName: 'Demo', admin: false, epoch: 1, provider: 'opencode' },
  };
  const kept = new Map<string, string | null>();
  const provider = await opencode.start({
    ...{ environment, session, mcpServers: {}, log: () => undefined },
    recall: (key) => kept.get(key) ?? undefined,
    remember: (key, value) => void kept.set(key, value),
  });
  onTestFinished(() => provider.close());
  const log = join(groupDir, 'asked.log');
  /** Lines `<pid> <what>`. */
  const asked = (): string[][] =>
    existsSync(log)
      ? readFileSync(log, 'utf8')
          .split('\n')
          .map((line) => line.split(' '))
      : [];
  return {
    provider,
    say: async (text: string) => {
      const turn = { messages: [messageOf(text)], attempt: 1, session, filesDir: () => '' };
      const { replies, remember } = await provider.runTurn(turn, events);
      for (const [key, value] of Object.entries(remember ?? {})) kept.set(key, value);
      return replies.map((reply) => reply.text).join('|');
    },
    /** What was said to OpenCode. */
    prompts: () =>
      asked().flatMap(([, , what, ...words]) => (what === 'prompt_async' ? words.join(' ') : [])),
    aborts: () => asked().filter(([, , what]) => what === 'abort').length,
    /** Pids of all that were started. */
    started: () => asked().flatMap(([pid, what]) => (what === 'starts' ? Number(pid) : [])),
    listen: () => writeFileSync(join(groupDir, 'listen'), ''),
  };
}

const isAlive = (pid: number | undefined): boolean => existsSync(`/proc/${pid}`);

test('one server answers turn after turn', async () => {
  const { say, started } = await open();
  expect(await say('one')).toMatch(/^\d+ heard: one$/);
  expect(await say('two')).toBe(`${started()[0]} heard: two`);
});

test('a turn that is stopped while OpenCode starts is not carried out, and the next one is', async () => {
  const { provider, say, started, prompts, listen } = await open({ waits: true });
  const stopped = say('delete it all');
  await until(() => started().length === 1);
  provider.abort(60_000);
  listen();
  await expect(stopped).rejects.toMatchObject({ errorClass: 'aborted' });
  expect(await say('hello')).toBe(`${started()[0]} heard: hello`);
  expect(prompts()).toEqual(['hello']);
});

test('OpenCode that does not start in the time a stopped turn has is killed, and started anew', async () => {
  const { provider, say, started, prompts, listen } = await open({ waits: true });
  const stopped = say('delete it all');
  await until(() => started().length === 1);
  provider.abort(20);
  await expect(stopped).rejects.toThrow('could not be started');
  expect(isAlive(started()[0])).toBe(false);
  listen();
  expect(await say('hello')).toBe(`${started()[1]} heard: hello`);
  expect(prompts()).toEqual(['hello']);
});

test('a provider that is closed while OpenCode starts leaves nothing behind', async () => {
  const { provider, say, started, prompts, listen } = await open({ waits: true });
  const turn = say('delete it all');
  await until(() => started().length === 1);
  await provider.close();
  await expect(turn).rejects.toThrow('could not be started');
  listen();
  expect(isAlive(started()[0])).toBe(false);
  expect(prompts()).toEqual([]);
});

test('a turn is stopped in OpenCode, which lives on', async () => {
  const { provider, say, started, prompts } = await open();
  const stopped = say('count slowly');
  await until(() => prompts().length === 1);
  provider.abort(60_000);
  await stopped.catch(() => undefined);
  expect(await say('hello')).toBe(`${started()[0]} heard: hello`);
});

test('what OpenCode would still say for a turn that failed is not in the next reply', async () => {
  const { say, started } = await open();
  await expect(say('go wrong')).rejects.toMatchObject({ errorClass: 'credentials' });
  expect(await say('hello')).toBe(`${started()[0]} heard: hello`);
});

test('a follow-up that OpenCode refuses fails the turn, and ends it there too', async () => {
  const { provider, say, started, prompts } = await open();
  const turn = say('count slowly');
  await until(() => prompts().length === 1);
  expect(provider.push?.([messageOf('refuse this')])).toBe(true);
  await expect(turn).rejects.toThrow(/refuses POST .*prompt_async/);
  expect(await say('hello')).toBe(`${started()[0]} heard: hello`);
});

test('an OpenCode that does not end a failed turn is killed, and the conversation goes on in the next', async () => {
  const { say, started, aborts } = await open({ refusesAbort: true });
  await expect(say('go wrong')).rejects.toMatchObject({ errorClass: 'credentials' });
  expect(aborts()).toBe(1);
  await until(() => !isAlive(started()[0]));
  expect(await say('hello')).toBe(`${started()[1]} heard: hello`);
});

test('an OpenCode that ends before the turn begins is a failure that may pass', async () => {
  const { say, started } = await open({ diesAtFirst: true });
  await expect(say('hello')).rejects.toMatchObject({
    errorClass: 'transient',
    message: expect.stringContaining('OpenCode does not answer POST /session'),
  });
  expect(await say('hello again')).toBe(`${started()[1]} heard: hello again`);
});

test('a conversation that OpenCode does not know any more fails its turn, and the next begins afresh', async () => {
  const { say, started } = await open({ forgets: true });
  await expect(say('hello')).rejects.toThrow(/refuses POST .*NotFoundError/);
  expect(await say('hello again')).toMatch(
    new RegExp(
      `^I could not take up our earlier conversation.*\\n\\n${started()[0]} heard: hello again$`,
      's',
    ),
  );
});

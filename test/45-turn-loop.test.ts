import { expect, onTestFinished, test } from 'vitest';
import { openOutbound } from '../agent-runner/src/open-outbound.ts';
import { ProviderSeat } from '../agent-runner/src/provider-seat.ts';
import type { Provider, ProviderModule } from '../agent-runner/src/providers/provider.ts';
import { InboundReader } from '../agent-runner/src/read-inbound.ts';
import { TurnDesk } from '../agent-runner/src/tools/turn-desk.ts';
import { TurnLoop } from '../agent-runner/src/turn-loop.ts';
import { OutboundWriter } from '../agent-runner/src/write-outbound.ts';
import { createRunnerSession, until } from './fixtures/runner-session.ts';

/** The loop on real files with a provider of the test's own; it looks when the test says so, and when it does by itself. */
function loopFor(provider: Provider, traits: Partial<ProviderModule> = {}) {
  const session = createRunnerSession({ provider: 'test' });
  const { inDir, outDir, groupDir } = session;
  const environment = {
    ...{ inDir, outDir, groupDir, session: 's1', group: 'demo', groupName: 'Demo' },
    ...{ admin: false, epoch: 1, provider: 'test' },
  };
  const log = (): void => {};
  const writer = new OutboundWriter(openOutbound(environment, log), 1);
  const reader = new InboundReader({ inDir, epoch: 1, claims: writer.claims });
  const module: ProviderModule = {
    ...{ showsLife: true, wantsSlashCommands: false, speaksMcp: false },
    messagesPerTurn: () => Number.POSITIVE_INFINITY,
    start: () => provider,
    ...traits,
  };
  const seat = new ProviderSeat(module, {
    ...{ environment, log, mcpServers: async () => ({}) },
    recall: (key) => writer.recall(key),
    remember: (key, value) => writer.remember(key, value),
    converse: (conversation) => writer.converse(conversation),
  });
  const files = { outDir, groupDir, maxFile: 1000, log };
  const desk = new TurnDesk({ ...files, environment, writer, reader, look: () => loop.look() });
  const deps = { ...files, environment, writer, reader, seat, desk };
  const loop = new TurnLoop({ ...deps, counter: () => 0, onStop: () => {} });
  onTestFinished(async () => {
    await loop.stop(0);
    reader.close();
    writer.close();
  });
  return { session, loop, desk };
}

const idsOf = (messages: readonly { id: string }[]): string => messages.map(({ id }) => id).join(' ');

test.each([
  ['while the provider starts', 'start'],
  ['before the provider shows life', 'begin'],
])('what comes %s joins its turn', async (_name, slow) => {
  const gate = Promise.withResolvers<void>();
  const end = Promise.withResolvers<void>();
  const pushed: string[] = [];
  let begun = false;
  const provider: Provider = {
    async runTurn(_turn, events) {
      if (slow === 'begin') await gate.promise;
      begun = true;
      if (slow === 'begin') events.onLife();
      await end.promise;
      return { replies: [{ text: 'all' }] };
    },
    push(messages) {
      if (begun) pushed.push(idsOf(messages));
      return begun;
    },
    abort: () => end.reject(new Error('aborted')),
    close: () => {},
  };
  const start = async () => {
    if (slow === 'start') await gate.promise;
    return provider;
  };
  const { session, loop } = loopFor(provider, { start });
  session.put({ id: 'm1' });
  loop.look();
  session.put({ id: 'm2' }, { id: 'm3', chat: 'chat-2' });
  loop.look();
  expect(idsOf(session.claims())).toBe('m1');
  gate.resolve();
  await until(() => pushed.length > 0, 'the message is handed over');
  expect(pushed).toEqual(['m2']);
  expect(session.claim('m2')?.status).toBe('processing');
  end.resolve();
  await session.settled('m1', 'm2');
  expect(session.replies()[0]).toMatchObject({ text: 'all', answers: ['m1', 'm2'] });
});

test.each([
  ['alone where the provider wants it as it was typed', true, ['m1', 'm2', 'm3 m4', 'm5', 'm6']],
  ['among the others where it does not', false, ['m1 m2 m3 m4 m5 m6']],
])('a slash command is taken %s', async (_name, wantsSlashCommands, expected) => {
  const turns: string[] = [];
  const provider: Provider = {
    runTurn: ({ messages }) => {
      turns.push(idsOf(messages));
      return { replies: [{ text: 'done' }] };
    },
    abort: () => {},
    close: () => {},
  };
  const { session, loop } = loopFor(provider, { wantsSlashCommands });
  session.put(
    { id: 'm1', text: 'hello' },
    { id: 'm2', text: '/compact' },
    { id: 'm3', text: 'now do X' },
    { id: 'm4', text: '/usr/bin is a path' },
    { id: 'm5', text: '/context now' },
    { id: 'm6', text: '/compact' },
  );
  loop.look();
  await session.settled('m1', 'm2', 'm3', 'm4', 'm5', 'm6');
  expect(turns).toEqual(expected);
});

test('a slash command that comes during a turn has one of its own, which nothing joins and nothing passes', async () => {
  const end = Promise.withResolvers<void>();
  /** What the provider is given, in turns and meanwhile. */
  const given: string[] = [];
  const provider: Provider = {
    async runTurn({ messages }) {
      given.push(`turn ${idsOf(messages)}`);
      await end.promise;
      return { replies: [{ text: 'done' }] };
    },
    push(messages) {
      if (messages.some(({ text }) => text.startsWith('/'))) return false;
      given.push(`more ${idsOf(messages)}`);
      return true;
    },
    abort: () => {},
    close: () => {},
  };
  const { session, loop } = loopFor(provider, { wantsSlashCommands: true });
  session.put({ id: 'm1' });
  loop.look();
  await until(() => given.length === 1);
  session.put({ id: 'm2' }, { id: 'm3', text: '/compact' }, { id: 'm4' });
  for (let looks = 0; looks < 3; looks += 1) loop.look();
  end.resolve();
  await session.settled('m1', 'm2', 'm3', 'm4');
  expect(given).toEqual(['turn m1', 'more m2', 'turn m3', 'turn m4']);
});

test('an answer that is waited for and a follow-up that lies beside it both join the turn', async () => {
  const end = Promise.withResolvers<void>();
  const pushed: string[] = [];
  let asked: Promise<{ answer: string | undefined }> | undefined;
  const provider: Provider = {
    async runTurn() {
      const question = { text: 'Red or blue?', options: [], waitMs: 60_000 };
      asked = desk.ask(question, new AbortController().signal);
      await end.promise;
      return { replies: [{ text: (await asked).answer ?? 'none' }] };
    },
    push: (messages) => pushed.push(idsOf(messages)) > 0,
    abort: () => {},
    close: () => {},
  };
  const { session, loop, desk } = loopFor(provider);
  session.put({ id: 'm1' });
  loop.look();
  await until(() => session.replies().length === 1, 'the question');
  session.put({ id: 'm2' }, { id: 'm3', text: 'Blue', answers: session.replies()[0]?.id ?? '' });
  loop.look();
  expect(pushed).toEqual(['m2']);
  end.resolve();
  await session.settled('m1', 'm2', 'm3');
  expect(session.replies()[1]?.text).toBe('Blue');
});

import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  watch,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { openOutbound } from '../agent-runner/src/open-outbound.ts';
import { ProviderSeat } from '../agent-runner/src/provider-seat.ts';
import type {
  Provider,
  ProviderContext,
  ProviderModule,
  TurnEvents,
  TurnMessage,
} from '../agent-runner/src/providers/provider.ts';
import { TurnError } from '../agent-runner/src/providers/turn-error.ts';
import { RunningTurn } from '../agent-runner/src/running-turn.ts';
import { TurnDesk } from '../agent-runner/src/tools/turn-desk.ts';
import { OutboundWriter } from '../agent-runner/src/write-outbound.ts';
import type { SessionBody } from '../contract/bodies.ts';
import { createRunnerSession, until } from './fixtures/runner-session.ts';

const session: SessionBody = {
  ...{ group: 'demo', turnLimitMs: 60_000, notices: [] },
  agent: { provider: 'test', options: {} },
};

function message(id: string, change: Partial<TurnMessage> = {}): TurnMessage {
  const sender = { id: 'u1' };
  const rest = { chat: 'c', thread: null, files: [], createdAt: 1, context: false };
  return { id, attempt: 1, kind: 'chat', text: id, sender, ...rest, ...change };
}

/** A provider of the test's own on a real file. */
function roomFor(provider: Partial<Provider>, traits: Partial<ProviderModule> = {}) {
  const outDir = mkdtempSync(join(tmpdir(), 'berth-turn-'));
  const groupDir = join(outDir, 'group');
  mkdirSync(groupDir);
  const environment = {
    ...{ inDir: outDir, outDir, groupDir, session: 's1', group: 'demo', groupName: 'Demo' },
    ...{ admin: false, epoch: 1, provider: 'test' },
  };
  const log = (): void => {};
  const opened = openOutbound(environment, log);
  const writer = new OutboundWriter(opened, 1);
  let starts = 0;
  const module: ProviderModule = {
    showsLife: true,
    wantsSlashCommands: false,
    speaksMcp: false,
    messagesPerTurn: () => 1,
    start: () => {
      starts += 1;
      return { runTurn: () => ({ replies: [] }), abort: () => {}, close: () => {}, ...provider };
    },
    ...traits,
  };
  const remember = (key: string, value: string | null): void => writer.remember(key, value);
  const mcpServers = async () => ({
    berth: { type: 'http' as const, url: 'http://127.0.0.1:1/mcp', headers: {} },
  });
  const recall = (key: string) => writer.recall(key);
  const converse = (conversation: number) => writer.converse(conversation);
  const context = { environment, log, recall, converse, remember, mcpServers };
  const seat = new ProviderSeat(module, context);
  onTestFinished(() => {
    writer.close();
    rmSync(outDir, { recursive: true });
  });
  const files = { outDir, groupDir, maxFile: 1000, log };
  const reader = { destinations: () => [] };
  const desk = new TurnDesk({ ...files, environment, writer, reader, look: () => {} });
  const deps = { ...files, seat, writer, desk, onTakesMore: () => {} };
  return {
    desk,
    db: opened.db,
    outDir,
    groupDir,
    writer,
    context,
    starts: () => starts,
    begin: (...messages: TurnMessage[]) => new RunningTurn(deps, messages, session),
    beginAs: (body: SessionBody, ...messages: TurnMessage[]) => new RunningTurn(deps, messages, body),
    rows: (sql: string) => opened.db.prepare(sql).all(),
    claims: () => opened.db.prepare('SELECT message_id, status FROM claims ORDER BY rowid').raw().all(),
  };
}

/** A provider whose turn ends when the test says so. */
function gate() {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  return { promise, open: resolve, break: reject };
}

test('messages that come during a turn are claimed when the provider takes them, and answered with it', async () => {
  const end = gate();
  const pushed: string[] = [];
  const room = roomFor({
    runTurn: async () => {
      await end.promise;
      return { replies: [{ text: `and ${pushed}` }] };
    },
    push: ([one]) => {
      if (one?.id === 'm3') return false;
      pushed.push(one?.id ?? '');
      return true;
    },
  });
  const turn = room.begin(message('m1'));
  expect(turn.takesMore).toBe(false);
  await until(() => turn.takesMore);
  turn.offer([message('m2')]);
  turn.offer([message('m3')]);
  turn.nudge('nudge_1', 'are you there?');
  expect(room.claims()).toEqual([
    ['m1', 'processing'],
    ['m2', 'processing'],
  ]);
  end.open();
  await turn.ended;
  expect(room.claims()).toEqual([
    ['m1', 'done'],
    ['m2', 'done'],
  ]);
  const [reply] = room.rows('SELECT in_reply_to, body FROM messages') as Record<string, string>[];
  expect(reply?.in_reply_to).toBe('m2');
  expect(JSON.parse(reply?.body ?? '')).toMatchObject({
    text: 'and m2,nudge_1',
    answers: ['m1', 'm2'],
  });
});

test('what is said in mid-turn is durable at once and answers nothing yet', async () => {
  const end = gate();
  const room = roomFor({
    runTurn: async (_turn, events) => {
      writeFileSync(join(room.groupDir, 'a.txt'), 'content');
      await events.send({ text: 'wait', files: [{ path: 'a.txt' }], destination: 'team' });
      await end.promise;
      return { replies: [{ text: 'done' }] };
    },
  });
  const turn = room.begin(message('m1'));
  await until(() => room.rows('SELECT 1 FROM messages').length === 1);
  const [row] = room.rows('SELECT * FROM messages') as Record<string, string>[];
  expect(row).toMatchObject({ destination: 'team', in_reply_to: 'm1' });
  const { answers, files } = JSON.parse(row?.body ?? '');
  expect(answers).toEqual([]);
  expect(readFileSync(join(room.outDir, files[0].path), 'utf8')).toBe('content');
  end.open();
  await turn.ended;
  expect(room.rows('SELECT 1 FROM messages').length).toBe(2);
});

test('the reply goes where the turn began, though its question was answered in another chat', async () => {
  const end = gate();
  let events: TurnEvents | undefined;
  const room = roomFor({
    runTurn: async (_turn, given) => {
      events = given;
      const question = { text: 'Red or blue?', options: [], waitMs: 60_000 };
      const { answer } = await room.desk.ask(question, new AbortController().signal);
      given.onText('so far');
      await given.send({ text: 'half way' });
      await room.desk.say({ text: 'a word of the agent' });
      await end.promise;
      return { replies: [{ text: `They say ${answer}` }] };
    },
    push: () => true,
  });
  const turn = room.begin(message('m1'));
  await until(() => room.rows('SELECT 1 FROM messages').length === 1, 'the question');
  const [asked] = room.rows('SELECT id FROM messages') as { id: string }[];
  turn.offer([message('b1', { chat: 'other', text: 'Blue', answers: asked?.id })]);
  await until(() => room.rows('SELECT 1 FROM messages').length === 3, 'what is said in mid-turn');
  events?.onWait({ why: 'The model is busy', until: Date.now() + 60_000 });
  await until(() => room.rows('SELECT 1 FROM messages').length === 4, 'the word of the wait');
  expect(JSON.parse(readFileSync(join(room.outDir, 'draft.json'), 'utf8'))).toMatchObject({
    message_id: 'm1',
  });
  end.open();
  await turn.ended;
  const rows = room.rows('SELECT in_reply_to, body FROM messages ORDER BY seq') as Record<string, string>[];
  expect(rows.map((row) => row.in_reply_to)).toEqual(['m1', 'm1', 'm1', 'm1', 'm1']);
  expect(JSON.parse(rows.at(-1)?.body ?? '')).toMatchObject({ text: 'They say Blue', answers: ['m1', 'b1'] });
  expect(room.claims()).toEqual([
    ['m1', 'done'],
    ['b1', 'done'],
  ]);
});

test('what is answered while the turn goes on stays answered, however the rest ends', async () => {
  for (const ending of ['reply', 'failure', 'abort', 'stop'] as const) {
    const end = gate();
    const room = roomFor({
      runTurn: async (_turn, events) => {
        await until(() => room.claims().length === 2);
        events.onText('one so far');
        const usage = [{ model: 'large', inputTokens: 7 }];
        await events.answer({
          replies: [{ text: 'one', answers: ['m1'] }],
          usage,
          remember: { continuation: 'abc' },
        });
        await end.promise;
        return { replies: [{ text: 'two' }] };
      },
      push: () => true,
      abort: () => end.break(new Error('aborted')),
    });
    const turn = room.begin(message('m1'));
    await until(() => turn.takesMore);
    turn.offer([message('m2')]);
    await until(() => room.rows('SELECT 1 FROM messages').length === 1, 'the first answer');
    expect(room.claims()).toEqual([
      ['m1', 'done'],
      ['m2', 'processing'],
    ]);
    expect(turn.has('m1')).toBe(false);
    expect(room.context.recall('continuation')).toBe('abc');
    await until(() => JSON.parse(readFileSync(join(room.outDir, 'draft.json'), 'utf8')).text === '');
    if (ending === 'reply') end.open();
    else if (ending === 'failure') end.break(new TurnError('permanent', 'no luck'));
    else turn.cancel(ending);
    await turn.ended;
    const rest = { reply: 'done', failure: 'failed', abort: 'failed', stop: 'processing' }[ending];
    expect(room.claims()).toEqual([
      ['m1', 'done'],
      ['m2', rest],
    ]);
    const rows = room.rows('SELECT in_reply_to, body FROM messages ORDER BY seq') as Record<string, string>[];
    const answers = rows.map((row) => [row.in_reply_to, JSON.parse(row.body ?? '').answers]);
    expect(answers).toEqual([['m1', ['m1']], ...(ending === 'reply' ? [['m2', ['m2']]] : [])]);
    expect(room.rows('SELECT message_id, model FROM usage')).toEqual([{ message_id: 'm1', model: 'large' }]);
  }
});

test('an answer to a question is done with the reply that was made of it', async () => {
  const end = gate();
  const room = roomFor({
    runTurn: async (_turn, events) => {
      const question = { text: 'Red or blue?', options: [], waitMs: 60_000 };
      const { answer } = await room.desk.ask(question, new AbortController().signal);
      await until(() => room.claims().length === 3);
      await events.answer({ replies: [{ text: `${answer} it is`, answers: ['m1'] }] });
      await end.promise;
      return { replies: [{ text: 'two' }] };
    },
    push: () => true,
  });
  const turn = room.begin(message('m1'));
  await until(() => room.rows('SELECT 1 FROM messages').length === 1, 'the question');
  const [asked] = room.rows('SELECT id FROM messages') as { id: string }[];
  turn.offer([message('b1', { chat: 'other', text: 'Blue', answers: asked?.id })]);
  turn.offer([message('m2')]);
  await until(() => room.rows('SELECT 1 FROM messages').length === 2, 'the first answer');
  end.break(new TurnError('permanent', 'no luck'));
  await turn.ended;
  expect(room.claims()).toEqual([
    ['m1', 'done'],
    ['b1', 'done'],
    ['m2', 'failed'],
  ]);
  const [, reply] = room.rows('SELECT in_reply_to, body FROM messages ORDER BY seq') as Record<
    string,
    string
  >[];
  expect(reply?.in_reply_to).toBe('m1');
  expect(JSON.parse(reply?.body ?? '').answers).toEqual(['m1', 'b1']);
});

test('a request that cannot be written fails at once, and nobody waits for its answer', async () => {
  const unheard: unknown[] = [];
  const note = (error: unknown) => unheard.push(error);
  process.on('unhandledRejection', note);
  onTestFinished(() => void process.off('unhandledRejection', note));
  let failure: unknown;
  const room = roomFor({
    runTurn: async () => {
      const pages = room.db.pragma('max_page_count', { simple: true });
      room.db.pragma(`max_page_count = ${room.db.pragma('page_count', { simple: true })}`);
      vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
      try {
        await room.desk.request('schedule', { text: 'x'.repeat(100_000) });
      } catch (error) {
        failure = error;
      }
      await vi.advanceTimersByTimeAsync(20_000);
      vi.useRealTimers();
      room.db.pragma(`max_page_count = ${pages}`);
      return { replies: [{ text: 'done' }] };
    },
  });
  await room.begin(message('m1')).ended;
  expect(failure).toMatchObject({ code: 'SQLITE_FULL' });
  await new Promise((resolve) => setImmediate(resolve));
  expect(unheard).toEqual([]);
  expect(room.claims()).toEqual([['m1', 'done']]);
});

test('tools, usage and what is to be remembered are written', async () => {
  const room = roomFor({
    runTurn: (_turn, events) => {
      events.onTool({ name: 'browser', quietMs: 90_000 });
      room.context.remember('now', 'x');
      expect(room.rows('SELECT tool, tool_until - activity_at AS quiet FROM runner')).toMatchObject([
        { tool: 'browser', quiet: expect.closeTo(90_000, -3) },
      ]);
      events.onTool(null);
      expect(room.rows('SELECT tool FROM runner')).toEqual([{ tool: null }]);
      const usage = [{ model: 'large', inputTokens: 7, costUsd: 0.5 }];
      return { replies: [{ text: 'ok' }], usage, remember: { continuation: 'abc', now: null } };
    },
  });
  await room.begin(message('m1')).ended;
  expect(room.rows('SELECT * FROM memory')).toEqual([{ key: 'continuation', value: 'abc' }]);
  expect(room.context.recall('continuation')).toBe('abc');
  expect(
    room.rows('SELECT message_id, epoch, model, input_tokens, cost_usd, output_tokens FROM usage'),
  ).toEqual([
    { message_id: 'm1', epoch: 1, model: 'large', input_tokens: 7, cost_usd: 0.5, output_tokens: null },
  ]);
});

test('a silent provider is quiet until the limit of the turn', async () => {
  const room = roomFor({ runTurn: () => ({ replies: [{ text: 'ok' }] }) }, { showsLife: false });
  const turn = room.begin(message('m1'));
  expect(room.rows('SELECT tool, tool_until - activity_at AS quiet FROM runner')).toEqual([
    { tool: 'test', quiet: expect.closeTo(60_000, -3) },
  ]);
  await turn.ended;
  expect(room.rows('SELECT tool, tool_until FROM runner')).toEqual([{ tool: null, tool_until: null }]);
});

test('an error keeps its class, its words and its time; any other is a permanent one', async () => {
  const errors = [
    new TurnError('rate_limit', 'too many', { retryAt: 123 }),
    new Error('what is this?'),
    new TurnError('context', 'too long'),
  ];
  const room = roomFor({
    runTurn: () => {
      throw errors.shift();
    },
  });
  for (const id of ['m1', 'm2', 'm3']) await room.begin(message(id)).ended;
  expect(room.rows('SELECT error, error_class, retry_at FROM claims ORDER BY rowid')).toEqual([
    { error: 'too many', error_class: 'rate_limit', retry_at: 123 },
    { error: 'The provider failed: what is this?', error_class: 'permanent', retry_at: null },
    { error: 'too long', error_class: 'context', retry_at: null },
  ]);
});

test('a turn without a reply is a failure', async () => {
  const room = roomFor({});
  await room.begin(message('m1')).ended;
  expect(room.rows('SELECT status, error FROM claims')).toEqual([
    { status: 'failed', error: expect.stringContaining('without a reply') },
  ]);
});

test('a provider that cannot start fails the turn, and is started again for the next', async () => {
  let tries = 0;
  const room = roomFor(
    {},
    {
      start: () => {
        tries += 1;
        throw new TurnError('credentials', 'no key');
      },
    },
  );
  for (const id of ['m1', 'm2']) await room.begin(message(id)).ended;
  expect(tries).toBe(2);
  expect(room.rows('SELECT DISTINCT error_class FROM claims')).toEqual([{ error_class: 'credentials' }]);
});

test('a provider that does not end its turn is given up, and what it says then is not written', async () => {
  let late: TurnEvents | undefined;
  const never = gate();
  let killedAfter = 0;
  const room = roomFor({
    runTurn: async (turn, events) => {
      if (turn.messages[0]?.id === 'm2') return { replies: [{ text: 'alive' }] };
      late = events;
      await never.promise;
      return { replies: [{ text: 'too late' }] };
    },
    abort: (killAfterMs) => {
      killedAfter = killAfterMs;
    },
  });
  const turn = room.begin(message('m1'));
  await until(() => late);
  turn.cancel('abort');
  turn.cancel('stop');
  await turn.ended;
  expect(killedAfter).toBeGreaterThan(0);
  await expect(late?.send({ text: 'hear me' })).rejects.toThrow('over');
  never.open();
  await room.begin(message('m2')).ended;
  expect(room.starts()).toBe(2);
  expect(room.rows('SELECT message_id, status, error_class FROM claims ORDER BY rowid')).toEqual([
    { message_id: 'm1', status: 'failed', error_class: 'aborted' },
    { message_id: 'm2', status: 'done', error_class: null },
  ]);
  expect(room.rows("SELECT json_extract(body, '$.text') AS text FROM messages")).toEqual([{ text: 'alive' }]);
});

test('a provider is started anew when the group says something else of its agent, and not for a notice', async () => {
  const room = roomFor({ runTurn: () => ({ replies: [{ text: 'ok' }] }) });
  await room.begin(message('m1')).ended;
  await room.beginAs({ ...session, notices: ['packages are being installed'] }, message('m2')).ended;
  expect(room.starts()).toBe(1);
  await room.beginAs({ ...session, agent: { ...session.agent, model: 'large' } }, message('m3')).ended;
  expect(room.starts()).toBe(2);
});

test('MCP servers are made ready for a provider that speaks MCP, and for no other', async () => {
  const given: string[][] = [];
  for (const speaksMcp of [false, true]) {
    const provider = {
      runTurn: () => ({ replies: [{ text: 'ok' }] }),
      abort: () => {},
      close: () => {},
    };
    const start = (context: ProviderContext) => {
      given.push(Object.keys(context.mcpServers));
      return provider;
    };
    await roomFor({}, { speaksMcp, start }).begin(message('m1')).ended;
  }
  expect(given).toEqual([[], ['berth']]);
});

test('a wait for something outside is no silence, and who waits long is told why, once', async () => {
  const end = gate();
  let events: TurnEvents | undefined;
  const room = roomFor({
    runTurn: async (_turn, given) => {
      events = given;
      await end.promise;
      return { replies: [{ text: 'done' }] };
    },
  });
  const turn = room.begin(message('m1'));
  await until(() => events);
  const texts = () => room.rows("SELECT json_extract(body, '$.text') AS text FROM messages");
  const wait = (seconds: number) =>
    events?.onWait({ why: 'The model is busy', until: Date.now() + seconds * 1000 });
  wait(5);
  expect(room.rows('SELECT tool, tool_until - activity_at AS quiet FROM runner')).toEqual([
    { tool: 'waiting', quiet: expect.closeTo(35_000, -3) },
  ]);
  wait(60);
  wait(90);
  await until(() => texts().length === 1);
  expect(texts()).toEqual([
    { text: expect.stringMatching(/^The model is busy\. I go on by myself at \d\d:\d\d:\d\d\.$/) },
  ]);
  events?.onLife();
  expect(room.rows('SELECT tool FROM runner')).toEqual([{ tool: null }]);
  end.open();
  await turn.ended;
  expect(texts()).toHaveLength(2);
});

test('a new conversation starts the provider anew and forgets what it kept, but neither the notes of the agent nor what it asked', async () => {
  const room = roomFor({
    runTurn: () => ({ replies: [{ text: 'x' }], remember: { continuation: 'abc' } }),
  });
  await room.begin(message('m1')).ended;
  room.context.remember('note:name', 'Ann');
  await room.beginAs({ ...session, conversation: 0 }, message('m2')).ended;
  expect([room.starts(), room.context.recall('continuation')]).toEqual([1, 'abc']);

  let before: string | undefined = 'not looked at';
  const fresh = roomFor({
    runTurn: () => {
      before = fresh.context.recall('continuation');
      return { replies: [{ text: 'x' }] };
    },
  });
  fresh.context.remember('continuation', 'abc');
  fresh.context.remember('note:name', 'Ann');
  fresh.context.remember('question:q1', '{"text":"When?","options":[],"at":1}');
  await fresh.beginAs({ ...session, conversation: 1 }, message('m3')).ended;
  expect(before).toBeUndefined();
  expect(fresh.context.recall('note:name')).toBe('Ann');
  expect(fresh.desk.question('q1')).toMatchObject({ text: 'When?' });
  await fresh.beginAs({ ...session, conversation: 1 }, message('m4')).ended;
  expect(fresh.starts()).toBe(1);
  await fresh.beginAs({ ...session, conversation: 2 }, message('m5')).ended;
  expect(fresh.starts()).toBe(2);
});

describe('what is said so far', () => {
  const draftOf = (room: ReturnType<typeof roomFor>) =>
    JSON.parse(readFileSync(join(room.outDir, 'draft.json'), 'utf8')) as Record<string, unknown>;
  const isThere = (room: ReturnType<typeof roomFor>) => existsSync(join(room.outDir, 'draft.json'));

  test('is a draft with the tool in flight, void at the end of the turn, whichever end that is', async () => {
    for (const fails of [false, true]) {
      const end = gate();
      const room = roomFor({
        runTurn: async (_turn, events) => {
          events.onText('so');
          events.onTool({ name: 'search', quietMs: 1000 });
          events.onText('so far');
          await end.promise;
          return { replies: [{ text: 'done' }] };
        },
      });
      const turn = room.begin(message('c1', { context: true }), message('m1'));
      await until(() => isThere(room) && draftOf(room).text === 'so far');
      expect(draftOf(room)).toEqual({ message_id: 'm1', text: 'so far', tool: 'search' });
      if (fails) end.break(new Error('no luck'));
      else end.open();
      await turn.ended;
      expect(readdirSync(room.outDir).filter((name) => name.includes('draft'))).toEqual([]);
    }
  });

  test('bears the last message that joined the turn, as the reply will', async () => {
    const end = gate();
    const room = roomFor({
      runTurn: async (_turn, events) => {
        await end.promise;
        events.onText('both');
        await new Promise(() => {});
        return { replies: [] };
      },
      push: () => true,
    });
    const turn = room.begin(message('m1'));
    await until(() => turn.takesMore);
    turn.offer([message('m2')]);
    end.open();
    await until(() => isThere(room));
    expect(draftOf(room)).toMatchObject({ message_id: 'm2' });
  });

  test('is replaced by rename, at most ten times a second, and the last word is among what is seen', async () => {
    const room = roomFor({
      runTurn: async (_turn, events) => {
        for (let word = 0; word < 500; word++) {
          events.onText(`word ${word}`);
          await new Promise((resolve) => setTimeout(resolve, 1));
          expect(draftOf(room).text).toMatch(/^word \d+$/); // whole, whenever it is read
        }
        await until(() => draftOf(room).text === 'word 499');
        return { replies: [{ text: 'done' }] };
      },
    });
    const began = performance.now();
    const writes: string[] = [];
    const watcher = watch(room.outDir, (event, name) => {
      if (event === 'rename' && name === 'draft.json') writes.push(name);
    });
    await room.begin(message('m1')).ended;
    const seconds = (performance.now() - began) / 1000;
    watcher.close();
    expect(room.claims()).toEqual([['m1', 'done']]);
    expect(writes.length).toBeGreaterThan(1);
    expect(writes.length).toBeLessThanOrEqual(10 * seconds + 3);
  });

  test('stays below 64 KiB: a longer text loses its beginning, in whole characters', async () => {
    const texts = ['x'.repeat(200_000), '😀'.repeat(40_000), '\x01'.repeat(80_000)];
    for (const text of texts) {
      const end = gate();
      const room = roomFor({
        runTurn: async (_turn, events) => {
          events.onText(`begin ${text} end`);
          await end.promise;
          return { replies: [{ text: 'done' }] };
        },
      });
      const turn = room.begin(message('m1'));
      await until(() => isThere(room));
      expect(statSync(join(room.outDir, 'draft.json')).size).toBeLessThanOrEqual(64 * 1024);
      expect(draftOf(room).text).toMatch(/^….* end$/su);
      end.open();
      await turn.ended;
    }
  });

  test('that cannot be written harms no turn, and what a dead runner left is removed by the next', async () => {
    const room = roomFor({
      runTurn: (_turn, events) => {
        mkdirSync(join(room.outDir, 'draft.json'));
        events.onText('so far');
        return { replies: [{ text: 'done' }] };
      },
    });
    await room.begin(message('m1')).ended;
    expect(room.claims()).toEqual([['m1', 'done']]);

    const session = createRunnerSession({});
    writeFileSync(join(session.outDir, 'draft.json'), '{"message_id":"m0","text":"old","tool":null}');
    session.start();
    await until(() => !existsSync(join(session.outDir, 'draft.json')));
  });
});

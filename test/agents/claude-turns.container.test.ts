import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { waitUntil } from '../fixtures/host-process.ts';
import {
  type AgentsRoom,
  claudeGroup,
  LIMIT_MS,
  openAgentsRoom,
  whyNoAgents,
} from './fixtures/agents-room.ts';

const reason = whyNoAgents();
if (reason !== undefined) test.skip(`turns of Claude: ${reason}`, () => undefined);

describe.runIf(reason === undefined)('a turn of Claude', () => {
  let room: AgentsRoom;

  beforeAll(async () => {
    room = await openAgentsRoom(12, { claude: claudeGroup() });
  });
  afterAll(() => room?.close());
  beforeEach(() => {
    room.stub.asked.length = 0;
    room.stub.refused.length = 0;
  });

  test('knows who speaks and where it is, and says what it cost', async () => {
    room.stub.script(() => ({ text: 'Hello to you.' }));
    const { message, session } = await room.post('claude', 'plain', 'hello');

    expect(await room.answerTo('claude', 'plain', message, 500_000)).toMatchObject({ text: 'Hello to you.' });
    const [asked] = room.stub.asked;
    expect(asked?.said.at(-1)?.text).toMatch(/<message from="unknown" at="[^"]+">\nhello\n<\/message>/);
    expect(asked?.system).toMatch(/You are the agent of the group "Claude" \(claude\)/);
    await waitUntil('the usage', 10_000, () => {
      const [used] = room.outbound<Record<string, number>>('claude', session, 'SELECT * FROM usage');
      return used && (used.cost_usd ?? 0) > 0 && used.input_tokens === 100 && used.output_tokens === 10;
    });
    expect(room.stub.refused).toEqual([]);
  }, 600_000);

  test('uses its own tools: it writes a file in the workspace and runs a program, several tools at once', async () => {
    room.stub.script(({ results }) =>
      results.length === 0
        ? {
            text: 'I write it.',
            tools: [
              { name: 'Write', input: { file_path: '/group/notes.txt', content: 'written by Claude' } },
              { name: 'Bash', input: { command: 'id -un; pwd', description: 'who and where' } },
            ],
          }
        : { text: `Done: ${results.map(({ text }) => text).join(' | ')}` },
    );
    const answer = await room.host.ask('claude', 'tools', 'write a note', LIMIT_MS);

    expect(answer.text).toMatch(/^Done: .*notes\.txt.* \| agent\n\/group$/s);
    expect(readFileSync(join(room.workspace('claude'), 'notes.txt'), 'utf8')).toBe('written by Claude');
    expect(room.stub.refused).toEqual([]);
  });

  test('takes two follow-ups into the running turn, and answers all three with one reply', async () => {
    room.stub.script(({ results, said }) =>
      results.length === 0
        ? { tools: [{ name: 'Bash', input: { command: 'sleep 6', description: 'wait' } }] }
        : {
            text: `I heard: ${['first', 'second', 'third'].filter((word) => said.some(({ text }) => text.includes(word)))}`,
          },
    );
    const first = await room.post('claude', 'joined', 'the first thing');
    await waitUntil('the tool', LIMIT_MS, () => room.stub.asked.length === 1);
    const second = await room.post('claude', 'joined', 'the second thing');
    const third = await room.post('claude', 'joined', 'the third thing');

    const answer = await room.answerTo('claude', 'joined', first.message);
    expect(answer.text).toBe('I heard: first,second,third');
    expect(answer.answers).toEqual([first.message, second.message, third.message]);
    expect(room.stub.asked).toHaveLength(2);
  });

  test('a follow-up that comes too late to join is answered by a turn of its own', async () => {
    room.stub.script(({ last }) => ({
      text: last.includes('slow') ? 'slow words '.repeat(20) : 'second',
      pieceMs: 100,
    }));
    const first = await room.post('claude', 'late', 'a slow one');
    await waitUntil('the answer to begin', LIMIT_MS, () => room.stub.asked.length === 1);
    const second = await room.post('claude', 'late', 'and another');

    const [one, two] = await Promise.all([
      room.answerTo('claude', 'late', first.message),
      room.answerTo('claude', 'late', second.message),
    ]);
    expect(one.text).toMatch(/^slow words/);
    expect(two.text).toBe('second');
  });

  test('shows the tool in flight, and lives through long thinking', async () => {
    room.stub.script(({ results }) =>
      results.length === 0
        ? { tools: [{ name: 'Bash', input: { command: 'sleep 3', description: 'wait', timeout: 20_000 } }] }
        : { think: { pieces: 20, everyMs: 100 }, text: 'thought over' },
    );
    const { message, session } = await room.post('claude', 'long', 'think');
    const state = () =>
      room.outbound<{ tool: string | null; tool_until: number }>(
        'claude',
        session,
        'SELECT * FROM runner',
      )[0];
    await waitUntil('the tool', LIMIT_MS, () => room.stub.asked.length === 1 && state()?.tool === 'Bash');
    expect((state()?.tool_until ?? 0) - Date.now()).toBeGreaterThan(20_000);

    expect(await room.answerTo('claude', 'long', message)).toMatchObject({ text: 'thought over' });
    expect(state()?.tool).toBeNull();
  });

  test('/stop ends it, whatever it does, and the next message is answered', async () => {
    room.stub.script(({ last }) =>
      last.includes('sleep')
        ? { tools: [{ name: 'Bash', input: { command: 'sleep 100', description: 'wait' } }] }
        : { text: 'I am here.' },
    );
    const { message, session } = await room.post('claude', 'stopped', 'sleep');
    await waitUntil(
      'the tool',
      LIMIT_MS,
      () => room.outbound<{ tool: string }>('claude', session, 'SELECT * FROM runner')[0]?.tool === 'Bash',
    );
    await room.post('claude', 'stopped', '/stop');

    expect(await room.answerTo('claude', 'stopped', message)).toMatchObject({ code: 'E_TURN_ABORTED' });
    expect((await room.host.ask('claude', 'stopped', 'are you there?', LIMIT_MS)).text).toBe('I am here.');
    expect(room.stub.asked.at(-1)?.said.some(({ text }) => text.includes('sleep'))).toBe(true);
  });

  test("a person's slash command reaches it raw", async () => {
    room.stub.script(() => ({ text: 'no command' }));
    const answer = await room.host.ask('claude', 'command', '/context', LIMIT_MS);
    expect(answer.text).toMatch(/context usage/i);
    expect(answer.text).not.toContain('no command');
  });

  test("a person's slash command reaches it raw where it has waited beside other messages", async () => {
    room.stub.script(({ last }) => ({
      text: last.includes('slow') ? 'slow words '.repeat(20) : 'no command',
      pieceMs: 100,
    }));
    const first = await room.post('claude', 'beside', 'a slow one');
    await waitUntil('the answer to begin', LIMIT_MS, () => room.stub.asked.length === 1);
    const command = await room.post('claude', 'beside', '/context');
    const after = await room.post('claude', 'beside', 'and another');

    expect((await room.answerTo('claude', 'beside', first.message)).text).toMatch(/^slow words/);
    expect((await room.answerTo('claude', 'beside', command.message)).text).toMatch(/context usage/i);
    expect((await room.answerTo('claude', 'beside', after.message)).text).toBe('no command');
  });
});

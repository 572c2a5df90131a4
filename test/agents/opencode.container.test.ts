import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { waitUntil } from '../fixtures/host-process.ts';
import {
  type AgentsRoom,
  LIMIT_MS,
  openAgentsRoom,
  opencodeGroup,
  whyNoAgents,
} from './fixtures/agents-room.ts';

const reason = whyNoAgents();
if (reason !== undefined) test.skip(`OpenCode in its container: ${reason}`, () => undefined);

describe.runIf(reason === undefined)('OpenCode in its container', () => {
  let room: AgentsRoom;

  beforeAll(async () => {
    const stops = ['idle: { freeze: off, stop: 2s }'];
    room = await openAgentsRoom(
      15,
      {
        compatible: opencodeGroup({ more: ['idle: { freeze: 2s, stop: off }'] }),
        messages: opencodeGroup({ model: 'anthropic/claude-sonnet-4-5', more: stops }),
        wrong: opencodeGroup({ key: 'sk-wrong' }),
        model: opencodeGroup({ model: 'compatible/nonsense-9' }),
      },
      { BERTH_TURN_RETRY_PAUSE: '500ms' },
    );
  });
  afterAll(() => room?.close());
  beforeEach(() => {
    room.stub.asked.length = 0;
    room.stub.refused.length = 0;
  });

  test('uses its own tools, knows where it is, and says what it cost', async () => {
    room.stub.script(({ results }) =>
      results.length === 0
        ? {
            text: 'I write it.',
            tools: [
              { name: 'write', input: { filePath: '/group/notes.txt', content: 'written by OpenCode' } },
              { name: 'bash', input: { command: 'id -un; pwd', description: 'who and where' } },
            ],
          }
        : { text: `Done: ${results.map(({ text }) => text.trim()).join(' | ')}` },
    );
    const { message, session } = await room.post('compatible', 'tools', 'write a note');

    expect((await room.answerTo('compatible', 'tools', message, 500_000)).text).toMatch(
      /^Done: .* \| agent\n\/group$/s,
    );
    expect(readFileSync(join(room.workspace('compatible'), 'notes.txt'), 'utf8')).toBe('written by OpenCode');
    expect(room.stub.asked[0]?.system).toMatch(/You are the agent of the group "OpenCode" \(compatible\)/);
    expect(room.stub.asked[0]?.last).toMatch(
      /<message from="unknown" at="[^"]+">\nwrite a note\n<\/message>/,
    );
    await waitUntil('the usage', LIMIT_MS, () => {
      const used = room.outbound<{ output_tokens: number }>('compatible', session, 'SELECT * FROM usage');
      return used.length === 2 && used.every(({ output_tokens: tokens }) => tokens === 10);
    });
    expect(room.stub.refused).toEqual([]);
  }, 600_000);

  test('takes a follow-up into the running turn', async () => {
    room.stub.script(({ results, said }) =>
      results.length === 0 && said.length < 3
        ? { tools: [{ name: 'bash', input: { command: 'sleep 6', description: 'wait' } }] }
        : {
            text: `I heard: ${['first', 'second'].filter((word) => said.some(({ text }) => text.includes(word)))}`,
          },
    );
    const first = await room.post('compatible', 'joined', 'the first thing');
    await waitUntil('the tool', LIMIT_MS, () => room.stub.asked.length === 1);
    const second = await room.post('compatible', 'joined', 'the second thing');

    const answer = await room.answerTo('compatible', 'joined', second.message);
    expect(answer.text).toMatch(/I heard: first,second$/);
    expect(answer.answers).toEqual([first.message, second.message]);
  });

  test('/stop ends it, and the next message is answered; so it is after it was frozen', async () => {
    room.stub.script(({ last }) =>
      last.includes('sleep')
        ? { tools: [{ name: 'bash', input: { command: 'sleep 100', description: 'wait' } }] }
        : { text: 'I am here.' },
    );
    const { message, session } = await room.post('compatible', 'stopped', 'sleep');
    await waitUntil('the tool', LIMIT_MS, () => room.stub.asked.length === 1);
    await room.post('compatible', 'stopped', '/stop');
    expect(await room.answerTo('compatible', 'stopped', message)).toMatchObject({ code: 'E_TURN_ABORTED' });
    expect((await room.host.ask('compatible', 'stopped', 'are you there?', LIMIT_MS)).text).toBe(
      'I am here.',
    );

    await room.waitForState(session, 'frozen');
    room.stub.dropConnections();
    expect((await room.host.ask('compatible', 'stopped', 'and now?', LIMIT_MS)).text).toBe('I am here.');
  });

  test('a conversation goes on after the container was stopped, and after it was lost begins afresh and says so', async () => {
    room.stub.script(({ said }) => ({
      text: `I know: ${['walrus', 'quokka', 'ibex'].filter((word) => said.some(({ role, text }) => role === 'user' && text.includes(word)))}`,
    }));
    const { message, session } = await room.post('messages', 'one', 'walrus');
    expect((await room.answerTo('messages', 'one', message)).text).toBe('I know: walrus');
    await room.waitForState(session, 'asleep');
    expect((await room.host.ask('messages', 'one', 'quokka', LIMIT_MS)).text).toBe('I know: walrus,quokka');

    await room.waitForState(session, 'asleep');
    rmSync(join(room.home('messages', session), '.local', 'share', 'opencode'), { recursive: true });
    const lost = await room.host.ask('messages', 'one', 'ibex', LIMIT_MS);
    expect(lost.text).toMatch(/^I could not take up our earlier conversation again.*\n\nI know: ibex$/s);
  });

  test('a rate limit waits and goes on', async () => {
    let asked = 0;
    room.stub.script(() =>
      ++asked < 2
        ? {
            status: 429,
            type: 'rate_limit_error',
            message: 'Rate limit reached',
            headers: { 'retry-after': '1' },
          }
        : { text: 'fine' },
    );
    expect((await room.host.ask('compatible', 'limit', 'hello', LIMIT_MS)).text).toBe('fine');
  });

  test('shortens a conversation that has become too long, and says nothing of it', async () => {
    let refused = 0;
    room.stub.script(({ last }) => {
      if (last.includes('too much') && refused++ === 0)
        return {
          status: 400,
          type: 'invalid_request_error',
          message: 'prompt is too long: 210000 tokens > 200000 maximum',
        };
      if (last.includes('nearly too much')) return { text: 'That was long.', promptTokens: 95_000 };
      return { text: last.includes('too much') ? 'There is room again.' : 'Fine.' };
    });
    const say = (text: string) => room.host.ask('compatible', 'long', text, LIMIT_MS);
    expect((await say('hello')).text).toBe('Fine.');
    expect((await say('too much')).text).toBe('There is room again.');
    expect(refused).toBe(2);
    // OpenCode asks the model to go on after that: what it says then is its own.
    expect((await say('nearly too much')).text).toMatch(/^That was long\.\n\n(Fine\.)$/);
    expect((await say('and now?')).text).toBe('Fine.');
    expect(room.stub.refused).toEqual([]);
  });

  test.each([
    ['wrong', /does not accept the key of this group.*group\.yaml/s],
    ['model', /There is no such model.*agent\.model in group\.yaml/s],
  ])('a group whose settings are wrong is told what to do: %s', async (group, words) => {
    const { message } = await room.post(group, 'one', 'hello');
    const answer = await room.answerTo(group, 'one', message);
    expect(answer.type).toBe('failure');
    expect(answer.reason).toMatch(words);
  });
});

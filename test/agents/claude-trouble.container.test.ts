import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Answer } from '../fixtures/model-stubs/answer.ts';
import {
  type AgentsRoom,
  claudeGroup,
  LIMIT_MS,
  openAgentsRoom,
  whyNoAgents,
} from './fixtures/agents-room.ts';

const reason = whyNoAgents();
if (reason !== undefined) test.skip(`trouble with Claude: ${reason}`, () => undefined);

const limited = (seconds: number): Answer => ({
  status: 429,
  type: 'rate_limit_error',
  message: 'This request would exceed the rate limit of your organization',
  headers: { 'retry-after': String(seconds) },
});
const overloaded: Answer = { status: 529, type: 'overloaded_error', message: 'Overloaded' };
const tooLong: Answer = {
  status: 400,
  type: 'invalid_request_error',
  message: 'prompt is too long: 210000 tokens > 200000 maximum',
};

describe.runIf(reason === undefined)('trouble between Claude and its API', () => {
  let room: AgentsRoom;

  beforeAll(async () => {
    const impatient = { CLAUDE_CODE_MAX_RETRIES: '1' };
    room = await openAgentsRoom(
      14,
      {
        claude: claudeGroup(),
        impatient: claudeGroup({ env: impatient }),
        wrong: claudeGroup({ key: 'sk-ant-wrong' }),
        keyless: claudeGroup({ key: '' }),
        model: claudeGroup({ agent: 'provider: claude, model: nonsense-9' }),
        absent: claudeGroup({ more: ['image: { npm: ["@anthropic-ai/claude-agent-sdk@0.0.0-none"] }'] }),
      },
      { BERTH_TURN_RETRY_PAUSE: '500ms', BERTH_RATE_LIMIT_PAUSE: '1s' },
    );
  });
  afterAll(() => room?.close());
  beforeEach(() => {
    room.stub.asked.length = 0;
  });

  /** The first so many requests are answered so, all later ones with `fine`. */
  function first(times: number, answer: Answer): void {
    let asked = 0;
    room.stub.script(() => (++asked <= times ? answer : { text: 'fine' }));
  }

  test('a rate limit waits and goes on', async () => {
    first(2, limited(1));
    const answer = await room.host.ask('claude', 'limit', 'hello', 500_000);
    expect(answer.text).toBe('fine');
    expect(await room.host.events('claude', 'limit')).toHaveLength(1);
  }, 600_000);

  test('a rate limit that takes long is told, with the time at which it goes on', async () => {
    first(1, limited(17));
    const answer = await room.host.ask('claude', 'long', 'hello', LIMIT_MS);
    expect(answer.text).toBe('fine');
    const [told] = await room.host.events('claude', 'long');
    expect(told?.text).toMatch(
      /^Claude takes no more requests for now, .*\. I go on by myself at \d\d:\d\d:\d\d\.$/,
    );
    expect(told?.answers).toEqual([]);
  });

  test('a rate limit that is longer than Claude waits is waited for by the host', async () => {
    first(1, limited(3600));
    expect((await room.host.ask('claude', 'hour', 'hello', LIMIT_MS)).text).toBe('fine');
    expect(room.stub.asked).toHaveLength(2);
  });

  test('an overloaded API is asked again, by Claude and then by the host', async () => {
    first(1, overloaded);
    expect((await room.host.ask('claude', 'busy', 'hello', LIMIT_MS)).text).toBe('fine');
    first(2, overloaded);
    expect((await room.host.ask('impatient', 'busy', 'hello', LIMIT_MS)).text).toBe('fine');
  });

  test('an API that stays overloaded is told', async () => {
    first(1000, overloaded);
    const answer = await room.host.ask('impatient', 'always', 'hello', LIMIT_MS);
    expect(answer).toMatchObject({ type: 'failure', code: 'E_TURN_RETRIES' });
    expect(answer.reason).toMatch(/^Claude is overloaded at the moment\./);
  });

  test('a stream that breaks off in the middle is asked for again', async () => {
    first(1, { cutAfter: 'I was about to' });
    expect((await room.host.ask('claude', 'cut', 'hello', LIMIT_MS)).text).toBe('fine');
  });

  test('a conversation that is too long for the model: what to do about it', async () => {
    first(1000, tooLong);
    const answer = await room.host.ask('claude', 'full', 'hello', LIMIT_MS);
    expect(answer).toMatchObject({ type: 'failure', code: 'E_TURN_FAILED' });
    expect(answer.reason).toMatch(/too long for the model\. Begin a new one with \/new/);
  });

  test.each([
    ['wrong', /does not accept the key of this group.*ANTHROPIC_API_KEY.*group\.yaml/s],
    ['keyless', /There is no key for Claude.*ANTHROPIC_API_KEY.*group\.yaml/s],
    ['model', /There is no such model.*agent\.model in group\.yaml.*nonsense-9/s],
    ['absent', /claude-agent-sdk/],
  ])('a group that is %s is told what to do', async (group, words) => {
    room.stub.script(() => ({ text: 'fine' }));
    const { message } = await room.post(group, 'one', 'hello');
    const answer = await room.answerTo(group, 'one', message, LIMIT_MS);
    expect(answer.type).toBe('failure');
    expect(answer.reason).toMatch(words);
  });
});

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type AgentsRoom, claudeGroup, openAgentsRoom, whyNoAgents } from './fixtures/agents-room.ts';

const reason = whyNoAgents();
if (reason !== undefined) test.skip(`Claude in a container: ${reason}`, () => undefined);

describe.runIf(reason === undefined)('Claude in its container', () => {
  let room: AgentsRoom;

  beforeAll(async () => {
    room = await openAgentsRoom(11, { claude: claudeGroup() });
  });

  afterAll(async () => {
    await room?.close();
  });

  test('the first message builds the image and is answered', async () => {
    room.stub.script(({ last }) => ({ text: `You said: ${/hello \w+/.exec(last)?.[0]}` }));
    const answer = await room.host.ask('claude', 'first', 'hello there', 500_000);
    expect(answer.text).toBe('You said: hello there');
    expect(room.stub.refused).toEqual([]);
  }, 600_000);
});

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runBerth } from '../fixtures/berth-command.ts';
import { followChat } from '../fixtures/event-lines.ts';
import { waitUntil } from '../fixtures/host-process.ts';
import {
  type AgentsRoom,
  LIMIT_MS,
  openAgentsRoom,
  opencodeGroup,
  whyNoAgents,
} from './fixtures/agents-room.ts';

const reason = whyNoAgents();
if (reason !== undefined) test.skip(`the packages of a provider: ${reason}`, () => undefined);

describe.runIf(reason === undefined)('the packages of a provider', () => {
  let room: AgentsRoom;

  beforeAll(async () => {
    // Nobody else has asked for just these packages: they are installed now.
    const groups = { fresh: opencodeGroup({ more: ['image: { npm: [is-number@7.0.0] }'] }) };
    room = await openAgentsRoom(16, groups);
  });
  afterAll(() => room?.close());

  test('while they are installed the person is told, `berth why` says so, and then the answer comes', async () => {
    room.stub.script(() => ({ text: 'here I am' }));
    const { message, session } = await room.post('fresh', 'one', 'hello');
    const { heard, close } = await followChat(room.host, 'fresh', 'one');
    await waitUntil('the notice', 20_000, () => heard.some(({ event }) => event === 'notice'));
    close();
    expect(heard.find(({ event }) => event === 'notice')?.data).toMatchObject({
      text: 'installing the packages of opencode, which takes some minutes the first time',
    });

    const env = { BERTH_DATA_DIR: room.host.dataDir, BERTH_GROUPS_DIR: room.host.groupsDir };
    const why = JSON.parse((await runBerth(['why', session, '--json'], { env })).stdout);
    expect(why).toMatchObject({
      stage: 'packages',
      words: expect.stringMatching(/opencode are being installed/),
    });

    expect(await room.answerTo('fresh', 'one', message, 2 * LIMIT_MS)).toMatchObject({ text: 'here I am' });
    await waitUntil('nobody waits', 5000, async () => {
      const { stdout } = await runBerth(['why', session, '--json'], { env });
      return JSON.parse(stdout).stage === 'nothing-waits';
    });
  });
});

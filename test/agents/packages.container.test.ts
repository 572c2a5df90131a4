import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runBerth } from '../fixtures/berth-command.ts';
import { followChat } from '../fixtures/event-lines.ts';
import { waitUntil } from '../fixtures/host-process.ts';
import { imagesOf, removeImages } from '../fixtures/own-images.ts';
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

  test('when somebody has removed their image, the next message waits for it as the first one did, and is answered', async () => {
    room.stub.script(() => ({ text: 'here I am again' }));
    const { message: before, session } = await room.post('fresh', 'two', 'hello');
    expect(await room.answerTo('fresh', 'two', before)).toMatchObject({ text: 'here I am again' });
    for (const { id } of (await room.host.request<{ sessions: { id: string }[] }>('GET', '/v1/sessions')).body
      .sessions) {
      await room.killContainer(id);
      await room.waitForState(id, 'asleep');
    }
    await removeImages(imagesOf(room.host.dataDir));

    const { message } = await room.post('fresh', 'two', 'and now?');
    await waitUntil('the message to wait', 20_000, async () => {
      const env = { BERTH_DATA_DIR: room.host.dataDir, BERTH_GROUPS_DIR: room.host.groupsDir };
      return JSON.parse((await runBerth(['why', session, '--json'], { env })).stdout).stage === 'packages';
    });
    const answer = await room.answerTo('fresh', 'two', message, 2 * LIMIT_MS);
    expect(answer).toMatchObject({ type: 'message', text: 'here I am again' });
  });
});

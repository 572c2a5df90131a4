import { rmSync } from 'node:fs';
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
if (reason !== undefined) test.skip(`what Claude remembers: ${reason}`, () => undefined);

describe.runIf(reason === undefined)('a conversation with Claude', () => {
  let room: AgentsRoom;

  beforeAll(async () => {
    room = await openAgentsRoom(13, {
      stops: claudeGroup({ more: ['idle: { freeze: off, stop: 1s }'] }),
      freezes: claudeGroup({ more: ['idle: { freeze: 1s, stop: off }'] }),
      stays: claudeGroup({ more: ['idle: off'] }),
    });
  });
  afterAll(() => room?.close());
  beforeEach(() => {
    room.stub.asked.length = 0;
    room.stub.script(({ said }) => ({
      text: `I know: ${['walrus', 'quokka', 'ibex'].filter((word) => said.some(({ role, text }) => role === 'user' && text.includes(word)))}`,
    }));
  });

  test('goes on after the container was stopped, and after it was lost begins afresh and says so', async () => {
    expect((await room.host.ask('stops', 'one', 'walrus', 500_000)).text).toBe('I know: walrus');
    const { message, session } = await room.post('stops', 'one', 'quokka');
    await room.answerTo('stops', 'one', message);
    await room.waitForState(session, 'asleep');
    expect((await room.host.ask('stops', 'one', 'ibex', LIMIT_MS)).text).toBe('I know: walrus,quokka,ibex');

    await room.waitForState(session, 'asleep');
    rmSync(join(room.home('stops', session), '.claude', 'projects'), { recursive: true });
    const lost = await room.host.ask('stops', 'one', 'ibex again', LIMIT_MS);
    expect(lost.text).toMatch(/^I could not take up our earlier conversation again.*\n\nI know: ibex$/s);
    await room.waitForState(session, 'asleep');
    expect((await room.host.ask('stops', 'one', 'walrus', LIMIT_MS)).text).toBe('I know: walrus,ibex');
  }, 600_000);

  test('/new begins another one', async () => {
    await room.host.ask('stops', 'new', 'walrus', LIMIT_MS);
    await room.post('stops', 'new', '/new');
    expect((await room.host.ask('stops', 'new', 'ibex', LIMIT_MS)).text).toBe('I know: ibex');
  });

  test('goes on after it was frozen, by the same process, also when its connections have died meanwhile', async () => {
    const { message, session } = await room.post('freezes', 'one', 'walrus');
    await room.answerTo('freezes', 'one', message);
    await room.waitForState(session, 'frozen');
    room.stub.dropConnections();
    expect((await room.host.ask('freezes', 'one', 'quokka', LIMIT_MS)).text).toBe('I know: walrus,quokka');
    await room.waitForState(session, 'frozen');
  });

  test('goes on after the host was restarted and after it was killed', async () => {
    await room.host.ask('stays', 'one', 'walrus', LIMIT_MS);
    await room.host.kill('SIGTERM');
    await room.host.start();
    expect((await room.host.ask('stays', 'one', 'quokka', LIMIT_MS)).text).toBe('I know: walrus,quokka');
    await room.host.kill('SIGKILL');
    await room.host.start();
    expect((await room.host.ask('stays', 'one', 'ibex', LIMIT_MS)).text).toBe('I know: walrus,quokka,ibex');
  });

  test('a container that is killed in mid-turn: the turn is repeated, and one reply is sent', async () => {
    let asked = 0;
    room.stub.script(() => {
      asked += 1;
      return asked === 1 ? { think: { pieces: 1000, everyMs: 100 }, text: 'never' } : { text: 'at last' };
    });
    const { message, session } = await room.post('stays', 'crash', 'work');
    await waitUntil('the request', LIMIT_MS, () => asked === 1);
    await room.killContainer(session);

    expect(await room.answerTo('stays', 'crash', message)).toMatchObject({ text: 'at last' });
    expect(room.stub.asked.at(-1)?.last).toMatch(/attempt="2: this was begun before/);
    const events = await room.host.events('stays', 'crash');
    expect(events.filter(({ answers }) => answers.includes(message))).toHaveLength(1);
  });
});

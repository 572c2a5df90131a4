import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { waitUntil } from '../fixtures/host-process.ts';
import {
  type AgentsRoom,
  claudeGroup,
  LIMIT_MS,
  openAgentsRoom,
  whyNoAgents,
} from './fixtures/agents-room.ts';

const reason = whyNoAgents();
if (reason !== undefined) test.skip(`Claude and the session's tools: ${reason}`, () => undefined);

/** A call of one of the session's own tools, by the name that Claude knows it under. */
const tool = (name: string, input: Record<string, unknown>) => ({ name: `mcp__berth__${name}`, input });

describe.runIf(reason === undefined)("Claude and the session's tools", () => {
  let room: AgentsRoom;

  beforeAll(async () => {
    room = await openAgentsRoom(16, { claude: claudeGroup() });
  });
  afterAll(() => room?.close());

  test('it writes a file with its own tool, and sends it in mid-turn', async () => {
    room.stub.script(({ results: [result] }) => {
      if (result?.text.startsWith('Sent as')) return { text: `Sent: ${result.text}` };
      if (result) return { tools: [tool('send_file', { path: '/group/report.txt', text: 'the report' })] };
      return {
        tools: [{ name: 'Write', input: { file_path: '/group/report.txt', content: 'all is well' } }],
      };
    });
    const answer = await room.host.ask('claude', 'files', 'a report, please', 500_000);

    expect(answer.text).toBe('Sent: Sent as report.txt.');
    const [sent] = await room.host.events('claude', 'files');
    expect(sent).toMatchObject({ text: 'the report', files: [{ name: 'report.txt', bytes: 11 }] });
  }, 600_000);

  test('a question of its survives a restart of the host, and its answer begins a turn', async () => {
    room.stub.script(({ last, results }) => {
      if (last.includes('Blue')) return { text: 'Blue it is.' };
      if (results.length > 0) return { text: 'I wait for your word.' };
      return {
        tools: [tool('ask_user', { question: 'Red or blue?', options: ['Red', 'Blue'], wait_seconds: 1 })],
      };
    });
    await room.host.ask('claude', 'asks', 'paint the door', LIMIT_MS);
    const [asked] = await room.host.events('claude', 'asks');
    expect(asked).toMatchObject({ text: 'Red or blue?', question: { options: ['Red', 'Blue'] } });
    await room.host.kill('SIGTERM');
    await room.host.start();

    const answers = (asked as { question?: { id: string } }).question?.id;
    const { status, body } = await room.host.post('claude', 'asks', { text: 'Blue', answers });
    expect(status).toBe(202);
    expect((await room.answerTo('claude', 'asks', body.message)).text).toBe('Blue it is.');
  });

  test('what it has planned comes once, although the host was restarted meanwhile', async () => {
    room.stub.script(({ last, results }) => {
      if (results.length > 0) return { text: 'Planned.' };
      if (last.includes('water the plants')) return { text: 'Water the plants!' };
      const at = new Date(Date.now() + 4000).toISOString();
      return { tools: [tool('schedule', { text: 'water the plants', at })] };
    });
    expect((await room.host.ask('claude', 'plans', 'remind me', LIMIT_MS)).text).toBe('Planned.');
    await room.host.kill('SIGTERM');
    await room.host.start();

    const reminders = async () =>
      (await room.host.events('claude', 'plans')).filter(({ text }) => text === 'Water the plants!');
    await waitUntil('the reminder', LIMIT_MS, async () => (await reminders()).length > 0);
    await room.host.kill('SIGTERM');
    await room.host.start();
    room.stub.script(() => ({ text: 'Nothing else.' }));
    expect((await room.host.ask('claude', 'plans', 'anything else?', LIMIT_MS)).text).toBe('Nothing else.');
    expect(await reminders()).toHaveLength(1);
  });
});

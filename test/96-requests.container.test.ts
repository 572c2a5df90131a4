import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { expect, test } from 'vitest';
import { waitUntil } from './fixtures/host-process.ts';
import { openHostRoom } from './fixtures/host-room.ts';

const fixture = (name: string) => readFileSync(new URL(`./fixtures/${name}`, import.meta.url), 'utf8');
const groups = {
  asks: {
    yaml: 'name: Asks\nrunner: [node, /group/runner.mjs]\ntimezone: UTC\n',
    workspace: {
      'runner.mjs': fixture('asking-runner.mjs'),
      'own-outbound.mjs': fixture('own-outbound.mjs'),
    },
  },
};
/** What the runner is to write, as a message. */
const row = (body: object) => JSON.stringify(body);
const schedule = (args: object) => row({ request: 'schedule', args });
const ahead = (ms: number) => new Date(Date.now() + ms).toISOString();

test('a schedule fires once, also when its time comes while the host is down, and not again after another restart', async () => {
  const host = await openHostRoom({ groups });
  // The start of the container is none of the seconds that are left.
  await host.ask('asks', 'one', schedule({ text: 'next year', cron: '0 0 1 1 *' }));
  const made = await host.ask('asks', 'one', schedule({ text: 'water the plants', at: ahead(4_000) }));
  expect(JSON.parse(made.text)).toMatchObject({ ok: true, result: { text: 'water the plants', cron: null } });
  const listed = await host.berth('schedules', '--json');
  const { schedules } = JSON.parse(listed.stdout) as {
    schedules: { id: string; text: string; chat: string }[];
  };
  expect(schedules.map(({ text, chat }) => [text, chat])).toEqual([
    ['water the plants', 'one'],
    ['next year', 'one'],
  ]);

  await host.kill('SIGKILL');
  await new Promise((resolve) => setTimeout(resolve, 4_500)); // the time itself is what is tested
  await host.start();
  const isTask = ({ text }: { text: string }) => text === 'task: water the plants';
  await host.waitForEvents('asks', 'one', (events) => events.some(isTask));
  await host.kill('SIGTERM');
  await host.start();
  await host.ask('asks', 'one', row({ request: 'schedules' }));
  expect((await host.events('asks', 'one')).filter(isTask)).toHaveLength(1);

  const { id = '' } = schedules[1] ?? {};
  expect(await host.berth('schedules', 'cancel', id)).toMatchObject({
    code: 0,
    stdout: `${id} is cancelled\n`,
  });
  const again = await host.berth('schedules', 'cancel', id);
  expect(again).toMatchObject({ code: 1, stderr: expect.stringContaining('E_SCHEDULE_UNKNOWN') });
  await host.kill('SIGTERM');
  expect(JSON.parse((await host.berth('schedules', '--json')).stdout)).toEqual({ schedules: [] });
});

test('a schedule that is asked for, and comes due, while the host is down fires once it is back', async () => {
  const host = await openHostRoom({ groups });
  const { session } = (await host.post('asks', 'one', row({ request: 'schedules' }))).body;
  await host.waitForEvents('asks', 'one', (events) => events.length === 1);
  const args = { text: 'water the plants' };
  await host.post('asks', 'one', row({ request: 'schedule', args, whenThere: '/group/away', inMs: 1_000 }));
  const inbound = join(host.dataDir, 'sessions', 'asks', session, 'in', 'inbound.db');
  await waitUntil('the message to reach the runner', 5_000, () => waiting(inbound).length === 1);
  await host.kill('SIGKILL');

  const rows = host.repliesOf('asks', session) ?? 0;
  await writeFile(join(host.groupsDir, 'asks', 'workspace', 'away'), '');
  await waitUntil('the runner to ask', 5_000, () => (host.repliesOf('asks', session) ?? 0) > rows);
  await new Promise((resolve) => setTimeout(resolve, 1_500)); // the time itself is what is tested
  await host.start();
  const events = await host.waitForEvents('asks', 'one', (all) => all.length === 3);
  const texts = events.map(({ text }) => text);
  expect(texts).toContain('task: water the plants');
  expect(texts).toContainEqual(expect.stringMatching(/^\{"ok":true.*"water the plants"/));
});

/** Messages of people in the session's file. */
function waiting(inbound: string): unknown[] {
  const db = new Database(inbound, { readonly: true });
  try {
    return db.prepare("SELECT id FROM messages WHERE kind = 'chat' AND body LIKE '%whenThere%'").all();
  } finally {
    db.close();
  }
}

test('what a hostile runner asks for is refused with a code, and its session goes on', async () => {
  const host = await openHostRoom({ groups });
  await host.ask('asks', 'other', schedule({ text: 'not yours', cron: '0 0 1 1 *' }));
  const { stdout } = await host.berth('schedules', '--json');
  const [theirs] = (JSON.parse(stdout) as { schedules: { id: string }[] }).schedules;

  const answered = async (body: object) => JSON.parse((await host.ask('asks', 'one', row(body))).text);
  const refusals: [body: object, code: string][] = [
    [{ request: 'rm -rf', args: {} }, 'E_REQUEST'],
    [{ request: 'x'.repeat(100_000) }, 'E_REQUEST'],
    [{ request: 'schedule', args: { text: 'a megabyte', cron: '* * * * *' } }, 'E_REQUEST'],
    [{ request: 'schedule', args: { text: 'x', cron: '* * * * * *' } }, 'E_REQUEST'],
    [{ request: 'schedule', args: { text: 'x', at: '0000-00-00T00:00:00Z' } }, 'E_REQUEST'],
    [{ request: 'schedule', args: { text: 'x', cron: '* * * * *', chat: 'other' } }, 'E_REQUEST'],
    [{ request: 'schedule', args: { text: 'x', cron: '* * * * *', timezone: '../../etc' } }, 'E_REQUEST'],
    [{ request: 'cancel_schedule', args: { id: theirs?.id } }, 'E_SCHEDULE_UNKNOWN'],
  ];
  for (const [body, code] of refusals)
    expect(await answered(body)).toMatchObject({ ok: false, error: { code } });
  expect(await answered({ request: 'schedules' })).toEqual({ ok: true, result: [] });

  const receipt = await host.ask('asks', 'one', row({ request: 'rm', wantsReceipt: true }));
  expect(receipt.text).toMatch(/^refused: E_REQUEST: there is no request "rm"/);
  const left = JSON.parse((await host.berth('schedules', '--json')).stdout) as {
    schedules: { text: string }[];
  };
  expect(left.schedules.map(({ text }) => text)).toEqual(['not yours']);
});

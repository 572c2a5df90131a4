import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { type HostProcess, startHost, waitUntil } from './fixtures/host-process.ts';

// Processes are started here, on a machine that may be busy with other tests.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const BROKEN = 'name: Broken\nlimits:\n  memory: lots\n  cpu: 2\n';
const SAYS = (text: string) => ({
  yaml: 'name: Says\nagent: {provider: command, command: [node, /group/bot.mjs]}\n',
  workspace: { 'bot.mjs': `console.log(${JSON.stringify(text)})` },
});

let host: HostProcess;

async function start(): Promise<void> {
  host = await startHost({
    groups: { demo: 'name: Demo\n', broken: BROKEN, says: SAYS('first') },
    env: { BERTH_ENGINE: 'process' },
  });
}

async function expectNext(): Promise<void> {
  expect(await host.ask('demo', 'other', 'next')).toMatchObject({ text: 'next' });
}

async function saveGroup(folder: string, yaml: string): Promise<void> {
  await writeFile(join(host.groupsDir, folder, 'group.yaml'), yaml);
}

function logged(words: string, since = 0): Promise<void> {
  return waitUntil(`"${words}" in the log`, 15_000, () =>
    host.log.slice(since).some(({ msg }) => String(msg).includes(words)),
  );
}

async function refusal(group: string) {
  const { status, body } = await host.post(group, 'one', 'hello');
  return { status, ...body.error };
}

describe('each on a host of its own', () => {
  beforeEach(start);
  afterEach(() => expectNext().finally(() => host.dispose()));

  test('broken at the start: this group alone is refused, with file and line; repaired it works', async () => {
    const message = expect.stringMatching(
      /^broken\/group\.yaml:3: limits\.memory .*; broken\/group\.yaml:4: limits\.cpu /,
    );
    expect(await refusal('broken')).toEqual({ status: 409, code: 'E_GROUP_CONFIG', message });
    expect(host.log).toContainEqual(
      expect.objectContaining({
        code: 'E_GROUP_CONFIG',
        group: 'broken',
        lastGoodInForce: false,
        msg: message,
      }),
    );
    const { status } = await host.request('GET', '/v1/groups/broken/chats/one/messages');
    expect(status).toBe(409);

    await saveGroup('broken', 'name: Repaired\n');
    await logged('group.yaml is valid again');
    expect(await host.ask('broken', 'one', 'hello')).toMatchObject({ text: 'hello', event: 1 });
  });

  test('broken and the host started anew: what waits in the group waits until it is repaired', async () => {
    const slow = `setTimeout(() => console.log('late'), 60_000)`;
    await host.writeGroup('says', SAYS('').yaml, { 'bot.mjs': slow });
    const { body } = await host.post('says', 'one', 'hello');
    await host.kill('SIGKILL');
    await saveGroup('says', BROKEN);
    await host.start();
    expect(await refusal('says')).toMatchObject({ status: 409, code: 'E_GROUP_CONFIG' });
    expect(await host.ask('demo', 'one', 'hello')).toMatchObject({ text: 'hello' });
    await saveGroup('says', 'name: Says\nagent: {provider: echo}\n');
    await logged('group.yaml is valid again');
    await host.post('says', 'one', 'again');
    const events = await host.waitForEvents(
      'says',
      'one',
      (all) => all.filter(({ type }) => type === 'message').length === 2,
    );
    expect(events.filter(({ type }) => type === 'message').map(({ text }) => text)).toEqual([
      'hello',
      'again',
    ]);
    // The one who waited was told meanwhile why there was no answer.
    const told = events.filter(({ type }) => type === 'failure');
    expect(told).toMatchObject([{ code: 'E_GROUP_CONFIG', answers: [body.message] }]);
  });

  test('a group whose folder vanishes is unknown, and known again when it is back', async () => {
    await host.ask('says', 'one', 'hello');
    await rm(join(host.groupsDir, 'says'), { recursive: true });
    await logged('the group is gone');
    expect(await refusal('says')).toMatchObject({ status: 404, code: 'E_GROUP_UNKNOWN' });
    await host.writeGroup('says', SAYS('').yaml, { 'bot.mjs': 'console.log("back")' });
    await waitUntil('the group', 15_000, async () => (await refusal('says')).status === 202);
    expect(await host.ask('says', 'another', 'hello')).toMatchObject({ text: 'back' });
  });
});

describe('an edit while it runs that is wrong leaves the last good version in force:', () => {
  beforeAll(start);
  afterEach(expectNext);
  afterAll(() => host.dispose());

  test.each([
    ['no YAML', 'name: [Demo\n', /^says\/group\.yaml:\d+: /],
    [
      'an unknown provider',
      'name: Says\nagent:\n  provider: gpt\n',
      /says\/group\.yaml:3: agent\.provider .*`?echo/,
    ],
    ['provider command without a command', 'name: Says\nagent: {provider: command}\n', /:2: agent\.command /],
    ['empty', '', /^says\/group\.yaml:1: /],
    ['binary', '\0\u0001', /^says\/group\.yaml/],
    ['too large', `name: Says\n# ${'x'.repeat(70_000)}\n`, /^says\/group\.yaml .*at most 65536 are allowed/],
  ])('%s', async (what, yaml, words) => {
    expect(await host.ask('says', 'one', 'hello')).toMatchObject({ text: 'first' });
    const since = host.log.length;
    await saveGroup('says', yaml);
    const refused = () => host.log.slice(since).find(({ code }) => code === 'E_GROUP_CONFIG');
    await waitUntil('the refusal in the log', 15_000, refused);
    const msg = expect.stringMatching(words);
    expect(refused()).toMatchObject({ level: 40, group: 'says', lastGoodInForce: true, msg });
    expect(await host.ask('says', 'one', 'hello')).toMatchObject({ text: 'first' });
    expect(await host.ask('says', `new: ${what}`, 'hello')).toMatchObject({ text: 'first' });
    await saveGroup('says', SAYS('first').yaml);
    await logged('group.yaml is valid again', since);
  });

  test('the next good version is in force from the next wake on', async () => {
    const since = host.log.length;
    await saveGroup('says', 'name: [Says\n');
    await logged('says/group.yaml:', since);
    await saveGroup('says', 'name: Says\nagent: {provider: echo}\n');
    await logged('group.yaml is valid again', since);
    expect(await host.ask('says', 'echoed', 'hello')).toMatchObject({ text: 'hello' });
  });
});

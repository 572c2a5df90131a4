import { readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { answered, echo, type HostRoom, handyman, openHostRoom } from './fixtures/host-room.ts';

const idle = 'idle: { freeze: off, stop: 300ms }';
const asRoot = process.getuid?.() === 0;

function inFolder(host: HostRoom, group: string, session: string): string {
  return join(host.dataDir, 'sessions', group, session, 'in');
}

test('inbound.db deleted while the session sleeps: the next message is answered, the memory is kept', async () => {
  const host = await openHostRoom({ groups: { handy: handyman(idle) } });
  const { body } = await host.post('handy', 'one', 'count');
  await host.waitForEvents('handy', 'one', (all) => all.length === 1);
  await host.waitForState(body.session, 'asleep');
  for (const name of readdirSync(inFolder(host, 'handy', body.session)))
    if (name.startsWith('inbound.db')) rmSync(join(inFolder(host, 'handy', body.session), name));

  expect(await host.ask('handy', 'one', 'count')).toMatchObject({ type: 'message', text: 'count 2' });
});

test('inbound.db deleted while there is no host: messages that wait are answered from the ledger, once', async () => {
  const broken = 'name: Echo\nrunner: [node, -e, "process.exit(3)"]\nagent: { provider: echo }\n';
  const host = await openHostRoom({ groups: { echo: broken } });
  const ids: string[] = [];
  let session = '';
  for (let i = 0; i < 5; i++) {
    const { body } = await host.post('echo', 'one', `message ${i}`);
    ids.push(body.message);
    session = body.session;
  }
  await host.waitForState(session, 'failed');
  await host.kill('SIGKILL');
  rmSync(inFolder(host, 'echo', session), { recursive: true });
  await host.writeGroup('echo', echo());
  await host.start();

  const events = await host.waitForEvents('echo', 'one', (all) => answered(all).length >= 5);

  expect(answered(events)).toEqual(ids);
});

test('in/ is read-only in the container, and so is what the host says there; out/ and home are not', async () => {
  const host = await openHostRoom({ groups: { handy: handyman() } });
  const write = async (path: string) => (await host.ask('handy', 'one', `write ${path}`)).text;

  expect(await write('/session/in/inbound.db')).toBe('EROFS');
  expect(await write('/session/in/new')).toBe('EROFS');
  expect(await write('/session/in/files/new')).toBe('EROFS');
  expect(await write('/instructions/AGENTS.md')).toBe('EROFS');
  expect(await write('/global/new')).toBe('EROFS');
  expect(await write('/opt/berth/runner/main.cjs')).toBe('EROFS');
  expect(await write('/etc/passwd')).toBe('EROFS');
  expect(await write('/session/out/new')).toBe('done');
  expect(await write('/home/agent/new')).toBe('done');
  expect(await write('/group/new')).toBe('done');
  expect(await write('/tmp/new')).toBe('done');
});

test('the bot runs as an unprivileged user called agent, each group as another; the files it makes are its own', async () => {
  const host = await openHostRoom({ groups: { red: handyman(), blue: handyman() } });
  const users = [];
  for (const group of ['red', 'blue']) {
    const user = JSON.parse((await host.ask(group, 'one', 'whoami')).text);
    expect(user).toMatchObject({ name: 'agent', home: '/home/agent' });
    await host.ask(group, 'one', 'write /group/made-by-the-bot');
    expect(statSync(join(host.groupsDir, group, 'workspace', 'made-by-the-bot')).uid).toBe(user.uid);
    users.push(user.uid);
  }
  expect(users).not.toContain(0);
  if (asRoot) expect(users).toEqual([100_000, 100_001]);
  else expect(users).toEqual([process.getuid?.(), process.getuid?.()]);
});

test('a group keeps its uid over restarts, also when another comes before it', async () => {
  const host = await openHostRoom({ groups: { middle: handyman() } });
  const before = (await host.ask('middle', 'one', 'whoami')).text;
  await host.writeGroup('first', handyman().yaml, handyman().workspace);
  await host.kill('SIGTERM');
  await host.start();

  await host.ask('first', 'one', 'whoami');

  expect((await host.ask('middle', 'one', 'whoami')).text).toBe(before);
});

test('the container knows what the contract lists, and nothing of the host: no token, no path, no network', async () => {
  const host = await openHostRoom({ groups: { handy: handyman('env: { FAVOURITE: blue }') } });
  const { body } = await host.post('handy', 'one', 'env');
  const [event] = await host.waitForEvents('handy', 'one', (all) => all.length > 0);
  const env = JSON.parse(event?.text ?? '');

  expect(env).toMatchObject({
    BERTH_IN_DIR: '/session/in',
    BERTH_OUT_DIR: '/session/out',
    BERTH_GROUP_DIR: '/group',
    BERTH_CONTRACT: '1',
    BERTH_SESSION: body.session,
    BERTH_GROUP: 'handy',
    BERTH_GROUP_NAME: 'Handyman',
    BERTH_ADMIN: '0',
    BERTH_EPOCH: '1',
    BERTH_PROVIDER: 'command',
    HOME: '/home/agent',
    FAVOURITE: 'blue',
  });
  expect(event?.text).not.toContain(host.token);
  expect(event?.text).not.toContain(host.root);
  const mounts = (await host.ask('handy', 'one', 'read /proc/net/dev')).text;
  expect(mounts.match(/^ *\w+:/gm)).toEqual([expect.stringContaining('lo:')]);
});

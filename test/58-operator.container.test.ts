import { once } from 'node:events';
import { expect, onTestFinished, test } from 'vitest';
import { waitUntil } from './fixtures/host-process.ts';
import { handyman, openHostRoom, startBerth } from './fixtures/host-room.ts';

test('berth status: one line per session in a pipe; with --json everything', async () => {
  const host = await openHostRoom({ groups: { handy: handyman() } });
  const { session } = (await host.post('handy', 'one', 'count')).body;
  await host.waitForEvents('handy', 'one', (all) => all.length > 0);

  const plain = await host.berth('status');
  const json = await host.berth('status', '--json');

  expect(plain).toMatchObject({ code: 0, stderr: '' });
  const [head, ...rows] = plain.stdout.trimEnd().split('\n');
  expect(head?.split('\t').slice(0, 4)).toEqual(['SESSION', 'GROUP', 'CHAT', 'STATE']);
  expect(rows.map((row) => row.split('\t').slice(0, 4))).toEqual([[session, 'handy', 'one', 'awake']]);
  expect(json).toMatchObject({ code: 0, stderr: '' });
  expect(JSON.parse(json.stdout)).toMatchObject({
    pid: host.process().pid,
    dataDir: host.dataDir,
    engine: { kind: 'docker', contains: true, error: null },
    groups: [{ folder: 'handy', name: 'Handyman', provider: 'command', error: null }],
    sessions: [{ id: session, state: 'awake', queue: 0 }],
  });
});

test('berth logs: what the container printed; -f goes on until it ends', async () => {
  const host = await openHostRoom({ groups: { handy: handyman() } });
  const { session } = (await host.post('handy', 'one', 'log first words')).body;
  await host.waitForEvents('handy', 'one', (all) => all.length > 0);

  expect(await host.berth('logs', session)).toEqual({ code: 0, stdout: 'first words\n', stderr: '' });

  const follower = startBerth(host, 'logs', '-f', session);
  onTestFinished(() => void follower.kill());
  let followed = '';
  follower.stdout.on('data', (chunk) => {
    followed += chunk;
  });
  await waitUntil('the words so far', 10_000, () => followed === 'first words\n');
  await host.ask('handy', 'one', 'log second words');
  await waitUntil('the new words', 10_000, () => followed === 'first words\nsecond words\n');
  const ended = once(follower, 'exit');
  await host.killContainer();
  expect(await ended).toEqual([0, null]);
});

test.each(['SIGTERM', 'SIGKILL'] as const)(
  'berth logs -f says so when its host goes away by %s',
  async (signal) => {
    const host = await openHostRoom({ groups: { handy: handyman() } });
    const { session } = (await host.post('handy', 'one', 'log words')).body;
    await host.waitForEvents('handy', 'one', (all) => all.length > 0);
    const follower = startBerth(host, 'logs', '-f', session);
    onTestFinished(() => void follower.kill());
    let stderr = '';
    follower.stderr.on('data', (chunk) => {
      stderr += chunk;
    });
    const ended = once(follower, 'close');
    await once(follower.stdout, 'data');

    await host.kill(signal);

    expect(await ended).toEqual([1, null]);
    expect(stderr).toMatch(/^berth: the host went away.*\[E_NO_HOST\]\n$/);
    await host.start(); // removes what a killed one left
  },
);

test('berth logs of a session that is not there, or has no container: one line, exit 1', async () => {
  const host = await openHostRoom({ groups: { handy: handyman('idle: { freeze: off, stop: 200ms }') } });
  const unknown = await host.berth('logs', 's_nobody');
  expect(unknown).toMatchObject({ code: 1, stdout: '' });
  expect(unknown.stderr).toMatch(/^berth: .*s_nobody.*\[E_SESSION_UNKNOWN\]\n$/);

  const { session } = (await host.post('handy', 'one', 'count')).body;
  await host.waitForEvents('handy', 'one', (all) => all.length > 0);
  await host.waitForState(session, 'asleep');
  const asleep = await host.berth('logs', session);
  expect(asleep).toMatchObject({ code: 1, stdout: '' });
  expect(asleep.stderr).toMatch(/^berth: .*asleep.*\[E_[A-Z_]+\]\n$/);
});

test('without a host the commands that need one exit 1 with E_NO_HOST', async () => {
  const host = await openHostRoom({ groups: { handy: handyman() } });
  expect(await host.kill('SIGTERM')).toBe(0);
  for (const args of [['status'], ['status', '--json'], ['logs', 's_x'], ['logs', '-f', 's_x']]) {
    const { code, stdout, stderr } = await host.berth(...args);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(/^berth: .*\[E_NO_HOST\]\n$/);
  }
});

test('after kill -9 the socket lies there and nobody answers: E_NO_HOST as well; the next host serves again', async () => {
  const host = await openHostRoom({ groups: { handy: handyman() } });
  await host.kill('SIGKILL');
  const { code, stderr } = await host.berth('status');
  expect(code).toBe(1);
  expect(stderr).toMatch(/\[E_NO_HOST\]\n$/);

  await host.start();

  expect(await host.berth('status')).toMatchObject({ code: 0 });
});

test('wrong usage exits 2 and says what is allowed', async () => {
  const host = await openHostRoom({ groups: {} });
  const wrong = ['nonsense', 'status --nonsense', 'status too much', 'logs', 'logs -n many s_x'];
  for (const words of wrong) {
    const { code, stdout, stderr } = await host.berth(...words.split(' '));
    expect({ words, code, stdout }).toEqual({ words, code: 2, stdout: '' });
    expect(stderr).toMatch(/^error: /);
    expect(stderr).toContain('--help');
  }
  expect(await host.berth('--version')).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/),
  });
});

import { expect, test } from 'vitest';
import type { Why } from '../src/recovery/explain-wait.ts';
import { silentRunner, troublemaker } from './fixtures/bots/trouble-groups.ts';
import { waitUntil } from './fixtures/host-process.ts';
import { openRecoveryRoom, type RecoveryRoom } from './fixtures/recovery-room.ts';

async function why(host: RecoveryRoom, session: string): Promise<Why> {
  const { code, stdout, stderr } = await host.berth('why', session, '--json');
  if (code !== 0) throw new Error(stderr);
  return JSON.parse(stdout) as Why;
}

/** What a person reads. */
async function words(host: RecoveryRoom, session: string): Promise<string> {
  return (await host.berth('why', session)).stdout;
}

test('from the first message to the answer, through a retry', async () => {
  const host = await openRecoveryRoom({
    groups: { bot: troublemaker() },
    env: { BERTH_TURN_RETRY_PAUSE: '6s' },
  });
  const { message, session } = (await host.post('bot', 'one', 'slow 5000')).body;
  await host.waitForState(session, 'awake');
  await waitUntil('the turn', 5000, () => host.claims('bot', session).length > 0);
  const later = (await host.post('bot', 'one', 'flaky')).body.message;

  expect(await why(host, session)).toMatchObject({
    stage: 'turn',
    state: 'awake',
    words: 'the agent works on it',
    waiting: [{ id: message, attempt: 1 }, { id: later }],
    tried: [],
  });
  const text = await words(host, session);
  expect(text).toMatch(new RegExp(`^${session} of group bot \\(awake\\): the agent works on it\n`));
  expect(text).toMatch(/\nwaiting {3}2 messages, the oldest m_\w+ for [\d.]+ s\n/);
  expect(text).toMatch(/\nnext {6}it may take 30 minutes \(limits\.turn\)/);

  await waitUntil('the retry', 20_000, () => host.attempts(session)[0] === 2);
  const retry = await why(host, session);
  expect(retry).toMatchObject({
    stage: 'retry',
    tried: ['1 of 3 attempts'],
    waiting: [{ id: later, attempt: 2 }],
  });
  expect(retry.next).toMatch(/^tried again in [\d.]+ s$/);

  const { stdout } = await host.berth('retry', session);
  expect(stdout).toBe(`${session}: 1 message tried again now\n`);
  await host.waitForEvents('bot', 'one', (all) => all.length === 2, 5000);
  expect(await why(host, session)).toMatchObject({ stage: 'nothing-waits', since: null, waiting: [] });
});

test('a runner that takes nothing up, and the session that has failed because of it', async () => {
  const host = await openRecoveryRoom({
    groups: { silent: silentRunner('lazy') },
    env: { BERTH_SILENCE_LIMIT: '3s', BERTH_MOST_RESTARTS: '0', BERTH_RETRY_PAUSE: '10m' },
  });
  const { session } = (await host.post('silent', 'one', 'hello')).body;
  await host.waitForState(session, 'awake');
  expect(await why(host, session)).toMatchObject({ stage: 'in-container' });

  await host.waitForState(session, 'failed');

  const failed = await why(host, session);
  expect(failed).toMatchObject({ stage: 'failed', state: 'failed', waiting: [{ told: true }] });
  expect(failed.words).toMatch(/^the session has failed: E_RESTARTS: its container died or hung 1 times/);
  expect(failed.next).toMatch(/^tried again by itself in [\d.]+ minutes, at once by `berth retry s_/);
  expect(failed.tried.at(-2)).toMatch(
    /^a container died [\d.]+ s ago: its runner took up no message for 3 s/,
  );
  expect(failed.crashReport).toContain(`/crashes/${session}/`);
});

test('without a host, and for a session that nobody knows', async () => {
  const host = await openRecoveryRoom({ groups: { bot: troublemaker() } });
  const { session } = (await host.post('bot', 'one', 'slow 60000')).body;
  await host.waitForState(session, 'awake');
  const unknown = await host.berth('why', 's_nobody');
  expect(unknown).toMatchObject({ code: 1, stdout: '' });
  expect(unknown.stderr).toContain('[E_SESSION_UNKNOWN]');
  expect(await host.kill('SIGUSR2')).toBe(0);

  expect(await why(host, session)).toMatchObject({ stage: 'no-host', next: 'start it with `npm start`' });
  expect(await host.berth('retry', session)).toMatchObject({
    code: 0,
    stdout: `${session}: 1 message tried again once a host runs\n`,
  });
  expect((await host.berth('retry', 's_nobody')).stderr).toContain('[E_SESSION_UNKNOWN]');
  await host.removeContainers();
});

import { expect, test } from 'vitest';
import { troublemaker } from './fixtures/bots/trouble-groups.ts';
import { echo, handyman } from './fixtures/host-room.ts';
import { openRecoveryRoom, type RecoveryRoom } from './fixtures/recovery-room.ts';

const SOON = { BERTH_TURN_RETRY_PAUSE: '100ms', BERTH_RETRY_PAUSE: '1h', BERTH_RETRY_PAUSE_LONGEST: '1h' };

test('a message that kills its container every time ends after three times, and the next is answered', async () => {
  const host = await openRecoveryRoom({ groups: { bot: troublemaker() }, env: SOON });
  const { message, session } = (await host.post('bot', 'one', 'die')).body;
  const later = (await host.post('bot', 'one', 'attempt')).body.message;

  const events = await host.waitForEvents('bot', 'one', (all) => all.length >= 2);

  expect(events).toMatchObject([
    {
      type: 'failure',
      code: 'E_TURN_CRASHED',
      answers: [message],
      reason: 'The container died while it worked on this: something killed it (SIGKILL)',
    },
    { type: 'message', text: 'attempt 1', answers: [later] },
  ]);
  const reports = await host.reports(session, 3);
  expect(reports.map(({ claims }) => claims)).toEqual([1, 2, 3].map((attempt) => [{ message, attempt }]));
  expect(reports.at(-1)).toMatchObject({
    class: 'killed',
    exitCode: 137,
    oomKilled: false,
    session,
    group: 'bot',
    epoch: 3,
    waiting: 1,
    next: 'a new container is started for what waits',
  });
  expect(reports.at(-1)?.lines).toEqual(['working on die', 'about to send SIGKILL']);
  expect(reports.at(-1)?.howOften.times).toHaveLength(3);
});

test('a container that dies too often: failed, told at once, left alone, and tried by `berth retry`', async () => {
  const env = { ...SOON, BERTH_MOST_RESTARTS: '1' };
  const host = await openRecoveryRoom({ groups: { bot: troublemaker() }, env });
  const { message, session } = (await host.post('bot', 'one', 'die')).body;

  const [told] = await host.waitForEvents('bot', 'one', (all) => all.length > 0);

  expect(told).toMatchObject({ type: 'failure', code: 'E_RESTARTS', answers: [message] });
  expect(told?.reason).toMatch(
    /^its container died or hung 2 times.*something killed it.*tried again by itself at 2/,
  );
  // The container goes a moment after the session has failed.
  const failed = { state: 'failed', epoch: 2, lastError: { code: 'E_RESTARTS' }, container: null };
  await expect.poll(() => host.session(session), { timeout: 20_000 }).toMatchObject(failed);

  // Whoever comes meanwhile is told at once, and starts no container.
  const second = (await host.post('bot', 'one', 'say hello')).body.message;
  const events = await host.waitForEvents('bot', 'one', (all) => all.length > 1, 5000);
  expect(events[1]).toMatchObject({ type: 'failure', code: 'E_RESTARTS', answers: [second] });
  expect(await host.session(session)).toMatchObject({ state: 'failed', epoch: 2 });

  // Nor does a restart of the host.
  expect(await host.kill('SIGTERM')).toBe(0);
  await host.start();
  expect(await host.session(session)).toMatchObject({ state: 'failed', epoch: 2 });

  const answer = await host.berth('retry', session);
  expect(answer).toMatchObject({ code: 0, stdout: `${session}: 2 messages tried again now\n`, stderr: '' });
  const all = await host.waitForEvents('bot', 'one', (events_) => events_.length >= 4);
  expect(all.slice(2)).toMatchObject([
    { type: 'failure', code: 'E_TURN_CRASHED', answers: [message] },
    { type: 'message', text: 'hello', answers: [second] },
  ]);
  expect(await host.session(session)).toMatchObject({ state: 'awake', epoch: 4, lastError: null, queue: 0 });
});

test('a failed session is tried again by itself, with growing pauses', async () => {
  const pauses = { BERTH_RETRY_PAUSE: '500ms', BERTH_RETRY_PAUSE_LONGEST: '10m', BERTH_MOST_RESTARTS: '0' };
  const host = await openRecoveryRoom({ groups: { bot: troublemaker() }, env: { ...SOON, ...pauses } });
  const { session } = (await host.post('bot', 'one', 'dieOnce')).body;

  const events = await host.waitForEvents('bot', 'one', (all) => all.length >= 2);

  expect(events).toMatchObject([
    { type: 'failure', code: 'E_RESTARTS' },
    { type: 'message', text: 'attempt 2' },
  ]);
  await host.post('bot', 'one', 'die');
  await host.waitForState(session, 'failed');
  const { body: view } = await host.request<{ retryAt: number; since: number }>(
    'GET',
    `/v1/sessions/${session}`,
  );
  const pauseMs = view.retryAt - view.since;
  expect(pauseMs).toBeGreaterThan(900);
  expect(pauseMs).toBeLessThan(1100);
});

test('out of memory is called so, to the person and in the report', async () => {
  const host = await openRecoveryRoom({ groups: { handy: handyman('limits: { memory: 96m }') }, env: SOON });
  const { session } = (await host.post('handy', 'one', 'say hello')).body;
  await host.waitForEvents('handy', 'one', (all) => all.length > 0);
  await host.fillMemory();

  const [report] = await host.reports(session, 1);

  expect(report).toMatchObject({
    class: 'oom',
    oomKilled: true,
    words: 'it ran out of memory (limits.memory)',
    next: 'nobody waits: the next message starts a new container',
  });
});

test('a container that cannot be started leaves a report with its last words, and the environment kept back', async () => {
  const group = {
    yaml: 'name: Broken\nrunner: [node, /group/runner.mjs]\nenv: { PASSWORD: hunter2 }\n',
    workspace: { 'runner.mjs': "console.log('about to fall'); process.exit(3);" },
  };
  const host = await openRecoveryRoom({ groups: { broken: group }, env: SOON });
  const { session } = (await host.post('broken', 'one', 'hello')).body;

  const [told] = await host.waitForEvents('broken', 'one', (all) => all.length > 0);

  expect(told).toMatchObject({ type: 'failure', code: 'E_CONTAINER_EXITED' });
  const [report] = await host.reports(session, 1);
  expect(report).toMatchObject({ class: 'crash', exitCode: 3, lines: ['about to fall'], epoch: 1 });
  expect(report?.spec?.environment).toMatchObject({ PASSWORD: '[left out]', BERTH_SESSION: session });
});

test('one that ends by itself while nobody waits is no trouble', async () => {
  const host = await openRecoveryRoom({ groups: { echo: echo() }, env: SOON });
  const { session } = (await host.post('echo', 'one', 'hello')).body;
  await host.waitForEvents('echo', 'one', (all) => all.length > 0);
  await host.endContainer();

  await host.waitForState(session, 'asleep');

  expect(await host.session(session)).toMatchObject({ lastError: null });
  expect(await host.reports(session)).toEqual([]);
  expect(await host.ask('echo', 'one', 'again')).toMatchObject({ type: 'message' });
});

test('the chat is deleted, and its crash reports with it', async () => {
  const host: RecoveryRoom = await openRecoveryRoom({ groups: { bot: troublemaker() }, env: SOON });
  const { session } = (await host.post('bot', 'one', 'dieOnce')).body;
  await host.waitForEvents('bot', 'one', (all) => all.length > 0);
  expect(await host.reports(session, 1)).toHaveLength(1);

  await host.request('DELETE', '/v1/groups/bot/chats/one');

  expect(await host.reports(session)).toEqual([]);
});

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { connectDocker } from '../src/engines/docker-connection.ts';
import { silentRunner, troublemaker } from './fixtures/bots/trouble-groups.ts';
import { waitUntil } from './fixtures/host-process.ts';
import { openRecoveryRoom } from './fixtures/recovery-room.ts';
import { openSocketProxy } from './fixtures/socket-proxy.ts';

const SOON = {
  BERTH_HEARTBEAT_LIMIT: '8s',
  BERTH_SILENCE_LIMIT: '2s',
  BERTH_NUDGE_GRACE: '1s',
  BERTH_ABORT_GRACE: '1s',
  BERTH_TURN_GRACE: '1s',
  BERTH_TURN_RETRY_PAUSE: '100ms',
};

test('a runner that is stopped has no heartbeat: started anew, the message is answered by the second attempt', async () => {
  const host = await openRecoveryRoom({ groups: { bot: troublemaker() }, env: SOON });

  const event = await host.ask('bot', 'one', 'hangOnce', 30_000);

  expect(event).toMatchObject({ type: 'message', text: 'attempt 2' });
  const session = (await host.post('bot', 'one', 'say more')).body.session;
  expect(await host.session(session)).toMatchObject({ epoch: 2 });
  const [report] = await host.reports(session, 1);
  expect(report).toMatchObject({ class: 'hung', words: 'its runner hung: no heartbeat for 8 s' });
  expect(report?.claims).toMatchObject([{ attempt: 1 }]);
});

/** Stops its runner in its first turn; its second one is quick. */
const STOPS_ONCE =
  'if [ -e /group/once ]; then echo again; else touch /group/once; kill -STOP $PPID; sleep 1; echo late; fi';

test('one that cannot be removed, and goes on after all, is the only one that replies', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'berth-revives-'));
  const { docker, where, close } = connectDocker(process.env.DOCKER_HOST);
  const socket = join(folder, 'engine.sock');
  const proxy = await openSocketProxy(socket, where.replace('unix://', ''));
  onTestFinished(async () => {
    await proxy.cut();
    close();
    rmSync(folder, { recursive: true });
  });
  const env = { ...SOON, BERTH_RETRY_PAUSE: '1s', DOCKER_HOST: `unix://${socket}` };
  const yaml = `name: Once\nagent: { command: [sh, -c, ${JSON.stringify(STOPS_ONCE)}] }\n`;
  const host = await openRecoveryRoom({ groups: { once: { yaml, workspace: {} } }, env });
  const { message, session } = (await host.post('once', 'one', 'hello')).body;
  await waitUntil('the turn', 20_000, () => host.claims('once', session).length > 0);
  const [container] = await host.containers();
  await proxy.cut();
  const died = () => host.log.some(({ msg }) => String(msg).startsWith('container died: its runner hung'));
  await waitUntil('the death', 30_000, died);

  const exec = await docker.getContainer(container?.Id ?? '').exec({ Cmd: ['sh', '-c', 'kill -CONT -1'] });
  await exec.start({});
  await waitUntil('the late reply', 10_000, () =>
    host.claims('once', session).some(({ status }) => status === 'done'),
  );
  await proxy.restore();

  const replies = async () => (await host.events('once', 'one')).filter(({ type }) => type === 'message');
  await waitUntil('the reply', 30_000, async () => (await replies()).length > 0);
  await waitUntil('rest', 30_000, async () => (await host.session(session)).queue === 0);
  expect(await replies()).toMatchObject([{ text: 'late', answers: [message] }]);
  await host.post('once', 'one', 'and now?');
  await waitUntil('the next reply', 30_000, async () => (await replies()).length > 1);
  expect((await replies()).map(({ text }) => text)).toEqual(['late', 'again']);
  expect(await host.kill('SIGTERM')).toBe(0);
}, 120_000);

test('a silent turn is nudged, then aborted: told, not tried again, the container goes on', async () => {
  const host = await openRecoveryRoom({ groups: { silent: silentRunner('polite') }, env: SOON });
  const { message, session } = (await host.post('silent', 'one', 'hello')).body;

  const events = await host.waitForEvents('silent', 'one', (all) => all.length > 0);

  expect(events).toMatchObject([{ type: 'failure', code: 'E_TURN_ABORTED', answers: [message] }]);
  expect(host.controls('silent', session)).toEqual(['nudge', 'abort']);
  expect(await host.session(session)).toMatchObject({ state: 'awake', epoch: 1, queue: 0 });
});

test('one that obeys no abort is started anew, and its turn is over', async () => {
  const host = await openRecoveryRoom({ groups: { silent: silentRunner('deaf') }, env: SOON });
  const { message, session } = (await host.post('silent', 'one', 'hello')).body;

  const events = await host.waitForEvents('silent', 'one', (all) => all.length > 0);

  expect(events).toMatchObject([
    {
      type: 'failure',
      code: 'E_TURN_ABORTED',
      answers: [message],
      reason: 'The turn was stopped: it showed no sign of life for 3 s and could not be aborted',
    },
  ]);
  await host.waitForState(session, 'asleep');
  expect(await host.containers()).toEqual([]);
  const [report] = await host.reports(session, 1);
  expect(report).toMatchObject({ class: 'hung', exitCode: null });
  expect(report?.lines.map((line) => line.split(' {')[0])).toEqual(['control nudge', 'control abort']);
});

test('a runner that takes nothing up is started anew, and after three times the session has failed and it is told', async () => {
  const env = { ...SOON, BERTH_SILENCE_LIMIT: '1s' };
  const host = await openRecoveryRoom({ groups: { silent: silentRunner('lazy') }, env });
  const { message, session } = (await host.post('silent', 'one', 'hello')).body;

  const events = await host.waitForEvents('silent', 'one', (all) => all.length > 0);

  expect(events).toMatchObject([{ type: 'failure', code: 'E_RESTARTS', answers: [message] }]);
  expect(events[0]?.reason).toMatch(/took up no message for 1 s.*It is tried again by itself at /);
  await host.waitForState(session, 'failed');
  expect(await host.session(session)).toMatchObject({ epoch: 4, queue: 1 });
  expect(await host.reports(session, 4)).toHaveLength(4);
});

test('limits.turn bounds a turn also where the runner does not heed it', async () => {
  const silent = silentRunner('deaf', 'limits: { turn: 2s }');
  const env = { ...SOON, BERTH_SILENCE_LIMIT: '1h' };
  const host = await openRecoveryRoom({ groups: { silent }, env });
  const { session } = (await host.post('silent', 'one', 'hello')).body;

  const [event] = await host.waitForEvents('silent', 'one', (all) => all.length > 0);

  expect(event).toMatchObject({ code: 'E_TURN_ABORTED' });
  expect(event?.reason).toMatch(
    /^The turn was stopped: it took longer than 2 s, the limit of a turn in this group/,
  );
  expect(host.controls('silent', session)).toEqual([]);
});

test('a provider that says how long it is silent is left alone for so long', async () => {
  const host = await openRecoveryRoom({ groups: { bot: troublemaker() }, env: SOON });

  const event = await host.ask('bot', 'one', 'slow 6000');

  expect(event).toMatchObject({ type: 'message', text: 'slow' });
  const session = (await host.post('bot', 'one', 'say more')).body.session;
  expect(host.controls('bot', session)).toEqual([]);
});

test('what was said after a message that is tried again waits behind it, also what the container had already', async () => {
  const host = await openRecoveryRoom({
    groups: { bot: troublemaker() },
    env: { BERTH_TURN_RETRY_PAUSE: '1s' },
  });
  await host.ask('bot', 'one', 'say warm');
  const texts = ['flaky', 'say second', 'dieOnce', 'say fourth'];
  for (const text of texts) await host.post('bot', 'one', text);

  const events = await host.waitForEvents('bot', 'one', (all) => all.length > texts.length);

  expect(events.map(({ text }) => text)).toEqual(['warm', 'attempt 2', 'second', 'attempt 2', 'fourth']);
  await waitUntil('all to be over', 5000, async () => {
    const { sessions } = (await host.request<{ sessions: { queue: number }[] }>('GET', '/v1/sessions')).body;
    return sessions[0]?.queue === 0;
  });
});

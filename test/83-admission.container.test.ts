import { setTimeout as wait } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { runBerth } from './fixtures/berth-command.ts';
import { waitUntil } from './fixtures/host-process.ts';
import { answered, type HostRoom, handyman, openHostRoom, type SessionBody } from './fixtures/host-room.ts';

const small = 'limits: { memory: 128m }';
const never = 'idle: off';

/** Looks at the engine's containers until the test ends. @returns how many there were at most so far. */
function countContainers(host: HostRoom): () => number {
  let [most, over] = [0, false];
  const looking = (async () => {
    while (!over) {
      most = Math.max(most, (await host.containers()).length);
      await wait(10);
    }
  })();
  onTestFinished(async () => {
    over = true;
    await looking;
  });
  return () => most;
}

async function sessions(host: HostRoom): Promise<SessionBody[]> {
  return (await host.request<{ sessions: SessionBody[] }>('GET', '/v1/sessions')).body.sessions;
}

/** The first notice among the events of a chat. */
async function firstNotice(host: HostRoom, group: string, chat: string): Promise<string> {
  const response = await fetch(`${host.url}/v1/groups/${group}/chats/${chat}/events?after=0`, {
    headers: { authorization: `Bearer ${host.token}` },
  });
  let text = '';
  for await (const chunk of response.body ?? []) {
    text += Buffer.from(chunk).toString();
    const notice = /event: notice\n(.*)\n\n/.exec(text)?.[1];
    if (notice) return notice;
  }
  throw new Error(`the events ended: ${text}`);
}

test('6 chats of 2 groups and 2 places: all are answered, in order, and never are there more than 2 containers', async () => {
  const host = await openHostRoom({
    groups: { red: handyman(small, never), blue: handyman(small, never) },
    env: { BERTH_MAX_AWAKE: '2' },
  });
  const most = countContainers(host);
  const places = ['red', 'blue'].flatMap((group) => ['one', 'two', 'three'].map((chat) => ({ group, chat })));

  const rounds = await Promise.all(
    places.map(async ({ group, chat }) => {
      const ids: string[] = [];
      for (let round = 0; round < 3; round++) {
        ids.push((await host.post(group, chat, 'slow 100')).body.message);
        await wait(700);
      }
      return { group, chat, ids };
    }),
  );

  for (const { group, chat, ids } of rounds) {
    const events = await host.waitForEvents(group, chat, (all) => all.length >= 3, 40_000);
    expect(answered(events)).toEqual(ids);
    expect(events.map(({ text }) => text)).toEqual(['slow 1', 'slow 2', 'slow 3']);
  }
  expect(most()).toBe(2);
  expect(host.log.some(({ msg }) => msg === 'container died')).toBe(false);
});

test('one that works does not yield; who waits sees the place, is told it, and is served when the turn is over', async () => {
  const host = await openHostRoom({
    groups: { red: handyman(small, never), blue: handyman(small, never) },
    env: { BERTH_MAX_AWAKE: '2' },
  });
  const starts = await host.followStarts();
  const working = [
    (await host.post('red', 'one', 'slow 7000')).body.session,
    (await host.post('red', 'two', 'slow 7000')).body.session,
  ];
  for (const session of working) await host.waitForState(session, 'awake');
  const third = (await host.post('red', 'three', 'count')).body.session;
  const fourth = (await host.post('blue', 'one', 'count')).body.session;
  const notice = firstNotice(host, 'red', 'three');

  // Red was served last.
  expect(await host.session(third)).toMatchObject({ state: 'asleep', place: 2, container: null, queue: 1 });
  expect(await host.session(fourth)).toMatchObject({ state: 'asleep', place: 1 });
  const { stdout } = await runBerth(['status', '--json'], { env: { BERTH_DATA_DIR: host.dataDir } });
  expect(JSON.parse(stdout)).toMatchObject({ places: { taken: 2, most: 2, waiting: 2 } });
  const table = await runBerth(['status'], { env: { BERTH_DATA_DIR: host.dataDir } });
  expect(table.stdout).toMatch(new RegExp(`^${third}\\t.*\\t1\\t2\\t-$`, 'm'));
  expect(JSON.parse((await notice).replace('data: ', ''))).toEqual({
    session: third,
    thread: null,
    text: 'waiting for a free container: place 2 of 2 in the line',
  });

  await host.waitForEvents('red', 'three', (all) => all.length === 1);
  await host.waitForEvents('blue', 'one', (all) => all.length === 1);
  for (const chat of ['one', 'two']) {
    expect(await host.events('red', chat)).toMatchObject([{ type: 'message', text: 'slow 1' }]);
  }
  expect((await sessions(host)).map(({ place }) => place)).toEqual([null, null, null, null]);
  await waitUntil('the events of the starts', 5000, () => starts().length === 4);
  expect(starts().toSorted()).toEqual([...working, third, fourth].toSorted());
});

test('frozen ones are stopped first, then the longest idle; a chat that is deleted waits no longer', async () => {
  const host = await openHostRoom({
    groups: { red: handyman(small, 'idle: { freeze: 200ms, stop: off }'), blue: handyman(small, never) },
    env: { BERTH_MAX_AWAKE: '2' },
  });
  const idle = (await host.post('blue', 'one', 'count')).body.session;
  await host.waitForEvents('blue', 'one', (all) => all.length === 1);
  const frozen = (await host.post('red', 'one', 'count')).body.session;
  await host.waitForState(frozen, 'frozen');

  await host.ask('blue', 'two', 'count');
  expect([await host.session(frozen), await host.session(idle)]).toMatchObject([
    { state: 'asleep' },
    { state: 'awake' },
  ]);

  await host.ask('blue', 'three', 'count');
  expect(await host.session(idle)).toMatchObject({ state: 'asleep' });

  const busy = ['two', 'three'].map((chat) => host.ask('blue', chat, 'slow 3000'));
  await waitUntil(
    'both to work',
    5000,
    async () =>
      (await sessions(host)).filter(({ state, queue }) => state === 'awake' && queue === 1).length === 2,
  );
  await host.post('red', 'one', 'count');
  expect(await host.session(frozen)).toMatchObject({ place: 1 });
  expect((await host.request('DELETE', '/v1/groups/red/chats/one')).status).toBe(204);
  expect((await host.request('GET', `/v1/sessions/${frozen}`)).status).toBe(404);
  await Promise.all(busy);
  expect((await sessions(host)).filter(({ state }) => state !== 'asleep')).toHaveLength(2);
});

test('a host that ends while sessions wait ends; the next one lets them in', async () => {
  const host = await openHostRoom({
    groups: { red: handyman(small, never) },
    env: { BERTH_MAX_AWAKE: '1', BERTH_STOP_GRACE: '1s' },
  });
  await host.post('red', 'one', 'slow 60000');
  await waitUntil('the first to work', 10_000, async () => (await host.containers())[0]?.State === 'running');
  const { body } = await host.post('red', 'two', 'count');

  expect(await host.kill('SIGTERM')).toBe(0);
  expect(await host.containers()).toEqual([]);
  await host.start({ BERTH_MAX_AWAKE: '2' });

  const events = await host.waitForEvents('red', 'two', (all) => all.length === 1);
  expect(answered(events)).toEqual([body.message]);
});

import { setTimeout as wait } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { answered, echo, handyman, openHostRoom } from './fixtures/host-room.ts';

const idle = (stop: string) => `idle: { freeze: off, stop: ${stop} }`;

test('the container is gone after the idle time, not before; the next start has the memory of the last', async () => {
  const host = await openHostRoom({ groups: { handy: handyman(idle('1s')) } });
  const before = performance.now();
  const first = await host.post('handy', 'one', 'count');
  const { session } = first.body;
  await host.waitForEvents('handy', 'one', (all) => all.length === 1);
  const answeredAt = performance.now();

  await host.waitForState(session, 'asleep', 5000);

  expect(performance.now() - before).toBeGreaterThan(1000);
  expect(performance.now() - answeredAt).toBeLessThan(8000);
  expect(await host.containers()).toEqual([]);
  expect(await host.session(session)).toMatchObject({ container: null, epoch: 1, queue: 0, lastError: null });
  expect(await host.ask('handy', 'one', 'count')).toMatchObject({ type: 'message', text: 'count 2' });
  expect(await host.session(session)).toMatchObject({ state: 'awake', epoch: 2 });
});

test('every message and every reply puts the stop off', async () => {
  const host = await openHostRoom({ groups: { echo: echo(idle('1500ms')) } });
  const starts = await host.followStarts();
  for (let round = 0; round < 4; round++) {
    await host.ask('echo', 'one', `round ${round}`);
    await wait(600);
  }
  expect(starts()).toHaveLength(1);
});

test('messages timed around the stop, 15 times: each is answered once, by one container at a time', async () => {
  const host = await openHostRoom({ groups: { handy: handyman(idle('300ms')) } });
  const starts = await host.followStarts();
  const ids: string[] = [];
  for (let round = 0; round < 15; round++) {
    // The stop begins 300 to 550 ms after the last answer and takes some 100 ms.
    await wait(round === 0 ? 0 : 260 + 30 * round);
    const { body } = await host.post('handy', 'one', 'count');
    ids.push(body.message);
    await host.waitForEvents('handy', 'one', (all) => answered(all).includes(body.message));
    expect((await host.containers()).length).toBeLessThanOrEqual(1);
  }

  const events = await host.events('handy', 'one');

  expect(answered(events)).toEqual(ids);
  expect(events.map(({ text }) => text)).toEqual(ids.map((_, index) => `count ${index + 1}`));
  expect(starts().length).toBeGreaterThan(3);
});

test('a message that comes while the container stops starts it again', async () => {
  const host = await openHostRoom({ groups: { handy: handyman(idle('200ms')) } });
  const { body } = await host.post('handy', 'one', 'count');
  const ids = [body.message];
  for (let round = 0; round < 6; round++) {
    await host.waitForEvents('handy', 'one', (all) => answered(all).length === ids.length);
    await host.waitForState(body.session, 'stopping');
    ids.push((await host.post('handy', 'one', 'count')).body.message);
  }

  const events = await host.waitForEvents('handy', 'one', (all) => all.length >= ids.length);

  expect(answered(events)).toEqual(ids);
  expect(events.at(-1)?.text).toBe('count 7');
});

test('a working container is never idle', async () => {
  const host = await openHostRoom({ groups: { handy: handyman(idle('200ms')) } });
  const starts = await host.followStarts();

  expect(await host.ask('handy', 'one', 'slow 2500')).toMatchObject({ type: 'message', text: 'slow 1' });

  expect(starts()).toHaveLength(1);
});

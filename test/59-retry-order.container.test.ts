import { expect, test } from 'vitest';
import { waitUntil } from './fixtures/host-process.ts';
import { handyman, openHostRoom } from './fixtures/host-room.ts';

/* "Later messages of that chat wait behind a retry" (docs/contract.md, What the host does). */

test('what was said later in a chat waits behind a message that is tried again', async () => {
  const host = await openHostRoom({ groups: { handy: handyman() } });
  await host.ask('handy', 'one', 'say awake');
  for (const text of ['flaky', 'say second', 'say third']) await host.post('handy', 'one', text);

  const events = await host.waitForEvents('handy', 'one', (all) => all.length >= 4);

  expect(events.map(({ text }) => text)).toEqual(['awake', 'flaky 2', 'second', 'third']);
});

test('what is said while a retry waits comes after it', async () => {
  const host = await openHostRoom({ groups: { handy: handyman() } });
  const { body } = await host.post('handy', 'one', 'flaky');
  await waitUntil('the retry to be due', 10_000, () => host.attemptOf(body.message) === 2);
  await host.post('handy', 'one', 'say second');

  const events = await host.waitForEvents('handy', 'one', (all) => all.length >= 2);

  expect(events.map(({ text }) => text)).toEqual(['flaky 2', 'second']);
});

test('after crashes as well: what is said in the pause before the next attempt does not overtake', async () => {
  const host = await openHostRoom({ groups: { handy: handyman() } });
  const { body } = await host.post('handy', 'one', 'die');
  await waitUntil('the second death', 15_000, () => host.attemptOf(body.message) === 3);
  await host.waitForState(body.session, 'asleep', 2000);
  await host.post('handy', 'one', 'say behind');

  const events = await host.waitForEvents('handy', 'one', (all) => all.length >= 2);

  expect(events.map(({ text, code }) => text ?? code)).toEqual(['E_TURN_CRASHED', 'behind']);
});

test('another thread of the chat does not wait', async () => {
  const host = await openHostRoom({ groups: { handy: handyman() } });
  const { body } = await host.post('handy', 'one', { text: 'flaky', thread: 'red' });
  await waitUntil('the retry to be noted', 10_000, () => host.attemptOf(body.message) === 2);
  await host.post('handy', 'one', { text: 'say free', thread: 'blue' });

  const events = await host.waitForEvents('handy', 'one', (all) => all.length >= 2);

  expect(events.map(({ text }) => text)).toEqual(['free', 'flaky 2']);
});

import { array, assert, asyncProperty, constantFrom, type IAsyncProperty, integer, record } from 'fast-check';
import { expect, test } from 'vitest';
import { SendError } from '../src/channels/send-error.ts';
import { type DeliveryRoom, openDeliveryRoom } from './fixtures/delivery-room.ts';
import { waitUntil } from './fixtures/host-process.ts';
import { type Deed, type RecordingChannel, recordingChannel } from './fixtures/recording-channel.ts';

const deeds: Record<string, Deed> = {
  take: 'take',
  hang: 'hang',
  lie: 'lie',
  transient: new SendError('transient', 'busy'),
  limited: new SendError('rate-limited', 'slowly', { retryAfterMs: 5 }),
  permanent: new SendError('permanent', 'no'),
  odd: new TypeError('odd'),
};
const plan = array(constantFrom(...Object.keys(deeds)), { maxLength: 3 });
/** What the agents say, what the platforms do with it, and after which of it the host dies. */
const story = record({
  chats: array(array(plan, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 4 }),
  deaths: array(integer({ min: 0, max: 8 }), { maxLength: 2 }),
});

test('whatever platforms do and whenever hosts die: nothing lost, doubled without a key, or out of order', async () => {
  await assert(promise(), { numRuns: 6, endOnFailure: true });
}, 60_000);

function promise(): IAsyncProperty<[{ chats: string[][][]; deaths: number[] }]> {
  return asyncProperty(story, async ({ chats, deaths }) => {
    const keyed = recordingChannel('keyed', true);
    const keyless = recordingChannel('keyless', false);
    const platforms = [keyed, keyless];
    const options = { channels: platforms, timeoutMs: 30, retryMs: 5, stopGraceMs: 10 };
    let room = await openDeliveryRoom(options);
    try {
      for (const platform of platforms) {
        for (const [index, plans] of chats.entries()) {
          const texts = plans.map((_, at) => `${index}/${at}`);
          for (const [at, names] of plans.entries())
            platform.plan(texts[at] ?? '', ...names.map((name) => deeds[name] ?? 'take'));
          await room.reply(`${platform.name}${index}`, texts);
        }
      }
      for (const after of deaths) {
        const calls = () => keyed.calls.length + keyless.calls.length;
        const enough = calls() + after;
        await waitUntil('calls', 10_000, () => calls() >= enough || isOver(room));
        room = await room.crash();
      }
      await waitUntil('everything to have ended', 20_000, () => isOver(room));
      check(room, keyed);
      check(room, keyless);
    } finally {
      await room.close();
    }
  });
}

const isOver = (room: DeliveryRoom) => room.ledger.reads.unsentEvents().length === 0;

function check(room: DeliveryRoom, { name, takesKey, offences, shown }: RecordingChannel): void {
  expect(offences).toEqual([]);
  const entries = room.outbox.list({ all: true }).filter(({ channel }) => channel === name);
  const told = entries.filter(({ text }) => /^E_SEND_/.test(text)).length;
  const lost = entries.filter(({ status, text }) => status !== 'sent' && !/^E_SEND_/.test(text));
  expect(told).toBe(lost.length);
  for (const { n, chat, status, text } of entries) {
    const hasAppeared = shown(chat).includes(text);
    if (status === 'sent' && !text.startsWith('E_')) expect([n, hasAppeared]).toEqual([n, true]);
    if (status === 'dead' && !takesKey) expect([n, hasAppeared]).toEqual([n, false]);
    // Also one that was never called: its host died between the ledger's word and the call.
    if (status === 'uncertain') expect(takesKey).toBe(false);
  }
}

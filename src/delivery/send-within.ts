import type { Channel, ChatEvent, Taken } from '../channels/channel.ts';
import { asSendError, SendError } from '../channels/send-error.ts';

/** What a send came to. */
export type Outcome = { taken: Taken } | { failure: SendError };

/**
 * Hands an event to its channel and waits so long at most; after that its outcome is unknown, and the channel is told by
 * its signal. Never throws.
 * @param onLate the platform has taken it after all.
 */
export function sendWithin(
  limitMs: number,
  channel: Channel,
  event: ChatEvent,
  onLate: (taken: Taken) => void,
): Promise<Outcome> {
  const limit = new AbortController();
  return new Promise((resolve) => {
    const timer = setTimeout(() => {
      const message = `"${channel.name}" gave no answer within ${limitMs / 1000} s`;
      resolve({ failure: new SendError('unknown-outcome', message) });
      limit.abort();
    }, limitMs);
    send(channel, event, limit.signal).then(
      (taken) => {
        clearTimeout(timer);
        if (limit.signal.aborted) onLate(taken);
        else resolve({ taken });
      },
      (error: unknown) => {
        clearTimeout(timer);
        resolve({ failure: asSendError(error, channel.name) });
      },
    );
  });
}

/** A channel that throws at once is one whose promise rejects. */
async function send(channel: Channel, event: ChatEvent, signal: AbortSignal): Promise<Taken> {
  return (await channel.send(event, { signal })) ?? {};
}

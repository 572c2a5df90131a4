import type { Channel } from './channels/channel.ts';

/**
 * A seam for tests alone (docs/reliability.md): `BERTH_TEST_CHANNELS` names a module whose `createChannels()` gives
 * channels that the host has beside its own, such as one to a platform that records what it is sent.
 */
export async function testChannels(): Promise<Channel[]> {
  const path = process.env.BERTH_TEST_CHANNELS;
  if (!path) return [];
  const { createChannels } = (await import(path)) as { createChannels(): Channel[] };
  return createChannels();
}

import type { Channel } from '../channels/channel.ts';
import type { LedgerReads } from '../ledger/ledger-reads.ts';

interface Dependencies {
  channels: ReadonlyMap<string, Channel>;
  reads: LedgerReads;
}

/** Shows a passing word in each chat in which somebody waits for that session. What cannot be shown is lost. */
export function createSendNotice({ channels, reads }: Dependencies): (session: string, text: string) => void {
  return (session, text) => {
    for (const place of reads.waitingChats(session)) {
      channels.get(place.channel)?.tell?.({ ...place, session, text });
    }
  };
}

import type { Clock } from '../clock.ts';
import type { LedgerReads } from '../ledger/ledger-reads.ts';
import type { OutboxEntry } from '../ledger/outbox-reads.ts';
import type { Writer } from '../writer/writer.ts';
import type { Sender } from './send-events.ts';

interface Dependencies {
  writer: Writer;
  reads: LedgerReads;
  clock: Clock;
  sender: Sender;
}

/** What the operator can ask of the outbox. Orders are carried out whole or not at all. */
export interface OutboxDoor {
  list(options: { all: boolean }): OutboxEntry[];
  /** @throws E_OUTBOX_UNKNOWN, E_OUTBOX_STATE. */
  resend(events: readonly number[]): Promise<void>;
  /** @throws E_OUTBOX_UNKNOWN, E_OUTBOX_STATE. */
  drop(events: readonly number[]): Promise<void>;
}

/** The outbox of a running host: an order on an event and its sending do not meet. */
export function createOutboxDoor({ writer, reads, clock, sender }: Dependencies): OutboxDoor {
  async function order(kind: 'resend' | 'drop', events: readonly number[]): Promise<void> {
    sender.hold(events);
    try {
      // What was sent a moment ago is no longer waiting.
      await sender.marks.flush();
      const notices = await writer.run(kind, { events: [...events], now: clock.now() });
      for (const notice of notices) sender.deliver(notice);
    } finally {
      sender.refresh(events);
    }
  }

  return {
    list: reads.outbox,
    resend: (events) => order('resend', events),
    drop: (events) => order('drop', events),
  };
}

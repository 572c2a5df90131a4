import type { ControlVerb, InboundRow, Receipt, SessionBody } from '../../contract/bodies.ts';
import type { MailboxEffects } from '../ledger/rows.ts';
import type { InboundChanges } from '../mailbox/inbound-file.ts';
import {
  type Attaching,
  attachTo,
  bringInLine,
  flush,
  isDue,
  type Opening,
  type OpenMailbox,
  unpark,
  writeOrLeave,
} from './open-mailbox.ts';

/** At once; with whatever is written next, or after a while; or after that while only, because nobody waits for it. */
type When = 'now' | 'next' | 'later';

interface Refused {
  session: string;
  /** `null`: nobody holds it, the disk is full. */
  since: number | null;
  error: unknown;
}

/**
 * The inbound files of all sessions that are not asleep. What the ledger's commands ask for is only noted down here
 * during a transaction; `keep` makes it real after the commit, `drop` forgets it after a rollback, all of it or what was asked
 * since `count` said so much.
 */
export function createMailboxes() {
  const open = new Map<string, OpenMailbox>();
  let asked: ((failed: Map<string, unknown>) => void)[] = [];
  const touched = new Set<string>();
  /** Of these something waits that is not urgent. */
  const riding = new Set<string>();

  function change(
    session: string,
    when: When,
    apply: (changes: InboundChanges, mailbox: OpenMailbox) => void,
    toSealed = true,
  ): void {
    asked.push(() => {
      const mailbox = open.get(session);
      if (!mailbox || (mailbox.sealed && !toSealed)) return;
      if (when === 'now') unpark(mailbox);
      apply(when === 'later' ? mailbox.riders : mailbox.changes, mailbox);
      if (when === 'now') {
        mailbox.urgent = true;
        touched.add(session);
      } else {
        mailbox.waitsSince ??= performance.now();
        riding.add(session);
      }
    });
  }

  /** Without anything to write. */
  function mark(session: string, marks: Partial<Pick<OpenMailbox, 'held' | 'parkedEpoch'>>): void {
    asked.push(() => {
      const mailbox = open.get(session);
      if (!mailbox) return;
      Object.assign(mailbox, marks);
      touched.add(session);
    });
  }

  const effects: MailboxEffects = {
    put: (session, row) => change(session, 'now', ({ messages }) => messages.push(row), false),
    withdraw: (session, messages) => {
      if (messages.length === 0) return;
      change(session, 'now', (changes) => {
        const gone = new Set(messages);
        changes.messages = changes.messages.filter(({ id }) => !gone.has(id));
        changes.removals.push(...messages);
      });
    },
    settle: (session, messages, cursor) =>
      change(session, 'later', (riders) => {
        riders.removals.push(...messages);
        if (cursor) riders.settled = cursor;
      }),
    receipt: (session, receipt: Receipt) =>
      change(session, receipt.status === 'sent' ? 'later' : 'next', ({ receipts }) => receipts.push(receipt)),
    destinations: (session, all) =>
      change(session, 'next', (changes) => {
        changes.destinations = all;
      }),
    abort: (session, messages, text) =>
      change(session, 'now', ({ controls }, mailbox) => {
        for (const message_id of messages) {
          mailbox.lastControl += 1;
          const { lastControl: seq, epoch } = mailbox;
          controls.push({ seq, epoch, verb: 'abort', body: { message_id, text } });
        }
      }),
    describe: (session, news) =>
      change(session, 'next', (changes, mailbox) => {
        mailbox.body = { ...mailbox.body, ...news };
        changes.session = mailbox.body;
      }),
  };

  return {
    ...effects,

    /** Writes what was described, now. */
    hurry: (session: string): void => change(session, 'now', () => undefined),

    /** @returns the control's number; `undefined`: the session has no container. */
    control(
      session: string,
      control: { epoch: number; verb: ControlVerb; body: object },
    ): number | undefined {
      const mailbox = open.get(session);
      if (!mailbox) return undefined;
      mailbox.lastControl += 1;
      const numbered = { seq: mailbox.lastControl, ...control };
      // An `unpark` in words brings no second one along.
      if (control.verb === 'unpark') mark(session, { parkedEpoch: null });
      change(session, 'now', (changes) => changes.controls.push(numbered));
      if (control.verb === 'park') mark(session, { parkedEpoch: control.epoch });
      return numbered.seq;
    },

    /** Writes nothing to the session's file until `release`. The park has been obeyed: what comes needs no `unpark`. */
    hold: (session: string): void => mark(session, { held: true, parkedEpoch: null }),

    release: (session: string): void => mark(session, { held: false }),

    /** Opens a session's file and notes down what it lacks against the ledger. */
    open(
      session: string,
      path: string,
      body: SessionBody,
      rows: InboundRow[],
      state: Omit<Opening, 'path' | 'body' | 'rows'>,
    ): void {
      asked.push((failed) => {
        open.get(session)?.file.close();
        open.delete(session);
        try {
          open.set(session, bringInLine({ path, body, rows, ...state }));
        } catch (error) {
          failed.set(session, error);
        }
      });
    },

    /** Opens the file of a container at work: what it lacks is noted down, and nothing that it goes by is touched. */
    attach(session: string, opening: Attaching, sealed: boolean): void {
      asked.push((failed) => {
        try {
          const mailbox = attachTo(opening, sealed);
          open.set(session, mailbox);
          if (mailbox.urgent) touched.add(session);
          if (mailbox.waitsSince !== null) riding.add(session);
        } catch (error) {
          failed.set(session, error);
        }
      });
    },

    close(session: string): void {
      asked.push(() => {
        const mailbox = open.get(session);
        if (!mailbox) return;
        writeOrLeave(mailbox);
        mailbox.file.close();
        open.delete(session);
        touched.delete(session);
        riding.delete(session);
      });
    },

    /** @returns the sessions whose file could not be opened, with the reason. */
    keep(): Map<string, unknown> {
      const effects = asked;
      asked = [];
      const failed = new Map<string, unknown>();
      for (const effect of effects) effect(failed);
      return failed;
    },

    count: (): number => asked.length,

    drop(from = 0): void {
      asked.length = from;
    },

    /**
     * Writes what is urgent, each file in a transaction of its own.
     * @returns the files that could not be written: those that a reader holds, and since when (monotonic milliseconds),
     * and those for which there is no room on the disk.
     */
    write(now: number): Refused[] {
      const refused: Refused[] = [];
      for (const session of touched) {
        const mailbox = open.get(session);
        if (!mailbox?.urgent || mailbox.held) {
          touched.delete(session);
          continue;
        }
        try {
          flush(mailbox, now);
          touched.delete(session);
          if (mailbox.waitsSince === null) riding.delete(session);
        } catch (error) {
          const isFull = (error as { code?: string }).code === 'SQLITE_FULL';
          mailbox.refusedSince = isFull ? null : (mailbox.refusedSince ?? now);
          refused.push({ session, since: mailbox.refusedSince, error });
        }
      }
      return refused;
    },

    /** True: something waits that `hurryRiders` would write. */
    hasRiders: (): boolean => riding.size > 0,

    /** No message came that would have taken them along: they get a write of their own, unless that would take a park back. */
    hurryRiders(now: number): void {
      for (const session of riding) {
        const mailbox = open.get(session);
        if (mailbox && !isDue(mailbox, now)) continue;
        riding.delete(session);
        if (!mailbox || mailbox.held || mailbox.parkedEpoch !== null) continue;
        mailbox.urgent = true;
        touched.add(session);
      }
    },

    closeAll(): void {
      for (const mailbox of open.values()) {
        writeOrLeave(mailbox);
        mailbox.file.close();
      }
      open.clear();
    },
  };
}

export type Mailboxes = ReturnType<typeof createMailboxes>;

import type { AwakeSession, AwakeSessions } from '../awake/awake-session.ts';
import type { ChatAddress, ChatDraft } from '../channels/channel.ts';
import type { Clock } from '../clock.ts';
import { describeError } from '../errors.ts';
import type { LedgerReads } from '../ledger/ledger-reads.ts';
import type { Logger } from '../log.ts';
import { readDraft } from '../mailbox/read-draft.ts';

/** A session's draft is looked at no more often than this, in milliseconds. */
const PERIOD_MS = 100;
/** After each look there is none for so many times as long as it took: all drafts together get a twentieth of the host's time. */
const REST = 19;
/** How often all that is followed is looked at beneath the events, in milliseconds. */
const BENEATH_MS = 1000;

interface Dependencies {
  awake: Pick<AwakeSessions, 'all'>;
  reads: Pick<LedgerReads, 'waitingChats' | 'waitingChat'>;
  clock: Clock;
  log: Logger;
}

type Listener = (draft: ChatDraft) => void;

interface Followed {
  /** The version that was looked at last. */
  mark: string | undefined;
  /** Monotonic milliseconds before which there is no further look. */
  from: number;
}

/**
 * Shows what running turns have said so far to who follows their chat. It stands beside the durable path: a draft is kept
 * nowhere, a look comes by timer, and where nobody listens there is none. It is shown only under a message of that chat that
 * has no answer yet, so that none comes after the reply.
 */
export function createDrafts({ awake, reads, clock, log }: Dependencies) {
  const listeners = new Map<string, Set<Listener>>();
  const due = new Set<AwakeSession>();
  let followed = new WeakMap<AwakeSession, Followed>();
  /** Of these it was said that their drafts are none. */
  const blamed = new WeakSet<AwakeSession>();
  let freeFrom = 0;
  let timer: NodeJS.Timeout | undefined;
  let beneath: NodeJS.Timeout | undefined;

  return {
    /** The session's draft may be another now. */
    note,
    /** Calls the listener with each draft of the chat, the present one first, until released. */
    subscribe(address: ChatAddress, listener: Listener): () => void {
      const key = keyOf(address);
      const set = listeners.get(key) ?? new Set();
      listeners.set(key, set.add(listener));
      beneath ??= setInterval(noteAll, BENEATH_MS).unref();
      followed = new WeakMap();
      noteAll();
      return () => {
        set.delete(listener);
        if (set.size === 0 && listeners.get(key) === set) listeners.delete(key);
        if (listeners.size === 0) rest();
      };
    },
    close: rest,
  };

  function note(session: AwakeSession): void {
    if (listeners.size === 0 || session.open.size === 0) return;
    due.add(session);
    plan();
  }

  function noteAll(): void {
    for (const session of awake.all()) note(session);
  }

  function rest(): void {
    clearInterval(beneath);
    clearTimeout(timer);
    beneath = undefined;
    timer = undefined;
    due.clear();
  }

  function plan(): void {
    if (timer || due.size === 0) return;
    const first = Math.min(...[...due].map((session) => stateOf(session).from));
    const wait = Math.max(freeFrom, first) - clock.monotonic();
    timer = setTimeout(lookAtOne, Math.max(0, wait)).unref();
  }

  function lookAtOne(): void {
    timer = undefined;
    const began = clock.monotonic();
    const session = [...due].find((one) => stateOf(one).from <= began);
    if (session) {
      due.delete(session);
      look(session, stateOf(session));
      const took = clock.monotonic() - began;
      stateOf(session).from = began + PERIOD_MS;
      freeFrom = began + took * (1 + REST);
    }
    plan();
  }

  function look(session: AwakeSession, state: Followed): void {
    if (!reads.waitingChats(session.id).some((place) => listeners.has(keyOf(place)))) return;
    try {
      const found = readDraft(session.folders.out, state.mark);
      state.mark = found?.mark;
      if (found?.draft) show(session, found.draft);
    } catch (error) {
      if (blamed.has(session)) return;
      blamed.add(session);
      log.warn(
        { session: session.id, reason: describeError(error) },
        'a draft of the container is not shown',
      );
    }
  }

  function show(
    { id, open }: AwakeSession,
    draft: { message: string; text: string; tool: string | null },
  ): void {
    // Nobody else's message, and none that is over.
    const place = open.has(draft.message) && reads.waitingChat(id, draft.message);
    if (!place) return;
    const { message: inReplyTo, text, tool } = draft;
    for (const listener of listeners.get(keyOf(place)) ?? [])
      listener({ ...place, session: id, inReplyTo, text, tool });
  }

  function stateOf(session: AwakeSession): Followed {
    const known = followed.get(session) ?? { mark: undefined, from: 0 };
    followed.set(session, known);
    return known;
  }
}

function keyOf({ channel, group, chat }: ChatAddress): string {
  return JSON.stringify([channel, group, chat]);
}

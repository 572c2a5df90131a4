import type Database from 'better-sqlite3';
import type { ControlVerb, SessionBody } from '../../contract/bodies.ts';
import { type AcceptArguments, type AcceptResult, prepareAccept } from '../ledger/accept-message.ts';
import { prepareApprovals } from '../ledger/approvals.ts';
import { prepareBuilds } from '../ledger/builds.ts';
import { type CollectArguments, type CollectResult, prepareCollect } from '../ledger/collect-rows.ts';
import { prepareDestinations } from '../ledger/destinations.ts';
import { prepareDue } from '../ledger/due-messages.ts';
import { type ClockReading, prepareHeedClock } from '../ledger/heed-clock.ts';
import { prepareMessages } from '../ledger/messages.ts';
import { prepareOutboxOrders } from '../ledger/outbox-orders.ts';
import { type FailedSend, prepareOutboxStates } from '../ledger/outbox-states.ts';
import { prepareReceipts } from '../ledger/receipts.ts';
import type { OutboxRow, SentMark, SessionState } from '../ledger/rows.ts';
import { prepareSchedules } from '../ledger/schedules.ts';
import { type LeftSession, prepareSessionState, type WakeTicket } from '../ledger/session-state.ts';
import { preparePrune } from '../ledger/settled.ts';
import { prepareUpkeep } from '../ledger/upkeep.ts';
import type { Mailboxes } from './mailboxes.ts';

/** A session at one of its container's epochs. */
interface Step {
  session: string;
  epoch: number;
  now: number;
}

/**
 * Everything that is ever written to `host.db` and the inbound files. Each command runs inside the current batch's
 * transaction; what it asks of a mailbox happens after the commit.
 */
export function prepareCommands(db: Database.Database, mailboxes: Mailboxes) {
  const accept = prepareAccept(db);
  const collect = prepareCollect(db);
  const states = prepareSessionState(db);
  const messages = prepareMessages(db);
  const waiting = prepareDue(db);
  const upkeep = prepareUpkeep(db);
  const outbox = prepareOutboxStates(db);
  const orders = prepareOutboxOrders(db);
  const receipts = prepareReceipts(db);
  const heedClock = prepareHeedClock(db);
  const schedules = prepareSchedules(db);
  const destinations = prepareDestinations(db);
  const approvals = prepareApprovals(db);
  /** What an agent should know from the ledger. */
  const told = (session: string) => ({
    receipts: receipts.ofSession(session),
    destinations: destinations.ofSession(session),
  });

  return {
    accept: (args: AcceptArguments): AcceptResult => accept(args, mailboxes),

    collect: (args: CollectArguments): CollectResult => collect(args, mailboxes),

    /** Takes an epoch and opens the session's `inbound.db`, brought in line with the ledger. */
    beginWake(args: {
      session: string;
      holder: string;
      now: number;
      inbound: string;
      body: SessionBody;
    }): WakeTicket | undefined {
      const ticket = states.beginWake(args);
      if (ticket) {
        const { session, inbound, now } = args;
        const state = { ...ticket, ...told(session) };
        const body = { ...args.body, conversation: states.conversation(session) };
        mailboxes.open(session, inbound, body, waiting.due(session, now), state);
      }
      return ticket;
    },

    /** Takes over a container that an earlier host left at work. `undefined`: it is not that session's any more. */
    adopt(args: Step & { to: 'awake' | 'frozen' }): Omit<WakeTicket, 'epoch'> | undefined {
      if (!states.adopt(args)) return undefined;
      return { cursor: states.cursor(args.session), waiting: states.waiting(args.session) };
    },

    /**
     * Opens the `inbound.db` of an adopted session and brings it in line, without disturbing what its container does.
     * @param args.only of a container that retires: the messages it may go on with; it gets no others.
     */
    attach(args: Step & { inbound: string; body: SessionBody; only?: string[] }): void {
      const { session, epoch, inbound: path, only } = args;
      const body = { ...args.body, conversation: states.conversation(session) };
      const rows = waiting.due(session, args.now).filter(({ id }) => only?.includes(id) ?? true);
      const ids = states.waiting(session).map(({ id }) => id);
      const state = { cursor: states.cursor(session), ...told(session), waiting: ids };
      mailboxes.attach(session, { path, body, epoch, rows, ...state }, only !== undefined);
    },

    /** Where the ledger stands with a session that has no container. */
    standing: (args: { session: string }) => ({
      cursor: states.cursor(args.session),
      waiting: states.waiting(args.session),
    }),

    /** Tells the runner anew what the host says of its session. */
    describe(args: { session: string; body: SessionBody }): void {
      mailboxes.describe(args.session, args.body);
      mailboxes.hurry(args.session);
    },

    /** Puts in what has become due meanwhile, in order. @returns the state that was found; a frozen one is to be thawed. */
    putDue(args: { session: string; now: number }): SessionState | undefined {
      const rows = waiting.due(args.session, args.now);
      for (const row of rows) mailboxes.put(args.session, row);
      return rows.length > 0 ? states.takeBack(args.session, args.now) : undefined;
    },

    change: (args: Step & { from: SessionState; to: SessionState }): boolean => states.change(args),

    beginStop: (args: Step & { from: SessionState }): boolean =>
      states.leaveIdle({ ...args, to: 'stopping' }),

    /** → stopping, whatever waits. */
    forceStop: (args: Step): boolean => states.leaveLiving({ ...args, to: 'stopping' }),

    /** awake → freezing, unless a message that is due came first. @returns the number of its `park`. @throws E_LEDGER without its file. */
    beginFreeze(args: Step): number | undefined {
      if (!states.leaveIdle({ ...args, from: 'awake', to: 'freezing' })) return undefined;
      const park = mailboxes.control(args.session, { epoch: args.epoch, verb: 'park', body: {} });
      // Takes the change back: a runner that was not asked does not park.
      if (park === undefined) throw new Error('its inbound.db is not open');
      return park;
    },

    /** freezing → awake: the runner does not park, or is not to. */
    endFreeze(args: Step): boolean {
      if (!states.change({ ...args, from: 'freezing', to: 'awake' })) return false;
      mailboxes.control(args.session, { epoch: args.epoch, verb: 'unpark', body: {} });
      return true;
    },

    /** freezing → frozen: the engine is about to pause, and until `paused` nothing is written. */
    beginPause(args: Step): boolean {
      if (!states.change({ ...args, from: 'freezing', to: 'frozen' })) return false;
      mailboxes.hold(args.session);
      return true;
    },

    /** awake → frozen: somebody else has paused the container. False: a message waits for it. */
    foundPaused: (args: Step): boolean => states.leaveIdle({ ...args, from: 'awake', to: 'frozen' }),

    /** The engine has paused, or could not: what was kept back is written. */
    paused: (args: { session: string }): void => mailboxes.release(args.session),

    /**
     * The container is gone and its rows are collected: the session sleeps, its file is closed. Without `from`: it died, maybe while
     * it was to be stopped.
     */
    sleep({ from, ...step }: Step & { from?: SessionState }): boolean {
      const args = { ...step, to: 'asleep' } as const;
      const died = !from && states.leaveLiving(args);
      const changed = died || states.change({ ...args, from: from ?? 'stopping' });
      if (changed) mailboxes.close(step.session);
      return changed;
    },

    /** A start failed: keeps the reason, tells whoever waits. */
    failWake(args: Step & { code: string; reason: string; retryAt: number }): OutboxRow[] {
      if (!states.fail(args)) return [];
      mailboxes.close(args.session);
      return messages.tellWaiting(args);
    },

    recordTrouble: (args: Parameters<typeof states.recordTrouble>[0]): void => states.recordTrouble(args),

    /** Tells who waits in a session that is left alone for a while. */
    tellWaiting: (args: Parameters<typeof messages.tellWaiting>[0]): OutboxRow[] =>
      messages.tellWaiting(args),

    /** By the operator's wish: forgets what was counted against the session, and what waits is due. @returns how many wait. */
    retryNow(args: { session: string; now: number }): number {
      states.forgetTroubles(args);
      return messages.hurry(args);
    },

    recordError: (args: { session: string; code: string; reason: string; now: number }): void =>
      states.recordError(args),

    afterCrash(args: Parameters<typeof messages.afterCrash>[0]): { events: OutboxRow[]; ended: string[] } {
      const result = messages.afterCrash(args);
      mailboxes.settle(args.session, result.ended, null);
      return result;
    },

    /** For a runner that works; it takes a park back. @returns false when the session's file is not open. */
    control(args: Step & { verb: ControlVerb; body?: object }): boolean {
      states.takeBack(args.session, args.now);
      const control = { epoch: args.epoch, verb: args.verb, body: args.body ?? {} };
      return mailboxes.control(args.session, control) !== undefined;
    },

    beginSend: (args: { n: number }): boolean => outbox.beginSend(args),

    putBack: (args: { events: number[] }): void => outbox.putBack(args),

    markSent: (args: { events: readonly SentMark[]; now: number }): void => outbox.markSent(args, mailboxes),

    failSend: (args: FailedSend): OutboxRow[] => outbox.failSend(args, mailboxes),

    resend: (args: { events: number[]; now: number }): OutboxRow[] => orders.resend(args),

    drop: (args: { events: number[]; now: number }): OutboxRow[] => orders.drop(args, mailboxes),

    fireSchedule: (args: Parameters<typeof schedules.fire>[0]) => schedules.fire(args, mailboxes),

    /** All of them or none. @throws E_SCHEDULE_UNKNOWN. */
    cancelSchedules: (args: { ids: string[] }): void => {
      for (const id of args.ids) schedules.cancel(id);
    },

    noteApproval: (args: Parameters<typeof approvals.note>[0]) => approvals.note(args),

    /** @throws E_APPROVAL_UNKNOWN, E_APPROVAL_OVER. */
    decideApproval: (args: Parameters<typeof approvals.decide>[0]): void => approvals.decide(args),

    expireApproval: (args: Parameters<typeof approvals.expire>[0]): void => approvals.expire(args),

    installId: (): string => upkeep.installId(),

    groupSlot: (args: { folder: string }): number => upkeep.groupSlot(args.folder),

    recover: (args: { now: number; adopted: string[] }): LeftSession[] => states.recover(args),

    heedClock: (args: ClockReading): number => heedClock(args),

    deleteChat(args: { chatId: number }) {
      const removed = upkeep.deleteChat(args.chatId, mailboxes);
      for (const { id } of removed.sessions) mailboxes.close(id);
      return removed;
    },

    ...preparePrune(db),

    ...prepareBuilds(db),
  };
}

export type Commands = ReturnType<typeof prepareCommands>;
export type CommandName = keyof Commands;

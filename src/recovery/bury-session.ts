import type { AwakeSession, AwakeSessions } from '../awake/awake-session.ts';
import type { Clock } from '../clock.ts';
import type { RestartPeriods } from '../config.ts';
import type { Engine } from '../engines/engine.ts';
import { BerthError, type ErrorCode } from '../errors.ts';
import type { LedgerReads } from '../ledger/ledger-reads.ts';
import type { DeadWork } from '../ledger/messages.ts';
import type { OutboxRow } from '../ledger/rows.ts';
import type { Logger } from '../log.ts';
import type { Writer } from '../writer/writer.ts';
import { countsAsTrouble, type Death } from './classify-death.ts';
import { lastLines } from './last-lines.ts';
import type { Strays } from './remove-strays.ts';
import type { ReportDeath } from './report-death.ts';
import { afterTrouble, type Troubles, troublesOf } from './restart-limit.ts';
import { within } from './within.ts';

interface Dependencies {
  writer: Writer;
  reads: LedgerReads;
  engine: Engine;
  awake: AwakeSessions;
  clock: Clock;
  log: Logger;
  restarts: RestartPeriods;
  report: ReportDeath;
  strays: Pick<Strays, 'remove'>;
  /** The last look; false: it could not be read, as where the container died in a commit. */
  collect(session: AwakeSession): Promise<boolean>;
  /** When a message that was being worked on is tried again (Unix milliseconds), or `null` for never. */
  crashRetryAt(attempt: number, now: number): number | null;
  onEvents(events: OutboxRow[]): void;
  /** The session sleeps, and what waits in it is to be looked at from then on (Unix milliseconds). */
  onResume(session: string, at: number): void;
  /** It died too often: it is left alone for a while. */
  onGivenUp(session: AwakeSession, error: BerthError): Promise<void>;
  /** It may live on, or what it wrote is not seen yet, by `looking` or by the next look: what it was working on is known, and counts, before the next one starts. */
  onUnseen(session: string, reason: string, looking: Promise<unknown>): void;
}

/** What the host itself has to do about a container that it ends because it no longer works. */
interface Ending {
  /** The container still runs: it is killed first. */
  alive: boolean;
  /** Messages whose turn is over with it, and not tried again: their turn was the trouble. */
  over: ReadonlySet<string>;
  /** What is said of those, and kept as the session's last error; else that the turn was stopped. */
  told?: { code: ErrorCode; reason: string };
}

const ABORTED: ErrorCode = 'E_TURN_ABORTED';
/** For how long anybody waits for the last look, in milliseconds: it is rationed like any other, and files are copied. */
const LAST_LOOK_MS = 2000;

export type Bury = (session: AwakeSession, death: Death, ending?: Ending) => Promise<void>;

/**
 * The end of a container that nobody asked to end, or that has to be ended because it hangs. What it committed is collected;
 * what it was working on is tried again, at most so often; the session sleeps, and wakes again for what waits, unless
 * that happened too often.
 */
export function createBury(deps: Dependencies): Bury {
  return async function bury(session, death, ending = { alive: false, over: new Set() }) {
    if (session.state === 'stopping') return;
    session.state = 'stopping';
    session.freezing?.callOff();
    const lines = await lastLines(deps.engine, session.container);
    const gone = !ending.alive || (await deps.strays.remove(session.container, session.id));
    const looking = deps.collect(session);
    // What was seen before it counts for nothing: it may have replied since.
    const isRead = (await within(looking, LAST_LOOK_MS)) ?? false;
    const seen = gone && isRead;
    const reason = `The container died while it worked on this: ${death.words}`;
    if (!seen) deps.onUnseen(session.id, reason, looking);
    const claims = claimsOf(session);
    const now = deps.clock.now();
    const about = { session: session.id, death, working: claims };
    const isTrouble = death.class !== 'done' || waits(session);
    if (isTrouble) deps.log.error(about, `container died: ${death.words}`);
    else deps.log.info(about, 'the container ended by itself');
    const dead = deadWork(session, death, ending, now).filter(({ id }) => seen || ending.over.has(id));
    const resumeAt = await retryWork(session, dead, reason, now);
    if (ending.told) await deps.writer.run('recordError', { session: session.id, ...ending.told, now });
    const { troubles, restart } = await countTrouble(session, isTrouble && countsAsTrouble(death), now);
    await deps.writer.run('sleep', { session: session.id, epoch: session.epoch, now });
    const next = nextStep(waits(session), restart);
    if (isTrouble) await deps.report({ session, death, claims, lines, troubles, next });
    if (waits(session) && !restart) await deps.onGivenUp(session, tooOften(troubles, death));
    // The engine may hang, and whoever waits has been told by now.
    if (!ending.alive) await deps.strays.remove(session.container, session.id);
    // Last of all: a host that shuts down waits until nothing of the session is left in memory.
    deps.awake.remove(session);
    if (waits(session)) deps.onResume(session.id, restart ? resumeAt : now);
  };

  /** What it was working on, and when that is tried again. */
  function deadWork(session: AwakeSession, death: Death, { over, told }: Ending, now: number): DeadWork[] {
    return claimsOf(session).map(({ message: id, attempt }) => {
      if (!over.has(id)) return { id, attempt, dueAt: deps.crashRetryAt(attempt, now) };
      const aborted = { code: ABORTED, reason: `The turn was stopped: ${death.words}` };
      return { id, attempt, dueAt: null, ...(told ?? aborted) };
    });
  }

  /** @returns from when on the session may go on. */
  async function retryWork(
    session: AwakeSession,
    messages: DeadWork[],
    reason: string,
    now: number,
  ): Promise<number> {
    if (messages.length === 0) return now;
    const code: ErrorCode = 'E_TURN_CRASHED';
    await deps.writer.run('recordError', { session: session.id, code, reason, now });
    const told = { session: session.id, code, reason, now, messages };
    const { events, ended } = await deps.writer.run('afterCrash', told);
    for (const id of ended) session.open.delete(id);
    deps.onEvents(events);
    return Math.max(now, ...messages.map(({ dueAt }) => dueAt ?? now));
  }

  async function countTrouble(
    session: AwakeSession,
    counts: boolean,
    now: number,
  ): Promise<{ troubles: Troubles; restart: boolean }> {
    const before = troublesOf(deps.reads.session(session.id));
    if (!counts) return { troubles: before, restart: true };
    const after = afterTrouble(before, now, deps.restarts);
    await deps.writer.run('recordTrouble', { session: session.id, troubles: after.troubles });
    return after;
  }

  function tooOften({ times }: Troubles, death: Death): BerthError {
    const minutes = Math.round(deps.restarts.windowMs / 6000) / 10;
    return new BerthError(
      'E_RESTARTS',
      `its container died or hung ${times.length} times with less than ${minutes} minutes of peace between; the last time: ${death.words}`,
    );
  }
}

function claimsOf(session: AwakeSession): { message: string; attempt: number }[] {
  return [...session.processing].flatMap((id) => {
    const open = session.open.get(id);
    return open ? [{ message: id, attempt: open.attempt }] : [];
  });
}

/** Somebody is to get an answer that only a container can give. */
function waits(session: AwakeSession): boolean {
  return session.wakeAgain || [...session.open.values()].some(({ wake }) => wake);
}

function nextStep(somebodyWaits: boolean, restart: boolean): string {
  if (!somebodyWaits) return 'nobody waits: the next message starts a new container';
  return restart
    ? 'a new container is started for what waits'
    : 'the session is left alone for a while, and whoever waits is told';
}

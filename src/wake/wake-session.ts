import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { type AwakeSession, type AwakeSessions, awakeSession } from '../awake/awake-session.ts';
import type { Clock } from '../clock.ts';
import type { Engine } from '../engines/engine.ts';
import { asBerthError, BerthError } from '../errors.ts';
import type { AwaitedImage } from '../groups/awaited-image.ts';
import type { Group } from '../groups/group.ts';
import type { LedgerReads } from '../ledger/ledger-reads.ts';
import type { WakeTicket } from '../ledger/session-state.ts';
import type { Logger } from '../log.ts';
import type { SessionFolders } from '../mailbox/session-folders.ts';
import type { Writer } from '../writer/writer.ts';
import type { Admission } from './admit.ts';
import { awaitImage, type ProvidesImages } from './await-image.ts';
import { containerName } from './container-spec.ts';
import type { ContainerPlan, ImageChoice, PlanContainer } from './plan-container.ts';
import { startFrom } from './start-from.ts';

interface Dependencies {
  writer: Writer;
  reads: LedgerReads;
  engine: Engine;
  awake: AwakeSessions;
  clock: Clock;
  log: Logger;
  install: string;
  plan: PlanContainer;
  admission: Pick<Admission, 'enter' | 'settled' | 'leave'>;
  /** What a group's containers start from; asked again when the engine no longer has it. */
  images: ProvidesImages & {
    imageFor(group: Group): Promise<ImageChoice>;
    imageGone(group: Group, image: string): Promise<ImageChoice>;
  };
  /** @throws E_GROUP_UNKNOWN, E_GROUP_CONFIG. */
  group(folder: string): Group;
  /** Says something to whoever waits for that session. */
  tell(session: string, text: string): void;
  /** How long a container may take from its start to its runner's first look, in milliseconds. */
  startTimeoutMs: number;
  /** Resolves when nothing of the session's folders is just being put aside, and no stray container lives. @throws what the engine says. */
  cleared(session: string): Promise<void>;
  /** Asked for a session that had too much on the disk. @throws E_DISK_LIMIT when it still has. */
  checkRoom(group: Group, folders: SessionFolders): Promise<void>;
  /** From now on the container may write: begin to watch. */
  onStarting(session: AwakeSession): void;
  onAwake(session: AwakeSession): void;
  /**
   * The wake came to nothing; the session is no longer in `awake`.
   * @param epoch `undefined` when none was taken.
   * @param was the session as it was in `awake`, when it came so far.
   */
  onFailed(
    session: string,
    epoch: number | undefined,
    error: BerthError,
    was: AwakeSession | undefined,
  ): Promise<void>;
}

export interface Wake {
  /**
   * Starts the session's container unless it has one: one at a time in this process by a shared promise, one on this
   * install by the state's compare-and-set, one on the engine by the container's name. Where all places are taken, it
   * waits in line first. Resolves when the runner has had its first look, or when the failure is told.
   */
  wake(session: string): Promise<void>;
  /** Resolves when no wake of the session is under way. */
  settled(session: string): Promise<void>;
  /** Gives up a wake that waits for its image or in line; resolves when none is under way. */
  cancel(session: string): Promise<void>;
  /** What has to be made before a wake of the session has an image to start from; `null`: none waits for that. */
  awaitedImage(session: string): AwaitedImage | null;
  /** From now on none begins (the line has to be closed before); resolves when those under way have come to their end. */
  close(): Promise<void>;
}

/** A wake that is under way. */
interface Waking {
  promise: Promise<void>;
  /** It was asked for again meanwhile. */
  again: boolean;
  controller: AbortController;
  /** The group whose image it waits for. */
  awaiting: Group | null;
}

export function createWake(deps: Dependencies): Wake {
  const underWay = new Map<string, Waking>();
  let closed = false;

  return {
    wake,
    awaitedImage(id) {
      const group = underWay.get(id)?.awaiting;
      return group ? deps.images.awaited(group) : null;
    },
    settled: async (id) => underWay.get(id)?.promise,
    async cancel(id) {
      underWay.get(id)?.controller.abort(new BerthError('E_STOPPING', 'the wake was given up'));
      deps.admission.leave(id);
      await underWay.get(id)?.promise;
    },
    async close() {
      closed = true;
      await Promise.all([...underWay.values()].map(({ promise }) => promise));
    },
  };

  function wake(id: string): Promise<void> {
    if (closed) return Promise.resolve();
    const running = underWay.get(id);
    if (running) {
      running.again = true;
      return running.promise;
    }
    const session = deps.awake.get(id);
    if (session) {
      // Too late for this container: it is started again when it is gone.
      if (session.state === 'stopping') session.wakeAgain = true;
      return Promise.resolve();
    }
    const mine: Waking = {
      ...{ promise: Promise.resolve(), again: false },
      ...{ controller: new AbortController(), awaiting: null },
    };
    underWay.set(id, mine);
    mine.promise = wakeNow(id, mine).finally(() => {
      underWay.delete(id);
      // Asked for again while this one failed: the one who asked has been told nothing yet.
      if (mine.again && !deps.awake.get(id)) void wake(id);
    });
    return mine.promise;
  }

  async function wakeNow(id: string, mine: Waking): Promise<void> {
    // An image may go between the wait for it and the start: then it is waited for once more.
    for (let times = 0; times < 2; times++) if (await attempt(id, mine)) return;
    const error = new BerthError('E_IMAGE_MISSING', 'the image is gone each time that it is needed');
    await deps.onFailed(id, deps.reads.session(id)?.epoch, error, undefined);
  }

  /** @returns false where the image with what the provider needs turned out to be gone: all is as if nothing had been begun. */
  async function attempt(id: string, mine: Waking): Promise<boolean> {
    let epoch: number | undefined;
    try {
      const asking = deps.reads.session(id);
      if (!asking) return true;
      await awaitItsImage(id, deps.group(asking.group), mine);
      if (!(await deps.admission.enter(id, asking.group))) return true;
      await deps.cleared(id);
      // Read again: it may have waited in line for long.
      const row = deps.reads.session(id);
      if (!row) return true;
      const plan = await deps.plan(row);
      const { group, folders } = plan;
      if (row.errorCode === 'E_DISK_LIMIT') await deps.checkRoom(group, folders);
      const choice = await deps.images.imageFor(group);
      if (choice.lacks) return false;
      const now = deps.clock.now();
      const ticket = await takeTicket(id, plan, choice, now);
      if (!ticket) return true;
      epoch = ticket.epoch;
      const container = containerName(deps.install, id);
      const rest = { epoch, container, spec: undefined, cursor: ticket.cursor, startedAt: now };
      const activeAt = deps.clock.monotonic();
      const session = awakeSession(
        { id, group, folders, ...rest, state: 'waking', activeAt },
        ticket.waiting,
      );
      deps.awake.add(session);
      // An edit since the plan was made (what is on the disk may have been counted meanwhile) has found no session to note it at.
      session.outdated = !isDeepStrictEqual(deps.group(row.group), group);
      if (await start(session, () => startFrom(deps, session, plan, choice))) return true;
      await giveUp(session);
      return false;
    } catch (error) {
      // Nothing was begun: the next host finds the session as it was.
      if (epoch === undefined && asBerthError(error).code === 'E_STOPPING') return true;
      const session = deps.awake.get(id);
      if (session) deps.awake.remove(session);
      const known = asBerthError(error, 'E_WAKE');
      await deps.onFailed(id, epoch ?? deps.reads.session(id)?.epoch, known, session);
      return true;
    } finally {
      deps.admission.settled(id);
    }
  }

  async function awaitItsImage(id: string, group: Group, mine: Waking): Promise<void> {
    mine.awaiting = group;
    await awaitImage(deps, id, group, mine.controller.signal);
    mine.awaiting = null;
  }

  /** It sleeps again, and somebody else may have its place: packages are waited for without one. */
  async function giveUp(session: AwakeSession): Promise<void> {
    const { id, epoch, container } = session;
    await deps.engine.remove(container).catch(() => undefined); // its network; the next start finds what is left
    await deps.writer.run('sleep', { session: id, epoch, now: deps.clock.now(), from: 'waking' });
    deps.awake.remove(session);
  }

  function takeTicket(
    id: string,
    plan: ContainerPlan,
    choice: ImageChoice,
    now: number,
  ): Promise<WakeTicket | undefined> {
    const inbound = join(plan.folders.in, 'inbound.db');
    const body = plan.body(choice);
    return deps.writer.run('beginWake', { session: id, holder: deps.install, now, inbound, body });
  }

  /** @returns false when nothing was started. */
  async function start(session: AwakeSession, startContainer: () => Promise<boolean>): Promise<boolean> {
    const { promise, reject } = session.started;
    // The container may die before anybody waits for this promise.
    promise.catch(() => undefined);
    const began = deps.clock.monotonic();
    deps.onStarting(session);
    if (!(await startContainer())) return false;
    const started = deps.clock.monotonic();
    const late = `the runner did not look within ${deps.startTimeoutMs / 1000} s of its start`;
    const timer = setTimeout(() => reject(new BerthError('E_WAKE_TIMEOUT', late)), deps.startTimeoutMs);
    try {
      await promise;
    } finally {
      clearTimeout(timer);
    }
    const change = { session: session.id, epoch: session.epoch, now: deps.clock.now() };
    if (!(await deps.writer.run('change', { ...change, from: 'waking', to: 'awake' }))) {
      throw new BerthError('E_WAKE', `session ${session.id} was no longer waking`);
    }
    session.state = 'awake';
    const looked = deps.clock.monotonic();
    deps.log.info(
      {
        session: session.id,
        group: session.group.folder,
        epoch: session.epoch,
        engineMs: Math.round(started - began),
        lookMs: Math.round(looked - started),
      },
      'session awake',
    );
    deps.onAwake(session);
    return true;
  }
}

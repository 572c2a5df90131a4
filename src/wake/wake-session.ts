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
import { awaitImage } from './await-image.ts';

import { containerName } from './container-spec.ts';
import type { ContainerPlan, ImageChoice, PlanContainer } from './plan-container.ts';

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
  images: {
    imageFor(group: Group): Promise<ImageChoice>;
    provide(group: Group, signal: AbortSignal): Promise<void>;
    awaited(group: Group): AwaitedImage | null;
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
    let epoch: number | undefined;
    try {
      const asking = deps.reads.session(id);
      if (!asking) return;
      await awaitItsImage(id, deps.group(asking.group), mine);
      if (!(await deps.admission.enter(id, asking.group))) return;
      await deps.cleared(id);
      // Read again: it may have waited in line for long.
      const row = deps.reads.session(id);
      if (!row) return;
      const plan = await deps.plan(row);
      const { group, folders } = plan;
      if (row.errorCode === 'E_DISK_LIMIT') await deps.checkRoom(group, folders);
      const choice = await deps.images.imageFor(group);
      const now = deps.clock.now();
      const ticket = await takeTicket(id, plan, choice, now);
      if (!ticket) return;
      epoch = ticket.epoch;
      const container = containerName(deps.install, id);
      const rest = { epoch, container, spec: undefined, cursor: ticket.cursor, startedAt: now };
      const activeAt = deps.clock.monotonic();
      const session = awakeSession(
        { id, group, folders, ...rest, state: 'waking', activeAt },
        ticket.waiting,
      );
      deps.awake.add(session);
      // An edit since the plan was made (an image may have been waited for) has found no session to note it at.
      session.outdated = !isDeepStrictEqual(deps.group(row.group), group);
      await start(session, () => startFrom(session, plan, choice));
    } catch (error) {
      // Nothing was begun: the next host finds the session as it was.
      if (epoch === undefined && asBerthError(error).code === 'E_STOPPING') return;
      const session = deps.awake.get(id);
      if (session) deps.awake.remove(session);
      const known = asBerthError(error, 'E_WAKE');
      await deps.onFailed(id, epoch ?? deps.reads.session(id)?.epoch, known, session);
    } finally {
      deps.admission.settled(id);
    }
  }

  async function awaitItsImage(id: string, group: Group, mine: Waking): Promise<void> {
    mine.awaiting = group;
    await awaitImage(deps, id, group, mine.controller.signal);
    mine.awaiting = null;
  }

  /** An image that somebody removed is no reason to fail: there is another one, and the agent is told. */
  async function startFrom(session: AwakeSession, plan: ContainerPlan, choice: ImageChoice): Promise<void> {
    try {
      await startWith(session, plan, choice);
    } catch (error) {
      if (asBerthError(error).code !== 'E_IMAGE_MISSING') throw error;
      const other = await deps.images.imageGone(session.group, choice.image);
      await deps.writer.run('describe', { session: session.id, body: plan.body(other) });
      await startWith(session, plan, other);
    }
  }

  function startWith(session: AwakeSession, plan: ContainerPlan, { image }: ImageChoice): Promise<void> {
    const spec = plan.spec(session.epoch, image);
    session.spec = spec;
    return deps.engine.start(spec, plan.checks);
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

  async function start(session: AwakeSession, startContainer: () => Promise<void>): Promise<void> {
    const { promise, reject } = session.started;
    // The container may die before anybody waits for this promise.
    promise.catch(() => undefined);
    const began = deps.clock.monotonic();
    deps.onStarting(session);
    await startContainer();
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
  }
}

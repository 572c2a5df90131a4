import { join } from 'node:path';
import type { SessionBody } from '../../contract/bodies.ts';
import type { AwakeSession, AwakeSessions } from '../awake/awake-session.ts';
import type { Clock } from '../clock.ts';
import type { ContainerSpec, Engine, StartChecks } from '../engines/engine.ts';
import { asBerthError, BerthError } from '../errors.ts';
import type { Group } from '../groups/group.ts';
import type { LedgerReads } from '../ledger/ledger-reads.ts';
import type { WakeTicket } from '../ledger/session-state.ts';
import type { Logger } from '../log.ts';
import { type SessionFolders, sessionFolders } from '../mailbox/session-folders.ts';
import type { Writer } from '../writer/writer.ts';
import type { Admission } from './admit.ts';
import { containerName, containerSpec } from './container-spec.ts';
import { type EquipDependencies, equipContainer } from './equip-container.ts';

/** An image to start from, and what the agent should know of it. */
interface ImageChoice {
  image: string;
  notice?: string | undefined;
}

interface Dependencies extends EquipDependencies {
  writer: Writer;
  reads: LedgerReads;
  engine: Engine;
  awake: AwakeSessions;
  clock: Clock;
  log: Logger;
  install: string;
  admission: Pick<Admission, 'enter' | 'settled' | 'leave'>;
  /** What a group's containers start from; asked again when the engine no longer has it. */
  images: {
    imageFor(group: Group): Promise<ImageChoice>;
    imageGone(group: Group, image: string): Promise<ImageChoice>;
  };
  stopGraceMs: number;
  maxFileBytes: number;
  runtime: string | undefined;
  /** How long a container may take from its start to its runner's first look, in milliseconds. */
  startTimeoutMs: number;
  group(folder: string): Group;
  /** Resolves when nothing of the session's folders is just being put aside. */
  cleared(session: string): Promise<void>;
  /** From now on the container may write: begin to watch. */
  onStarting(session: AwakeSession): void;
  onAwake(session: AwakeSession): void;
  /** The wake came to nothing; the session is no longer in `awake`. `epoch` is `undefined` when none was taken. */
  onFailed(session: string, epoch: number | undefined, error: BerthError): Promise<void>;
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
  /** Gives up a wake that waits in line; resolves when none is under way. */
  cancel(session: string): Promise<void>;
  /** From now on none begins (the line has to be closed before); resolves when those under way have come to their end. */
  close(): Promise<void>;
}

export function createWake(deps: Dependencies): Wake {
  const underWay = new Map<string, { promise: Promise<void>; again: boolean }>();
  let closed = false;

  return {
    wake,
    settled: async (id) => underWay.get(id)?.promise,
    async cancel(id) {
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
    const mine = { promise: Promise.resolve(), again: false };
    underWay.set(id, mine);
    mine.promise = wakeNow(id).finally(() => {
      underWay.delete(id);
      // Asked for again while this one failed: the one who asked has been told nothing yet.
      if (mine.again && !deps.awake.get(id)) void wake(id);
    });
    return mine.promise;
  }

  async function wakeNow(id: string): Promise<void> {
    let epoch: number | undefined;
    try {
      const asking = deps.reads.session(id);
      if (!asking || !(await deps.admission.enter(id, asking.group))) return;
      await deps.cleared(id);
      // Read again: it may have waited in line for long.
      const row = deps.reads.session(id);
      if (!row) return;
      const group = deps.group(row.group);
      const folders = sessionFolders(deps.dataDir, row.group, id);
      const { checks, ...equipment } = await equipContainer(deps, group, folders);
      const choice = await deps.images.imageFor(group);
      const ticket = await takeTicket(id, group, folders, choice);
      if (!ticket) return;
      epoch = ticket.epoch;
      const { install, stopGraceMs, maxFileBytes, runtime } = deps;
      const settings = { install, stopGraceMs, maxFileBytes, runtime };
      const fixed = { ...settings, ...equipment, group, session: id, epoch };
      const session = register(id, containerName(install, id), group, folders, ticket);
      const spec = (image: string) => containerSpec({ ...fixed, image });
      await start(session, () => startFrom(session, choice, spec, checks));
    } catch (error) {
      // Nothing was begun: the next host finds the session as it was.
      if (epoch === undefined && asBerthError(error).code === 'E_STOPPING') return;
      const session = deps.awake.get(id);
      if (session) deps.awake.remove(session);
      await deps.onFailed(id, epoch ?? deps.reads.session(id)?.epoch, asBerthError(error, 'E_WAKE'));
    } finally {
      deps.admission.settled(id);
    }
  }

  /** An image that somebody removed is no reason to fail: there is another one, and the agent is told. */
  async function startFrom(
    session: AwakeSession,
    choice: ImageChoice,
    spec: (image: string) => ContainerSpec,
    checks: StartChecks | undefined,
  ): Promise<void> {
    try {
      await deps.engine.start(spec(choice.image), checks);
    } catch (error) {
      if (asBerthError(error).code !== 'E_IMAGE_MISSING') throw error;
      const other = await deps.images.imageGone(session.group, choice.image);
      await deps.writer.run('describe', { session: session.id, body: sessionBody(session.group, other) });
      await deps.engine.start(spec(other.image), checks);
    }
  }

  function takeTicket(
    id: string,
    group: Group,
    folders: SessionFolders,
    choice: ImageChoice,
  ): Promise<WakeTicket | undefined> {
    return deps.writer.run('beginWake', {
      session: id,
      holder: deps.install,
      now: deps.clock.now(),
      inbound: join(folders.in, 'inbound.db'),
      body: sessionBody(group, choice),
    });
  }

  function register(
    id: string,
    container: string,
    group: Group,
    folders: SessionFolders,
    ticket: WakeTicket,
  ): AwakeSession {
    const session: AwakeSession = {
      id,
      group,
      container,
      folders,
      epoch: ticket.epoch,
      state: 'waking',
      cursor: ticket.cursor,
      open: new Map(ticket.waiting.map((message) => [message.id, message])),
      early: new Set(),
      processing: new Set(),
      activeAt: deps.clock.monotonic(),
      freezeFrom: 0,
      wakeAgain: false,
      outdated: false,
      watch: undefined,
      started: Promise.withResolvers(),
      over: Promise.withResolvers(),
    };
    deps.awake.add(session);
    return session;
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

function sessionBody(group: Group, { notice }: ImageChoice): SessionBody {
  const notices = notice === undefined ? [] : [notice];
  return { group: group.folder, agent: group.agent, turnLimitMs: group.limits.turnMs, notices };
}

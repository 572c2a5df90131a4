import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { SessionBody } from '../../contract/bodies.ts';
import { type AwakeSession, type AwakeSessions, awakeSession, isWorking } from '../awake/awake-session.ts';
import type { Clock } from '../clock.ts';
import type { ContainerSpec, Engine, FoundContainer } from '../engines/engine.ts';
import type { Group } from '../groups/group.ts';
import type { LedgerReads, SessionRow } from '../ledger/ledger-reads.ts';
import type { Logger } from '../log.ts';
import type { SessionFolders } from '../mailbox/session-folders.ts';
import type { SlowLooks } from '../mailbox/slow-looks.ts';
import type { Writer } from '../writer/writer.ts';
import { hasLooked } from './has-looked.ts';
import { type Fate, judgeFound } from './judge-found.ts';
import type { Strays } from './remove-strays.ts';

interface ImageChoice {
  image: string;
  notice?: string | undefined;
}

/** What a container of a session would be started with now. */
interface Plan {
  group: Group;
  folders: SessionFolders;
  spec(epoch: number, image: string): ContainerSpec;
  body(choice: ImageChoice): SessionBody;
}

/** A container that is somebody's, with all that is known of it. */
interface Found {
  container: FoundContainer;
  row: SessionRow;
  plan: Plan;
  spec: ContainerSpec;
  body: SessionBody;
}

export interface AdoptDependencies {
  engine: Engine;
  writer: Writer;
  reads: LedgerReads;
  slowLooks: SlowLooks;
  strays: Strays;
  awake: AwakeSessions;
  clock: Clock;
  log: Logger;
  install: string;
  containerOf(session: string): string;
  plan(session: SessionRow): Promise<Plan>;
  /** What a group's next container starts from. */
  images: { imageNow(group: Group): ImageChoice };
  /** From now on: begin to watch. */
  onAdopting(session: AwakeSession): void;
  collect(session: AwakeSession): Promise<unknown>;
  /** Makes a paused container go on. */
  thaw(session: AwakeSession): Promise<void>;
  /** Ends the session's container, and wakes it again for what waits. */
  retire(session: AwakeSession): void;
  onStuck(session: string, reason: string): Promise<void>;
}

/** For how long an `inbound.db` that cannot be opened is tried again, in milliseconds: its reader may be at it just now. */
const ATTACH_LIMIT_MS = 5000;
const ATTACH_AGAIN_MS = 10;

interface Adopted {
  session: AwakeSession;
  known: Found;
  fate: Fate;
}

interface Outcome {
  /** Sessions that were adopted. */
  adopted: string[];
  /** Sessions that had a container. */
  found: Set<string>;
  /** Opens the way to the adopted ones, in the background; what is asked of the writer from then on finds it open. */
  open(): Promise<void>;
}

/**
 * At the host's start: of the containers that an earlier host left, those that are still as they should be are adopted, and their
 * turns go on undisturbed; the others finish their turn and are stopped; strays are removed.
 *
 * @param found all that bear the install's label.
 */
export async function adoptSessions(deps: AdoptDependencies, found: FoundContainer[]): Promise<Outcome> {
  const rows = new Map(deps.reads.liveSessions().map((row) => [row.id, row]));
  const images = new Map<string, Promise<string | undefined>>();
  const swept = sweep();
  const settled = await Promise.all(found.map((container) => settle(container)));
  await swept;
  const adopted = settled.filter((one) => one !== undefined);
  const removed = found.length - adopted.length;
  if (found.length > 0) deps.log.info({ adopted: adopted.length, removed }, 'containers of an earlier host');
  return {
    adopted: adopted.map(({ session }) => session.id),
    found: new Set(found.map(({ labels }) => labels.session)),
    open: async () => void (await Promise.all(adopted.map(takeOver))),
  };

  async function sweep(): Promise<void> {
    await deps.engine.sweep(deps.install, deps.containerOf('')).catch((error: unknown) => {
      deps.log.warn({ err: error }, 'what gone containers left could not be removed');
    });
  }

  /** @returns `undefined`: it was not adopted. */
  async function settle(container: FoundContainer): Promise<Adopted | undefined> {
    const row = rows.get(container.labels.session);
    const known = row && (await lookUp(container, row));
    const imageId = known && (await currentId(known.spec.image));
    const fate = judgeFound(container, row, known && { spec: known.spec.labels.spec, imageId });
    const session = fate === 'stray' || !known ? undefined : await adopt(known);
    if (session && known) {
      session.retiring = fate !== 'adopt';
      deps.onAdopting(session);
      await deps.collect(session);
      return { session, known, fate };
    }
    const { name, labels } = container;
    deps.log.warn(
      { container: name, labels, state: row?.state },
      'a container that nothing needs is removed',
    );
    await deps.strays.remove(name, labels.session);
    return undefined;
  }

  /** `undefined`: its group is gone or broken, and nothing is known of what it should be. */
  async function lookUp(container: FoundContainer, row: SessionRow): Promise<Found | undefined> {
    try {
      const plan = await deps.plan(row);
      const choice = deps.images.imageNow(plan.group);
      const spec = plan.spec(container.labels.epoch, choice.image);
      return { container, row, plan, spec, body: plan.body(choice) };
    } catch (error) {
      deps.log.warn(
        { err: error, session: row.id },
        'nothing can be started for a session that has a container',
      );
      return undefined;
    }
  }

  function currentId(image: string): Promise<string | undefined> {
    const asked = images.get(image) ?? deps.engine.imageId(image).catch(() => undefined);
    images.set(image, asked);
    return asked;
  }

  async function adopt({ container, row, plan, spec }: Found): Promise<AwakeSession | undefined> {
    const { id, epoch, startedAt } = row;
    const { group, folders } = plan;
    // Its start was under way: without a first look nobody knows what it is at.
    if (row.state === 'waking' && !(await hasLooked({ id, folders, epoch }, deps.slowLooks)))
      return undefined;
    const state = container.paused ? 'frozen' : 'awake';
    const ticket = await deps.writer.run('adopt', { session: id, epoch, now: deps.clock.now(), to: state });
    if (!ticket) return undefined;
    const activeAt = deps.clock.monotonic();
    const rest = { epoch, spec, startedAt, cursor: ticket.cursor, activeAt, container: container.name };
    const session = awakeSession({ id, group, folders, state, ...rest }, ticket.waiting);
    session.started.resolve();
    deps.awake.add(session);
    return session;
  }

  /** What it wrote meanwhile is collected before its file is opened: what it works on is not to be taken away. */
  async function takeOver({ session, known: { row, body }, fate }: Adopted): Promise<void> {
    const { id, epoch, retiring } = session;
    const inbound = join(session.folders.in, 'inbound.db');
    const only = retiring ? { only: [...session.processing] } : {};
    const args = { session: id, epoch, inbound, body, ...only };
    if (session.state !== 'stopping') void attachSoon(session, args);
    if (session.state === 'frozen') await thawIfNeeded(session);
    else if (row.state === 'freezing' || row.state === 'frozen')
      await deps.writer.run('control', { session: id, epoch, now: deps.clock.now(), verb: 'unpark' });
    if (fate === 'stop' || (retiring && session.processing.size === 0)) deps.retire(session);
  }

  /** One that is paused and has nothing to do sleeps on: the next message thaws it. */
  async function thawIfNeeded(session: AwakeSession): Promise<void> {
    if (isWorking(session, deps.clock.now(), deps.reads.isDue)) await deps.thaw(session);
    else session.watch?.rest();
  }

  async function attach(args: AttachArguments): Promise<boolean> {
    try {
      await deps.writer.run('attach', { ...args, now: deps.clock.now() });
      return true;
    } catch {
      return false; // it is tried again, and said when that does not help
    }
  }

  async function attachSoon(session: AwakeSession, args: AttachArguments): Promise<void> {
    if (await attach(args)) return;
    const until = deps.clock.monotonic() + ATTACH_LIMIT_MS;
    while (deps.clock.monotonic() < until && deps.awake.get(session.id) === session) {
      await sleep(ATTACH_AGAIN_MS);
      if (await attach(args)) return;
    }
    if (deps.awake.get(session.id) === session)
      await deps.onStuck(session.id, 'inbound.db could not be opened beside it');
  }
}

interface AttachArguments {
  session: string;
  epoch: number;
  inbound: string;
  body: SessionBody;
  only?: string[];
}

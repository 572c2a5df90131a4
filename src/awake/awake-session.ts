import type { ContainerSpec } from '../engines/engine.ts';
import type { Group } from '../groups/group.ts';
import type { Cursor, SessionState, WaitingMessage } from '../ledger/rows.ts';
import type { SessionFolders } from '../mailbox/session-folders.ts';
import type { OutboundWatch } from '../mailbox/watch-outbound.ts';

/** A freeze that is being tried. */
export interface FreezeUnderWay {
  /** What a look found in the runner's row. */
  hear(runner: { epoch: number; controlSeq: number; parked: boolean }): void;
  /** Waits for the runner's word no longer. */
  callOff(): void;
  /** Resolves when the session is frozen, or awake after all. */
  readonly over: Promise<void>;
}

/**
 * What the main thread keeps of a session that is not asleep: its container, and what it has in hand. It can be lost at
 * any time without loss: the rows are the truth.
 */
export interface AwakeSession {
  readonly id: string;
  /** As of the wake, but for the periods of idleness, which take effect at once. */
  group: Group;
  /** The group was changed since: the container is replaced as soon as it is idle. */
  outdated: boolean;
  readonly container: string;
  readonly folders: SessionFolders;
  readonly epoch: number;
  /** What the container was started with, as far as this host knows: one that it adopted may differ. */
  spec: ContainerSpec | undefined;
  /** When its start began, Unix milliseconds. */
  readonly startedAt: number;
  /** Mirrors the row in the ledger, which is the lock. */
  state: SessionState;
  cursor: Cursor;
  /** Messages without an answer, by id. */
  readonly open: Map<string, WaitingMessage>;
  /** Messages whose reply was found before the ledger's word came that they are accepted; cleared now and then. */
  readonly early: Set<string>;
  /** Of the open ones, those that the last look found claimed. */
  readonly processing: Set<string>;
  /** Monotonic milliseconds of the last message or reply: what the idle deadline counts from. */
  activeAt: number;
  /** Set while it is `freezing`, and until the engine has paused. */
  freezing?: FreezeUnderWay | undefined;
  /** Monotonic milliseconds before which it is not frozen: the last try came to nothing. */
  freezeFrom: number;
  /** A message came while the container was stopping: it is started again right away. */
  wakeAgain: boolean;
  /** An earlier host left it, and it is not what would be started now: it ends after its turn and gets no new messages. */
  retiring: boolean;
  /** What the last look found the runner to say of itself. */
  life: SignsOfLife;
  /** Watches what the container writes; released when the session is over. */
  watch: OutboundWatch | undefined;
  /** Resolves with the first look of the runner; rejects when there will be none. */
  readonly started: PromiseWithResolvers<void>;
  /** Resolves when the engine tells that its container has ended. */
  readonly ended: PromiseWithResolvers<void>;
  /** Resolves once the session is asleep again and nothing of it is left in memory. */
  readonly over: PromiseWithResolvers<void>;
}

/** What a runner says of its work; the times are the container's own and mean nothing but to each other. */
interface SignsOfLife {
  /** Differs after each sign of life of the provider. */
  activityAt: number | null;
  /** Until when silence is normal. */
  toolUntil: number | null;
}

/** What it takes to collect what a session's container wrote, also when the container is gone. */
export type CollectableSession = Pick<
  AwakeSession,
  | 'id'
  | 'epoch'
  | 'folders'
  | 'cursor'
  | 'open'
  | 'early'
  | 'processing'
  | 'activeAt'
  | 'started'
  | 'freezing'
  | 'life'
>;

type Beginning = Pick<
  AwakeSession,
  'id' | 'group' | 'container' | 'folders' | 'epoch' | 'spec' | 'startedAt' | 'state' | 'cursor' | 'activeAt'
>;

/** A session that begins to be awake, or is found so. */
export function awakeSession(beginning: Beginning, waiting: readonly WaitingMessage[]): AwakeSession {
  return {
    ...beginning,
    open: new Map(waiting.map((message) => [message.id, message])),
    early: new Set(),
    processing: new Set(),
    freezeFrom: 0,
    wakeAgain: false,
    outdated: false,
    retiring: false,
    life: { activityAt: null, toolUntil: null },
    watch: undefined,
    started: Promise.withResolvers(),
    ended: Promise.withResolvers(),
    over: Promise.withResolvers(),
  };
}

/**
 * Mirrors a change that the ledger has just answered, unless the state here is another by now: while it was asked the container may
 * have died, and then its burial alone goes on. @returns whether it may go on.
 */
export function enterState(session: AwakeSession, to: SessionState, ...from: SessionState[]): boolean {
  if (!from.includes(session.state)) return false;
  session.state = to;
  return true;
}

/**
 * Whether a message is being worked on, or waits for an answer.
 * @param dueBy one that may not be taken up before then does not count; Unix milliseconds.
 * @param isDue asked where one does not: does another, or does all that is left wait behind it?
 */
export function isWorking(
  { id, processing, open }: Pick<AwakeSession, 'id' | 'processing' | 'open'>,
  dueBy = Number.POSITIVE_INFINITY,
  isDue: (session: string, now: number) => boolean = () => true,
): boolean {
  if (processing.size > 0) return true;
  const waiting = [...open.values()];
  if (!waiting.some(({ wake, dueAt }) => wake && dueAt <= dueBy)) return false;
  return waiting.every(({ dueAt }) => dueAt <= dueBy) || isDue(id, dueBy);
}

/** All sessions that are not asleep, by id and by the name of their container. */
export class AwakeSessions {
  readonly #byId = new Map<string, AwakeSession>();
  readonly #byContainer = new Map<string, AwakeSession>();
  readonly #onRemoved: () => void;

  /** @param onRemoved called each time that a container is gone. */
  constructor(onRemoved: () => void = () => undefined) {
    this.#onRemoved = onRemoved;
  }

  add(session: AwakeSession): void {
    this.#byId.set(session.id, session);
    this.#byContainer.set(session.container, session);
  }

  remove(session: AwakeSession): void {
    if (this.#byId.get(session.id) !== session) return;
    this.#byId.delete(session.id);
    this.#byContainer.delete(session.container);
    session.watch?.release();
    session.over.resolve();
    this.#onRemoved();
  }

  get(id: string): AwakeSession | undefined {
    return this.#byId.get(id);
  }

  ofContainer(name: string): AwakeSession | undefined {
    return this.#byContainer.get(name);
  }

  /** A message that is over, or whose chat is gone: nobody waits for its answer any more. */
  forget(id: string, message: string): void {
    const session = this.#byId.get(id);
    session?.open.delete(message);
    session?.processing.delete(message);
  }

  all(): AwakeSession[] {
    return [...this.#byId.values()];
  }
}

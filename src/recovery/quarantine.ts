import { execFile } from 'node:child_process';
import { mkdir, readdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { AwakeSession } from '../awake/awake-session.ts';
import type { Clock } from '../clock.ts';
import { BerthError } from '../errors.ts';
import type { OutboxRow } from '../ledger/rows.ts';
import type { Logger } from '../log.ts';
import type { Writer } from '../writer/writer.ts';
import { within } from './within.ts';

interface Dependencies {
  writer: Writer;
  clock: Clock;
  log: Logger;
  /** Resolves when no wake of the session is under way. */
  settled(session: string): Promise<void>;
  /** Ends the container at once, without looking at its files again. */
  stopBroken(session: AwakeSession): Promise<void>;
  onEvents(events: OutboxRow[]): void;
  onRetryAt(session: string, at: number): void;
}

/** For how long whoever waits is not told, because the container is still being ended; in milliseconds. */
const PATIENCE_MS = 5000;
/** When the session is looked at again if nobody could be told, in milliseconds. */
const AGAIN_MS = 10_000;

/**
 * A session whose `out/` breaks the contract: its container is ended, the folder is put aside for whoever wants to
 * look (the newest one only), and who waits is told. The next message gets a new container with an empty folder.
 */
export function createQuarantine(deps: Dependencies) {
  const underWay = new Map<string, Promise<void>>();

  return {
    quarantine(session: AwakeSession, error: unknown): void {
      if (underWay.has(session.id)) return;
      const done = putAside(session, error as Error)
        .catch((failure: unknown) => {
          deps.log.error({ err: failure, session: session.id }, 'a broken session could not be put aside');
          // Should somebody wait yet, the next container finds the same, and this is done again.
          if (session.open.size > 0) deps.onRetryAt(session.id, deps.clock.now() + AGAIN_MS);
        })
        .finally(() => underWay.delete(session.id));
      underWay.set(session.id, done);
    },

    /** Resolves when nothing of the session is just being put aside: its next container must not get that folder. */
    cleared: async (session: string): Promise<void> => underWay.get(session),
  };

  async function putAside(session: AwakeSession, error: Error): Promise<void> {
    const reason = `What the agent's container wrote cannot be read: ${error.message}`;
    deps.log.error({ err: error, code: 'E_OUTBOUND_INVALID', session: session.id }, reason);
    // While it wakes, the wake itself ends the container and tells who waits.
    session.started.reject(new BerthError('E_OUTBOUND_INVALID', reason, error));
    // It may have had its first look already: then it is awake in a moment, and has to be stopped.
    if (session.state === 'waking') await deps.settled(session.id);
    const stopped = deps.stopBroken(session).then(() => session.over.promise);
    await within(stopped, PATIENCE_MS);
    // First of all: an engine that hangs or a full disk must not keep the words from whoever waits.
    await tellWhoWaits(session, reason);
    await stopped;
    await moveAway(session);
  }

  async function tellWhoWaits(session: AwakeSession, reason: string): Promise<void> {
    const now = deps.clock.now();
    const messages = [...session.open.values()].map(({ id, attempt }) => ({ id, attempt, dueAt: null }));
    const told = { session: session.id, code: 'E_OUTBOUND_INVALID', reason, now };
    const { events, ended } = await deps.writer.run('afterCrash', { ...told, messages });
    for (const id of ended) session.open.delete(id);
    deps.onEvents(events);
    await deps.writer.run('recordError', told);
  }

  async function moveAway({ id, folders }: AwakeSession): Promise<void> {
    const shelf = join(folders.root, 'broken');
    await mkdir(shelf, { recursive: true, mode: 0o700 });
    const older = await readdir(shelf);
    await rename(folders.out, join(shelf, `out-${deps.clock.now()}`)).catch(
      (error: NodeJS.ErrnoException) => {
        if (error.code !== 'ENOENT') throw error;
      },
    );
    // Nobody waits for it: a hostile folder can have a million entries.
    if (older.length > 0) void removeAll(id, shelf, older);
  }

  /** In a process of its own, whose work is nobody's event loop's. */
  async function removeAll(session: string, folder: string, names: string[]): Promise<void> {
    try {
      const paths = names.map((name) => join(folder, name));
      await promisify(execFile)('rm', ['-rf', '--', ...paths]);
    } catch (error) {
      deps.log.warn({ err: error, session }, 'an older broken folder could not be removed');
    }
  }
}

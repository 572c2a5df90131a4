import { mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { AwakeSession } from '../awake/awake-session.ts';
import type { Clock } from '../clock.ts';
import { BerthError } from '../errors.ts';
import type { OutboxRow } from '../ledger/rows.ts';
import type { Logger } from '../log.ts';
import type { Writer } from '../writer/writer.ts';

interface Dependencies {
  writer: Writer;
  clock: Clock;
  log: Logger;
  /** Ends the container at once, without looking at its files again. */
  stopBroken(session: AwakeSession): Promise<void>;
  onEvents(events: OutboxRow[]): void;
}

/**
 * A session whose `out/` breaks the contract: its container is ended, the folder is put aside for whoever wants to
 * look (the newest one only), and who waits is told. The next message gets a new container with an empty folder.
 */
export function createQuarantine(
  deps: Dependencies,
): (session: AwakeSession, error: unknown) => Promise<void> {
  const underWay = new Set<string>();

  return async function quarantine(session, error) {
    if (underWay.has(session.id)) return;
    underWay.add(session.id);
    try {
      await putAside(session, error as Error);
    } catch (failure) {
      deps.log.error({ err: failure, session: session.id }, 'a broken session could not be put aside');
    } finally {
      underWay.delete(session.id);
    }
  };

  async function putAside(session: AwakeSession, error: Error): Promise<void> {
    const reason = `What the agent's container wrote cannot be read: ${error.message}`;
    deps.log.error({ err: error, code: 'E_OUTBOUND_INVALID', session: session.id }, reason);
    const now = deps.clock.now();
    // While it wakes, the wake itself ends the container and tells who waits.
    session.started.reject(new BerthError('E_OUTBOUND_INVALID', reason, error));
    await deps.stopBroken(session);
    await session.over.promise;
    await moveAway(session);
    const messages = [...session.open.values()].map(({ id, attempt }) => ({ id, attempt, dueAt: null }));
    const result = await deps.writer.run('afterCrash', {
      session: session.id,
      code: 'E_OUTBOUND_INVALID',
      reason,
      now,
      messages,
    });
    await deps.writer.run('recordError', { session: session.id, code: 'E_OUTBOUND_INVALID', reason, now });
    deps.onEvents(result.events);
  }

  async function moveAway(session: AwakeSession): Promise<void> {
    const broken = join(session.folders.root, 'broken');
    await rm(broken, { recursive: true, force: true });
    await mkdir(broken, { mode: 0o700 });
    await rename(session.folders.out, join(broken, 'out')).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error;
    });
  }
}

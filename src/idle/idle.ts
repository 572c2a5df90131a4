import type { AwakeSession, AwakeSessions } from '../awake/awake-session.ts';
import type { Clock } from '../clock.ts';
import type { Engine } from '../engines/engine.ts';
import type { Logger } from '../log.ts';
import type { Release } from '../release-stack.ts';
import type { Writer } from '../writer/writer.ts';
import { createFreeze } from './freeze-session.ts';
import { watchIdle } from './reset-idle.ts';
import { createStop, type StopReason } from './stop-session.ts';
import { createThaw } from './thaw-session.ts';

interface Dependencies {
  writer: Writer;
  engine: Engine;
  awake: AwakeSessions;
  clock: Clock;
  log: Logger;
  stopGraceMs: number;
  collect(session: AwakeSession): Promise<void>;
  /** A message came too late for the container that is gone now. */
  wake(session: string): void;
  onFatal(error: Error): void;
}

export interface Idle {
  /** Ends the session's container. */
  stop(session: AwakeSession, reason: StopReason): Promise<void>;
  /** Makes a container that is frozen, or was to be, go on. */
  thaw(session: AwakeSession): Promise<void>;
  /** Looks at nobody any more. */
  release: Release;
}

/** The stage for containers in which nobody talks, its parts wired together: the rest of the host sees them as one. */
export function createIdle(deps: Dependencies): Idle {
  const stop = createStop({ ...deps, onAsleep: ({ id }, again) => void (again && deps.wake(id)) });
  const thaw = createThaw(deps);
  const freeze = createFreeze({ ...deps, thaw });
  const release = watchIdle({
    ...deps,
    onIdle: (session, does) =>
      (does === 'freeze' ? freeze(session) : stop(session, 'idle')).catch(deps.onFatal),
  });
  return { stop, thaw, release };
}

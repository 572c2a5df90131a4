import type { AwakeSession, AwakeSessions } from './awake/awake-session.ts';
import type { Clock } from './clock.ts';
import type { Engine } from './engines/engine.ts';
import type { GroupRegistry } from './groups/group-registry.ts';
import { createFreeze } from './idle/freeze-session.ts';
import { createNoteChange } from './idle/note-change.ts';
import { watchIdle } from './idle/reset-idle.ts';
import { createStop } from './idle/stop-session.ts';
import { createThaw } from './idle/thaw-session.ts';
import type { LedgerReads } from './ledger/ledger-reads.ts';
import type { Logger } from './log.ts';
import type { ReleaseStack } from './release-stack.ts';
import type { Writer } from './writer/writer.ts';

interface Dependencies {
  writer: Writer;
  engine: Engine;
  awake: AwakeSessions;
  clock: Clock;
  reads: LedgerReads;
  log: Logger;
  groups: GroupRegistry;
  stopGraceMs: number;
  releases: ReleaseStack;
  collect(session: AwakeSession): Promise<unknown>;
  onNotStopped(session: AwakeSession): void;
  onAsleep(session: AwakeSession, again: boolean): void;
  onFatal(error: Error): void;
}

/** What happens to a container in which nobody talks: it freezes, it stops, it is replaced when its group was changed. */
export function wireIdle(deps: Dependencies) {
  const { awake, groups, releases, onFatal } = deps;
  const stop = createStop(deps);
  const thaw = createThaw(deps);
  const freeze = createFreeze({ ...deps, thaw });
  const onIdle = (session: AwakeSession, does: 'freeze' | 'stop' | 'replace') =>
    does === 'freeze' ? freeze(session) : stop(session, does === 'stop' ? 'idle' : 'replaced');
  releases.add(
    'idle watch',
    watchIdle({ ...deps, onIdle: (session, does) => onIdle(session, does).catch(onFatal) }),
  );
  releases.add('group changes', groups.onChange(createNoteChange(awake)));
  return { stop, thaw };
}

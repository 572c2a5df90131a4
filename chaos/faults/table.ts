import type { FaultKind } from '../fault-kinds.ts';
import type { Room } from '../room.ts';
import type { PlannedFault } from '../schedule.ts';
import * as containers from './containers.ts';
import { hostKilled, hostStopped } from './host.ts';
import * as sends from './sends.ts';
import * as surroundings from './surroundings.ts';

interface Fault {
  /** @returns what it was done to; `undefined`: there was nothing to do it to. */
  inject(room: Room, fault: PlannedFault): Promise<string | undefined>;
  /** Such faults follow one another; all the others come whatever else goes on. */
  inTurn?: true;
}

export const FAULTS: Record<FaultKind, Fault> = {
  'host killed at a failpoint': { inject: hostKilled, inTurn: true },
  'host stopped and started': { inject: hostStopped, inTurn: true },
  'container killed': { inject: containers.containerKilled },
  'container out of memory': { inject: containers.containerOutOfMemory },
  'container stopped by SIGSTOP': { inject: containers.containerStopped },
  'container paused from outside': { inject: containers.containerPaused },
  'container removed by force': { inject: containers.containerRemoved },
  'image removed': { inject: surroundings.imageRemoved, inTurn: true },
  'engine restarted': { inject: surroundings.engineRestarted, inTurn: true },
  'engine killed': { inject: surroundings.engineKilled, inTurn: true },
  'send fails': { inject: sends.sendFails },
  'send is refused': { inject: sends.sendRefused },
  'send is rate-limited': { inject: sends.sendRateLimited },
  'send hangs': { inject: sends.sendHangs },
  'send succeeds and reports a timeout': { inject: sends.sendLies },
  'disk full': { inject: surroundings.diskFull, inTurn: true },
  'clock jumps': { inject: surroundings.clockJumps },
};

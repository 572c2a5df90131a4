import type { EngineApi } from '../engine-api.ts';
import { PLACES } from '../places.ts';
import type { Room } from '../room.ts';
import { sayToSlow } from '../say.ts';
import type { PlannedFault } from '../schedule.ts';
import { pause } from '../until.ts';
import { findContainer } from './find-container.ts';

type Deed = (engine: EngineApi, id: string, chance: number) => Promise<unknown>;

/** How long half of the containers that are stopped by SIGSTOP stay so, in milliseconds; the others stay so for ever. */
const STOPPED_MS = 3_000;
/** How long a container that is to run out of memory has to work. */
const OUT_OF_MEMORY_WORK_MS = 3_000;

const kill: Deed = (engine, id) => engine.ask('POST', `/containers/${id}/kill?signal=KILL`);

const remove: Deed = (engine, id) => engine.ask('DELETE', `/containers/${id}?force=1&v=1`);

/** A process that enters a container while that is being paused hangs for ever, and with it what the engine asks of the container. */
let entered: Promise<unknown> = Promise.resolve();

const pauseIt: Deed = async (engine, id) => {
  await entered;
  await engine.ask('POST', `/containers/${id}/pause`);
};

/** Fills a folder in memory, which counts against the container's limit, until the kernel kills somebody in it. */
async function runOutOfMemory(engine: EngineApi, id: string): Promise<void> {
  const fill = ['sh', '-c', 'for n in 1 2 3 4; do cat /dev/zero > /tmp/chaos-$n; done'];
  const { Id } = await engine.ask<{ Id: string }>('POST', `/containers/${id}/exec`, { Cmd: fill });
  const entering = engine.ask('POST', `/exec/${Id}/start`, { Detach: true });
  entered = Promise.allSettled([entered, entering]);
  await entering;
}

const stopProcesses: Deed = async (engine, id, chance) => {
  const { Processes = [] } = await engine.ask<{ Processes: string[][] }>('GET', `/containers/${id}/top`);
  const pids = Processes.map(([, pid]) => Number(pid));
  const signal = (name: NodeJS.Signals) => {
    for (const pid of pids) {
      try {
        process.kill(pid, name);
      } catch {
        // It has ended meanwhile.
      }
    }
  };
  signal('SIGSTOP');
  if (chance < 0.5) setTimeout(() => signal('SIGCONT'), STOPPED_MS);
};

/** Does that to a container that works or waits; what happens to be none any more is looked for again. */
function toContainer(deed: Deed) {
  return async (room: Room, { place, chance }: PlannedFault): Promise<string | undefined> => {
    for (let tries = 0; tries < 3; tries++) {
      const found = await findContainer(room, place);
      if (!found) return undefined;
      const done = await deed(room.engine.api, found.id, chance).then(
        () => true,
        () => false,
      );
      if (done) return found.chat;
    }
    return undefined;
  };
}

export const containerKilled = toContainer(kill);
export const containerRemoved = toContainer(remove);
export const containerPaused = toContainer(pauseIt);
export const containerStopped = toContainer(stopProcesses);

/** One that works: the host does not pause it meanwhile. */
export async function containerOutOfMemory(room: Room, fault: PlannedFault): Promise<string | undefined> {
  const place = sayToSlow(room, fault, OUT_OF_MEMORY_WORK_MS);
  await pause(OUT_OF_MEMORY_WORK_MS / 3);
  const found = await findContainer(room, place);
  if (!found || found.chat !== PLACES[place]?.chat) return undefined;
  await runOutOfMemory(room.engine.api, found.id);
  return found.chat;
}

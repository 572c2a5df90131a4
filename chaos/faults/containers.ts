import type { EngineApi } from '../engine-api.ts';
import type { Room } from '../room.ts';
import type { PlannedFault } from '../schedule.ts';
import { findContainer } from './find-container.ts';

type Deed = (engine: EngineApi, id: string, chance: number) => Promise<unknown>;

/** How long half of the containers that are stopped by SIGSTOP stay so, in milliseconds; the others stay so for ever. */
const STOPPED_MS = 3_000;

const kill: Deed = (engine, id) => engine.ask('POST', `/containers/${id}/kill?signal=KILL`);

const remove: Deed = (engine, id) => engine.ask('DELETE', `/containers/${id}?force=1&v=1`);

const pauseIt: Deed = (engine, id) => engine.ask('POST', `/containers/${id}/pause`);

/** Fills a folder in memory, which counts against the container's limit, until the kernel kills somebody in it. */
const runOutOfMemory: Deed = async (engine, id) => {
  const fill = ['sh', '-c', 'for n in 1 2 3 4; do cat /dev/zero > /tmp/chaos-$n; done'];
  const { Id } = await engine.ask<{ Id: string }>('POST', `/containers/${id}/exec`, { Cmd: fill });
  await engine.ask('POST', `/exec/${Id}/start`, { Detach: true });
};

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
export const containerOutOfMemory = toContainer(runOutOfMemory);
export const containerStopped = toContainer(stopProcesses);

import type { ChildProcess } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

/** One that runs here, as `/proc` has it. */
export interface Process {
  pid: number;
  parent: number;
  isDead: boolean;
}

/**
 * Processes that the agent left running: whatever lives in this container beside the init, this process and the
 * provider's own. Where we are not alone (no container, or an init that is not our parent), all that descends from us.
 * None where there is no `/proc`: nobody freezes us there.
 *
 * @param own pids of the provider's, which may be frozen with it.
 */
export function lingeringProcesses(
  own: readonly number[],
  self: { pid: number; ppid: number } = process,
): number[] {
  const living = listProcesses().filter(
    ({ pid, isDead }) => !isDead && pid !== self.pid && !own.includes(pid),
  );
  const isOurContainer = self.pid === 1 || self.ppid === 1;
  if (isOurContainer) return living.map(({ pid }) => pid).filter((pid) => pid !== 1);
  return descendants(living, new Set([self.pid, ...own]));
}

/** Pids of all that descends from those in `known`, which grows by them. */
export function descendants(all: readonly Process[], known: Set<number>): number[] {
  const found: number[] = [];
  let before = -1;
  while (found.length > before) {
    before = found.length;
    for (const { pid, parent } of all) {
      if (known.has(pid) || !known.has(parent)) continue;
      known.add(pid);
      found.push(pid);
    }
  }
  return found;
}

/** Ends a program and all that descends from it, whatever process groups those made for themselves. */
export function killWithAll({ pid, exitCode, signalCode }: ChildProcess): void {
  // Of one that has ended the number may be another's by now.
  if (pid === undefined || exitCode !== null || signalCode !== null) return;
  // Looked up first: without their parent they would be anybody's.
  for (const one of [pid, ...descendants(listProcesses(), new Set([pid]))]) {
    try {
      process.kill(one, 'SIGKILL');
    } catch {
      // It has ended.
    }
  }
}

/** All processes that can be seen; none where there is no `/proc`. */
export function listProcesses(): Process[] {
  return entries('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => readProcess(Number(name)) ?? []);
}

function entries(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function readProcess(pid: number): Process | undefined {
  try {
    // The name in parentheses may hold anything, spaces and parentheses included.
    const [state = '', parent = ''] =
      readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ') ?? [];
    return { pid, parent: Number(parent), isDead: state === 'Z' || state === 'X' };
  } catch {
    return undefined; // it has ended meanwhile
  }
}

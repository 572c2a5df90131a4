import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { lstatSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { runModule } from '../run-module.ts';
import type { MemoryAnswer } from './memory-child.ts';
import type { Memory } from './read-memory.ts';

const LIMIT_MS = 5000;
/** How often a file is tried whose writer is in mid-commit. */
const TRIES = 100;
const AGAIN_MS = 20;

/**
 * Reads what runners have noted for themselves, out of files that may be hostile: in a process of its own, which is killed
 * when a file keeps it longer than five seconds.
 */
export function createMemoryReader() {
  let child: ChildProcess | undefined;

  return {
    /** @returns `null` where there is nothing. @throws Error saying why it cannot be had. */
    async read(path: string): Promise<Memory | null> {
      if (!lstatSync(path, { throwIfNoEntry: false })) return null;
      for (let tries = 1; ; tries++) {
        const answer = await ask(path);
        if ('memory' in answer) return answer.memory;
        if (!answer.busy || tries === TRIES) throw new Error(answer.problem);
        await pause(AGAIN_MS);
      }
    },
    close: (): void => void child?.kill('SIGKILL'),
  };

  async function ask(path: string): Promise<MemoryAnswer> {
    child ??= fork(runModule, [new URL('./memory-child.ts', import.meta.url).href], {
      env: {},
      execArgv: [],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    const asked = child;
    const timer = setTimeout(() => asked.kill('SIGKILL'), LIMIT_MS);
    asked.send({ path });
    const answered = once(asked, 'message') as Promise<[MemoryAnswer]>;
    const ended = once(asked, 'exit').then((): [MemoryAnswer] => {
      child = undefined;
      return [{ problem: 'reading outbound.db does not come to an end', busy: false }];
    });
    const [answer] = await Promise.race([answered, ended]);
    clearTimeout(timer);
    return answer;
  }
}

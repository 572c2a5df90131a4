import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/*
 * Where a test may have the host die: right before and right after every commit and every call to the engine. A seam
 * for tests alone (docs/reliability.md). `BERTH_TEST_FAILPOINTS` names a folder; a file in it arms the failpoint whose
 * name it has, and says at how many passes from now the process gets SIGKILL. It is called `….hit` by then.
 */
const folder = process.env.BERTH_TEST_FAILPOINTS;

/** Passes the failpoint of that name. `undefined`, so that a pass costs a comparison, where no test asks for them. */
export const failpoint: ((name: string) => void) | undefined = folder
  ? (name) => pass(join(folder, name.replaceAll(' ', '-')))
  : undefined;

function pass(armed: string): void {
  let left: number;
  try {
    left = Number(readFileSync(armed, 'utf8'));
  } catch {
    return;
  }
  if (left > 1) {
    writeFileSync(armed, String(left - 1));
    return;
  }
  renameSync(armed, `${armed}.hit`);
  process.kill(process.pid, 'SIGKILL');
}

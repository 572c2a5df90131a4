import { execFile } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { wallArguments } from './bubblewrap.ts';

/** What keeps a child process apart: bubblewrap, or no more than another user id. */
export type Isolation =
  | { kind: 'bubblewrap'; program: string }
  /** `setpriv`: whether that program is there; it makes the process die with the host and unable to gain rights. */
  | { kind: 'bare'; setpriv: string | undefined };

const PROBE_LIMIT_MS = 5_000;
const NOBODY = { uid: 65534, gid: 65534 };

/** Tries once what a runner's walls need: bubblewrap may be installed and yet forbidden, as in many containers. */
export async function probeIsolation(): Promise<Isolation> {
  const program = findProgram('bwrap');
  if (program && (await succeeds(program, [...wallArguments(NOBODY, 'none'), 'true'])))
    return { kind: 'bubblewrap', program };
  const setpriv = findProgram('setpriv');
  const knowsOurOptions =
    setpriv && (await succeeds(setpriv, ['--pdeathsig', 'KILL', '--no-new-privs', 'true']));
  return { kind: 'bare', setpriv: knowsOurOptions ? setpriv : undefined };
}

function findProgram(name: string): string | undefined {
  const folders = (process.env.PATH ?? '').split(delimiter).filter(Boolean);
  return folders.map((folder) => join(folder, name)).find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

async function succeeds(program: string, args: string[]): Promise<boolean> {
  try {
    await promisify(execFile)(program, args, { timeout: PROBE_LIMIT_MS });
    return true;
  } catch {
    return false;
  }
}

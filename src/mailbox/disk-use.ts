import { spawn } from 'node:child_process';
import { inSize } from '../size.ts';
import type { SessionFolders } from './session-folders.ts';

/** What a session may fill, against its group's limit. Sizes are bytes. */
export interface DiskUse {
  /** What is past the limit, in words; `undefined`: nothing is. */
  over: string | undefined;
  /** Room until the limit, of whatever is nearest to it. */
  left: number;
}

interface Question {
  folders: Pick<SessionFolders, 'home' | 'out'>;
  /** `/group`, which the group's sessions share: the same limit again. */
  workspace: string;
  limitBytes: number;
}

interface Asked extends Question {
  /** How long the counting may take, in milliseconds: what takes longer has more files than anybody needs. */
  withinMs: number;
  /** Ends the counting: it is not wanted any more. */
  signal?: AbortSignal | undefined;
}

/**
 * Compares what `home/` and `out/` hold together, and what the workspace holds, with the group's limit. Rejects when that cannot
 * be measured, or is given up by `signal`.
 */
export async function diskUse({ withinMs, signal, ...question }: Asked): Promise<DiskUse> {
  const [use] = (await diskUses([question], withinMs, signal)) ?? [];
  return use ?? uncounted(question, withinMs);
}

/** What could not be counted within that time is too much. */
export function uncounted({ folders, workspace }: Question, withinMs: number): DiskUse {
  const { home, out } = folders;
  const over = `${home}, ${out} and ${workspace} hold more files than can be counted in ${withinMs / 1000} s`;
  return { over, left: 0 };
}

/** The same of several sessions, by one process: starting it costs more than the counting. `undefined`: it took longer than that. */
export async function diskUses(
  questions: readonly Question[],
  withinMs: number,
  signal: AbortSignal | undefined,
): Promise<DiskUse[] | undefined> {
  const paths = questions.flatMap(({ folders, workspace }) => [folders.home, folders.out, workspace]);
  const sizes = await diskTaken([...new Set(paths)], withinMs, signal);
  return sizes && questions.map((question) => compare(question, (path) => sizes.get(path) ?? 0));
}

function compare({ folders, workspace, limitBytes }: Question, of: (path: string) => number): DiskUse {
  const parts = [
    { what: `${folders.home} and ${folders.out} hold`, bytes: of(folders.home) + of(folders.out) },
    { what: `${workspace} holds`, bytes: of(workspace) },
  ];
  const past = parts.find(({ bytes }) => bytes > limitBytes);
  return {
    over: past && `${past.what} ${inSize(past.bytes)}, and limits.disk allows ${inSize(limitBytes)}`,
    left: limitBytes - Math.max(...parts.map(({ bytes }) => bytes)),
  };
}

/**
 * What each folder takes on its disk, by `du`: a process of its own with the least claim to the processor, which can be killed.
 * A folder that is not there is left out. `undefined`: it took too long.
 */
export function diskTaken(
  paths: string[],
  withinMs: number,
  signal?: AbortSignal,
): Promise<Map<string, number> | undefined> {
  return new Promise((resolve, reject) => {
    const env = { PATH: process.env.PATH, LC_ALL: 'C' };
    const du = spawn('nice', ['-n', '19', 'du', '-skx', '--', ...paths], {
      env,
      stdio: ['ignore', 'pipe', 'ignore'],
      killSignal: 'SIGKILL',
      ...(signal ? { signal } : {}),
    });
    let printed = '';
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      du.kill('SIGKILL');
    }, withinMs);
    du.stdout.on('data', (chunk) => {
      printed += chunk;
    });
    du.once('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
    du.once('close', () => {
      clearTimeout(timer);
      resolve(late ? undefined : parse(printed));
    });
  });
}

/** It ends with 1 when files vanished while it looked: what it counted is good all the same. */
function parse(printed: string): Map<string, number> {
  const rows = printed.split('\n').map((line) => /^(\d+)\t(.*)$/.exec(line));
  return new Map(rows.flatMap((row) => (row ? [[row[2] ?? '', Number(row[1]) * 1024]] : [])));
}

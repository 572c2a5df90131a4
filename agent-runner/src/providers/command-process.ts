import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { TurnError } from './turn-error.ts';

/** More text than this is no reply but an accident. */
export const MOST_OUTPUT_BYTES = 256 * 1024;
/** So much of stderr is kept for the error's words. */
const KEPT_STDERR_CHARACTERS = 4096;
const LONGEST_WORD = 300;
/** EX_TEMPFAIL of sysexits.h: "try again later". */
const EXIT_TRY_AGAIN = 75;

/** The environment of a group's program: our own, with our node last in the PATH, so that `node` is always found. */
export function programEnvironment(): NodeJS.ProcessEnv {
  const path = [process.env.PATH, dirname(process.execPath)].filter(Boolean).join(':');
  return { ...process.env, PATH: path };
}

/** Signals a program and all it started; nothing when it has ended. */
export function signalGroup(pid: number | undefined, signal: NodeJS.Signals): void {
  try {
    if (pid) process.kill(-pid, signal);
  } catch {
    // It has ended.
  }
}

/** What came on stderr: it goes to the container's log, and its end is kept for the words of an error. */
export class Complaint {
  #kept = '';

  take(chunk: Buffer): void {
    process.stderr.write(chunk);
    this.#kept = (this.#kept + chunk.toString()).slice(-KEPT_STDERR_CHARACTERS);
  }

  /** The last line, or where the program was ended by an error that nobody caught: the line that names it, and not what stands below. */
  words(): string {
    const lines = this.#kept.split('\n').filter((line) => line.trim() !== '');
    const uncaught =
      lines.at(-1)?.startsWith('Node.js v') && lines.findLast((line) => /^(\w*Error\b|Uncaught)/.test(line));
    return (uncaught || lines.at(-1) || '').trim().slice(0, LONGEST_WORD);
  }
}

/** Why a program could not be started, in words for a person. */
export function spawnFailure(error: NodeJS.ErrnoException, program: string, cwd: string): TurnError {
  const { code } = error;
  const say = (words: string): TurnError => new TurnError('permanent', words, { cause: error });
  if (code === 'ENOENT' && !existsSync(cwd)) return say(`The group's folder ${cwd} is not there.`);
  if (code === 'ENOENT')
    return say(`The command ${program} was not found (or the interpreter in its first line was not).`);
  if (code === 'EACCES') return say(`The command ${program} cannot be run: it is not executable (chmod +x).`);
  if (code === 'EAGAIN' || code === 'ENOMEM') {
    return new TurnError(
      'transient',
      `The command ${program} could not be started: no room for another process (limits.pids, limits.memory).`,
      { cause: error },
    );
  }
  return say(`The command ${program} could not be started: ${error.message}.`);
}

/** `undefined` when all is well. SIGKILL mostly means that memory ran out, and may pass. */
export function exitFailure(
  code: number | null,
  signal: string | null,
  complaint: Complaint,
): TurnError | undefined {
  if (code === 0) return undefined;
  const words = complaint.words();
  const said = words ? `: ${words}` : '.';
  if (signal === 'SIGKILL')
    return new TurnError(
      'transient',
      `The program was killed, most likely for want of memory (limits.memory)${said}`,
    );
  if (signal) return new TurnError('permanent', `The program was ended by ${signal}${said}`);
  return new TurnError(
    code === EXIT_TRY_AGAIN ? 'transient' : 'permanent',
    `The program exited with code ${code}${said}`,
  );
}

import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { TurnError } from './turn-error.ts';

/** More text than this is no reply but an accident. */
const MOST_OUTPUT_BYTES = 256 * 1024;
const TOO_MUCH = `The program printed more than ${MOST_OUTPUT_BYTES / 1024} KiB and was stopped. Long output belongs into a file.`;
/** So much of stderr is kept for the error's words. */
const KEPT_STDERR_BYTES = 4096;
const LONGEST_WORD = 300;
/** After its end, for what lies in the pipe; a program that it left behind may hold the pipe open for ever. */
const DRAIN_MS = 500;
/** EX_TEMPFAIL of sysexits.h: "try again later". */
const EXIT_TRY_AGAIN = 75;

export interface RunningProgram {
  /** What it printed. @throws TurnError that says how it failed, in words for a person. */
  output: Promise<string>;
  /** SIGTERM to it and all it started, SIGKILL after so many milliseconds. */
  kill(killAfterMs: number): void;
}

/** Runs a program in a process group of its own; its stderr goes to the container's log. */
export function runProgram(options: {
  command: [string, ...string[]];
  cwd: string;
  input: string;
}): RunningProgram {
  const [program, ...args] = options.command;
  const { promise: output, resolve, reject } = Promise.withResolvers<string>();
  // Our own node last in the PATH: `node` is always found.
  const env = {
    ...process.env,
    PATH: [process.env.PATH, dirname(process.execPath)].filter(Boolean).join(':'),
  };
  const child = spawn(program, args, { cwd: options.cwd, env, detached: true, stdio: 'pipe' });
  const printed: Buffer[] = [];
  let bytes = 0;
  let complaint = '';
  let failure: TurnError | undefined;

  let killTimer: NodeJS.Timeout | undefined;

  const kill = (killAfterMs: number): void => {
    signalGroup(child.pid, 'SIGTERM');
    killTimer = setTimeout(() => signalGroup(child.pid, 'SIGKILL'), killAfterMs);
  };
  child.on('error', (error: NodeJS.ErrnoException) => reject(spawnFailure(error, program, options.cwd)));
  child.stdin.on('error', () => {}); // It need not read what we say.
  child.stdin.end(options.input);
  child.stdout.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes <= MOST_OUTPUT_BYTES) {
      printed.push(chunk);
      return;
    }
    failure ??= new TurnError('permanent', TOO_MUCH);
    signalGroup(child.pid, 'SIGKILL');
  });
  child.stderr.on('data', (chunk: Buffer) => {
    process.stderr.write(chunk);
    complaint = (complaint + chunk.toString()).slice(-KEPT_STDERR_BYTES);
  });
  child.on('exit', () => {
    clearTimeout(killTimer);
    // Of a program that was told to end nothing may stay behind.
    if (killTimer) signalGroup(child.pid, 'SIGKILL');
    setTimeout(() => child.stdout.destroy() && child.stderr.destroy(), DRAIN_MS).unref();
  });
  child.on('close', (code, signal) => {
    failure ??= exitFailure(code, signal, complaint);
    if (failure) reject(failure);
    else resolve(Buffer.concat(printed).toString());
  });
  return { output, kill };
}

function signalGroup(pid: number | undefined, signal: NodeJS.Signals): void {
  try {
    if (pid) process.kill(-pid, signal);
  } catch {
    // It has ended.
  }
}

function spawnFailure(error: NodeJS.ErrnoException, program: string, cwd: string): TurnError {
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
function exitFailure(code: number | null, signal: string | null, stderr: string): TurnError | undefined {
  if (code === 0) return undefined;
  const words = lastWords(stderr).slice(0, LONGEST_WORD);
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

/** The last line, or where the program was ended by an error that nobody caught: the line that names it, and not what stands below. */
function lastWords(stderr: string): string {
  const lines = stderr.split('\n').filter((line) => line.trim() !== '');
  const uncaught =
    lines.at(-1)?.startsWith('Node.js v') && lines.findLast((line) => /^(\w*Error\b|Uncaught)/.test(line));
  return (uncaught || lines.at(-1) || '').trim();
}

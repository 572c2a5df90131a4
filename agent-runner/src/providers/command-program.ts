import { spawn } from 'node:child_process';
import {
  Complaint,
  exitFailure,
  MOST_OUTPUT_BYTES,
  programEnvironment,
  signalGroup,
  spawnFailure,
} from './command-process.ts';
import { PrintedLines } from './printed-lines.ts';
import { TurnError } from './turn-error.ts';

const TOO_MUCH = `The program printed more than ${MOST_OUTPUT_BYTES / 1024} KiB and was stopped. Long output belongs into a file.`;
/** After its end, for what lies in the pipe; a program that it left behind may hold the pipe open for ever. */
const DRAIN_MS = 500;

export interface RunningProgram {
  /** What it printed, drafts apart. @throws TurnError that says how it failed, in words for a person. */
  output: Promise<string>;
  /** SIGTERM to it and all it started, SIGKILL after so many milliseconds. */
  kill(killAfterMs: number): void;
}

/** Runs a program in a process group of its own; its stderr goes to the container's log. */
export function runProgram(options: {
  command: [string, ...string[]];
  cwd: string;
  input: string;
  /** It shows what it has so far. */
  onDraft(text: string): void;
}): RunningProgram {
  const [program, ...args] = options.command;
  const { promise: output, resolve, reject } = Promise.withResolvers<string>();
  const child = spawn(program, args, {
    cwd: options.cwd,
    env: programEnvironment(),
    detached: true,
    stdio: 'pipe',
  });
  const printed = new PrintedLines(options.onDraft);
  const complaint = new Complaint();
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
    if (printed.take(chunk)) return;
    failure ??= new TurnError('permanent', TOO_MUCH);
    signalGroup(child.pid, 'SIGKILL');
  });
  child.stderr.on('data', (chunk: Buffer) => complaint.take(chunk));
  child.on('exit', () => {
    clearTimeout(killTimer);
    // Of a program that was told to end nothing may stay behind.
    if (killTimer) signalGroup(child.pid, 'SIGKILL');
    setTimeout(() => child.stdout.destroy() && child.stderr.destroy(), DRAIN_MS).unref();
  });
  child.on('close', (code, signal) => {
    failure ??= exitFailure(code, signal, complaint);
    if (failure) reject(failure);
    else resolve(printed.text());
  });
  return { output, kill };
}

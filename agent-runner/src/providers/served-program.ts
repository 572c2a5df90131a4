import { spawn } from 'node:child_process';
import {
  Complaint,
  exitFailure,
  MOST_OUTPUT_BYTES,
  programEnvironment,
  signalGroup,
  spawnFailure,
} from './command-process.ts';
import { TurnError } from './turn-error.ts';

/** After its end, for what lies in the pipe; a program that it left behind may hold the pipe open for ever. */
const DRAIN_MS = 500;
/** Of a program that is to end: when it is told by SIGTERM, and when it is killed. */
const TERM_MS = 200;
const KILL_MS = 600;
/** Of one that has closed its stdin or stdout: mostly it is ending, and its end tells more. */
const END_MS = 1000;

const TOO_LONG = `The program printed a line of more than ${MOST_OUTPUT_BYTES / 1024} KiB and was stopped. Long output belongs into a file.`;
const TOO_SOON =
  'The program ended with exit code 0 in the middle of the turn. With mode: serve it goes on and reads a line per turn.';
const GOES_ON = 'and went on running: it was stopped. With mode: serve it reads and prints a line per turn.';
const DEAF = `The program closed its stdin ${GOES_ON}`;
const MUTE = `The program closed its stdout ${GOES_ON}`;

export interface ServedProgram {
  readonly pid: number | undefined;
  /** Gives it one JSON line. */
  say(line: object): void;
  /** Nothing of it is left behind. */
  kill(): void;
  /** Closes its stdin, and ends it if it does not end by that. */
  close(): Promise<void>;
}

/**
 * Starts a program that lives on, in a process group of its own; its stderr goes to the container's log.
 * @param options.onLine gets each line of its stdout.
 * @param options.onEnd gets the reason, in words for a person.
 */
export function serveProgram(options: {
  command: [string, ...string[]];
  cwd: string;
  onLine(line: string): void;
  onEnd(why: TurnError): void;
}): ServedProgram {
  const [program, ...args] = options.command;
  // Python collects what it prints to a pipe, and a turn would never end.
  const env = { PYTHONUNBUFFERED: '1', ...programEnvironment() };
  const child = spawn(program, args, { cwd: options.cwd, env, detached: true, stdio: 'pipe' });
  const complaint = new Complaint();
  const gone = Promise.withResolvers<void>();
  let rest: Buffer[] = [];
  let length = 0;
  let failure: TurnError | undefined;

  const kill = (): void => signalGroup(child.pid, 'SIGKILL');
  const end = (why: TurnError): void => {
    gone.resolve();
    options.onEnd(why);
  };
  const endSoon = (words: string): void => {
    setTimeout(() => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      failure ??= new TurnError('permanent', words);
      kill();
    }, END_MS).unref();
  };
  child.on('error', (error: NodeJS.ErrnoException) => end(spawnFailure(error, program, options.cwd)));
  child.stdin.on('error', () => endSoon(DEAF));
  child.stdout.on('end', () => endSoon(MUTE));
  child.stderr.on('data', (chunk: Buffer) => complaint.take(chunk));
  child.stdout.on('data', (chunk: Buffer) => {
    for (let from = 0; !failure; ) {
      const at = chunk.indexOf(10, from);
      const piece = chunk.subarray(from, at === -1 ? chunk.length : at);
      length += piece.length;
      if (length > MOST_OUTPUT_BYTES) {
        failure = new TurnError('permanent', TOO_LONG);
        kill();
        return;
      }
      rest.push(piece);
      if (at === -1) return;
      const line = Buffer.concat(rest).toString();
      rest = [];
      length = 0;
      from = at + 1;
      if (line.trim() !== '') options.onLine(line);
    }
  });
  child.on('exit', () => {
    signalGroup(child.pid, 'SIGKILL');
    setTimeout(() => child.stdout.destroy() && child.stderr.destroy(), DRAIN_MS).unref();
  });
  child.on('close', (code, signal) => {
    if (child.pid)
      end(failure ?? exitFailure(code, signal, complaint) ?? new TurnError('permanent', TOO_SOON));
  });
  return {
    pid: child.pid,
    say: (line) => void child.stdin.write(`${JSON.stringify(line)}\n`),
    kill,
    async close() {
      child.stdin.end();
      const timers = [
        setTimeout(() => signalGroup(child.pid, 'SIGTERM'), TERM_MS),
        setTimeout(kill, KILL_MS),
      ];
      await gone.promise;
      for (const timer of timers) clearTimeout(timer);
    },
  };
}

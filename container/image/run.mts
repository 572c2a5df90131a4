import { spawnSync } from 'node:child_process';

/** Words that a program was called with: those before `--` are for itself, the rest is what a group has declared. */
export function wordsOf(argv: string[]): { own: string[]; items: string[] } {
  const end = argv.indexOf('--');
  return end < 0 ? { own: argv, items: [] } : { own: argv.slice(0, end), items: argv.slice(end + 1) };
}

interface Options {
  env?: Record<string, string>;
  /** None: as long as the build may take. */
  limitMs?: number;
}

/** Runs a command without a shell, its output as it comes; a command that fails ends this program with its exit code. */
export function run(command: string, args: string[], { env, limitMs }: Options = {}): void {
  const { status, signal, error } = spawnSync(command, args, {
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, LC_ALL: 'C', ...env },
    timeout: limitMs,
    killSignal: 'SIGKILL',
  });
  if ((error as NodeJS.ErrnoException | undefined)?.code === 'ETIMEDOUT')
    fail(`${command} ${args[0]} took longer than ${(limitMs ?? 0) / 1000} s`);
  if (error) fail(`${command} cannot be run: ${error.message}`);
  if (status !== 0) fail(`${command} ${args[0]} ended with ${status ?? signal}`, status ?? 1);
}

/** Says why, in one line that the host finds again, and ends. */
export function fail(reason: string, code = 1): never {
  process.stderr.write(`berth: ${reason}\n`);
  process.exit(code);
}

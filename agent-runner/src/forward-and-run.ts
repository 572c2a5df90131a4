import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { WAY_OUT_VARIABLE } from '../../contract/way-out.ts';
import { openWayOut } from './forward-way-out.ts';

/*
 * For a group's own runner: opens the way out and then runs the words of the command line, with signals handed on and
 * its end as this process's end. Our own runner opens the way out by itself.
 */

const socket = process.env[WAY_OUT_VARIABLE];
const [program, ...args] = process.argv.slice(2);
if (!socket || program === undefined) {
  process.stderr.write(`berth: ${WAY_OUT_VARIABLE} and a command are wanted\n`);
  process.exit(78);
}
void openWayOut(socket).then(() => run(program));

function run(program: string): void {
  const child = spawn(program, args, { stdio: 'inherit' });
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => child.kill(signal));
  child.once('error', (error) => {
    process.stderr.write(`berth: ${program} cannot be started: ${error.message}\n`);
    process.exit(127);
  });
  child.once('exit', (code, signal) => process.exit(code ?? 128 + (signal ? constants.signals[signal] : 0)));
}

#!/usr/bin/env node
import { fromEnvironment, type RunnerEnvironment } from '../../contract/environment.ts';
import { WAY_OUT_VARIABLE } from '../../contract/way-out.ts';
import { WrongPlaceError } from './open-outbound.ts';
import { type Runner, startRunner } from './runner.ts';

/** Exit code for "not here, and not by trying again": EX_CONFIG. */
const EXIT_WRONG_PLACE = 78;
const DEFAULT_STOP_GRACE_MS = 10_000;
const DEFAULT_MAX_FILE = 25 * 1024 * 1024;

if (process.argv.includes('--self-check'))
  void import('./self-check.ts').then(({ selfCheck }) => selfCheck());
else void run();

async function run(): Promise<void> {
  let runner: Runner | undefined;
  let stopping = false;
  const stop = async (): Promise<void> => {
    if (stopping) return;
    stopping = true;
    await runner?.stop();
    process.exit(0);
  };
  process.on('uncaughtException', fail);
  process.on('SIGTERM', stop).on('SIGINT', stop);
  try {
    const wayOut = process.env[WAY_OUT_VARIABLE];
    if (wayOut) await (await import('./forward-way-out.ts')).openWayOut(wayOut);
    runner = await startRunner({
      environment: readEnvironment(),
      watch: process.env.BERTH_RUNNER_WATCH !== 'off',
      maxFile: positive('BERTH_MAX_FILE', DEFAULT_MAX_FILE),
      stopGraceMs: positive('BERTH_STOP_GRACE_MS', DEFAULT_STOP_GRACE_MS),
      log,
      onStop: stop,
    });
  } catch (error) {
    fail(error);
  }
}

function readEnvironment(): RunnerEnvironment {
  try {
    return fromEnvironment(process.env);
  } catch (error) {
    throw new WrongPlaceError((error as Error).message, { cause: error });
  }
}

/** The container's log is for people: one line with what happened, then where. */
function fail(error: unknown): never {
  const { message, code, stack } = error as NodeJS.ErrnoException;
  log(`cannot go on: ${message}${code ? ` (${code})` : ''}`);
  if (error instanceof WrongPlaceError) process.exit(EXIT_WRONG_PLACE);
  log(String(stack));
  process.exit(1);
}

function log(line: string): void {
  process.stderr.write(`berth-runner: ${line}\n`);
}

function positive(name: string, otherwise: number): number {
  const value = Number(process.env[name]);
  return Number.isFinite(value) && value > 0 ? value : otherwise;
}

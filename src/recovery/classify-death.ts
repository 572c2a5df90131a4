import type { ContainerExit } from '../engines/engine.ts';
import type { BerthError, ErrorCode } from '../errors.ts';

/**
 * What a container's end was: it ended by itself (`done`), by its own fault (`crash`), by its memory limit (`oom`), by somebody's
 * hand (`killed`), because image or mounts are not as they have to be (`setup`), with its engine (`engine`), or by the host
 * because it no longer worked (`hung`) or had too much on the disk (`disk`).
 */
type DeathClass = 'done' | 'crash' | 'oom' | 'killed' | 'setup' | 'engine' | 'hung' | 'disk';

export interface Death {
  class: DeathClass;
  /** How it ended, in words that follow "the container died: ". */
  words: string;
  exitCode: number | null;
  signal: string | null;
  oomKilled: boolean;
}

/** Signals that a program does not send to itself by being wrong. */
const FROM_OUTSIDE = new Set(['SIGKILL', 'SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT']);

const SIGNALS: Record<number, string> = {
  1: 'SIGHUP',
  2: 'SIGINT',
  3: 'SIGQUIT',
  4: 'SIGILL',
  6: 'SIGABRT',
  7: 'SIGBUS',
  8: 'SIGFPE',
  9: 'SIGKILL',
  11: 'SIGSEGV',
  15: 'SIGTERM',
};

/** Exit codes that say: not here, and not by trying again. */
const SETUP: Record<number, string> = {
  78: 'its runner says that it cannot work there (exit code 78)',
  126: 'its program cannot be run (exit code 126)',
  127: 'its program was not found in the image (exit code 127)',
};

/** Judges how a container ended. Pure. */
export function classifyExit(exit: ContainerExit): Death {
  const signal =
    exit.signal ?? (exit.code !== null && exit.code > 128 ? SIGNALS[exit.code - 128] : undefined);
  const facts = { exitCode: exit.code, signal: signal ?? null, oomKilled: exit.oomKilled };
  if (exit.oomKilled) return { ...facts, class: 'oom', words: 'it ran out of memory (limits.memory)' };
  if (exit.engineAway)
    return { ...facts, class: 'engine', words: 'it ended while the container engine was away' };
  if (signal && FROM_OUTSIDE.has(signal))
    return { ...facts, class: 'killed', words: `something killed it (${signal})` };
  if (signal) return { ...facts, class: 'crash', words: `it crashed (${signal})` };
  if (exit.code === null) return { ...facts, class: 'killed', words: 'somebody removed it' };
  if (exit.code === 0) return { ...facts, class: 'done', words: 'it ended by itself (exit code 0)' };
  const setup = SETUP[exit.code];
  if (setup) return { ...facts, class: 'setup', words: setup };
  return { ...facts, class: 'crash', words: `it exited with code ${exit.code}` };
}

const SETUP_CODES: readonly ErrorCode[] = [
  'E_IMAGE_MISSING',
  'E_IMAGE_BUILD',
  'E_IMAGE_BASE',
  'E_ENGINE_REFUSED',
  'E_RUNTIME_UNKNOWN',
  'E_MOUNT_REFUSED',
  'E_MOUNTS_CONFIG',
  'E_CREDENTIALS_MISSING',
  'E_CREDENTIALS_REFUSED',
];

/** Judges why a container could not be started. Pure. */
export function classifyStart(error: BerthError): Death {
  const facts = { words: error.message, exitCode: null, signal: null, oomKilled: false };
  if (error.code === 'E_ENGINE_UNREACHABLE') return { ...facts, class: 'engine' };
  if (error.code === 'E_WAKE_TIMEOUT') return { ...facts, class: 'hung' };
  if (error.code === 'E_DISK_LIMIT') return { ...facts, class: 'disk' };
  return { ...facts, class: SETUP_CODES.includes(error.code) ? 'setup' : 'crash' };
}

/**
 * True where it counts towards the restarts of the session: an engine that goes away is no fault of its containers, and one past its
 * disk limit is not started anew before there is room.
 */
export function countsAsTrouble({ class: kind }: Death): boolean {
  return kind !== 'engine' && kind !== 'disk';
}

import type { Readable } from 'node:stream';
import type { Logger } from '../log.ts';
import type { Release } from '../release-stack.ts';
import type { DockerConnection } from './docker-connection.ts';
import { fromEngineLabels, INSTALL_LABEL } from './docker-labels.ts';
import { listInstall } from './docker-list.ts';
import type { ContainerExit } from './engine.ts';
import { ExitBook } from './exit-book.ts';
import { LineSplitter } from './line-splitter.ts';

const RECONNECT_MS = { first: 200, longest: 5_000 };
/** The slow look beneath the events: whatever they missed is found by it. */
const LOOK_EVERY_MS = 30_000;

interface Deps {
  connection: DockerConnection;
  log: Logger;
  /** To be asked about each container that the engine calls paused. */
  isPaused(name: string, id: string): boolean;
}

interface Watch extends Deps {
  install: string;
  book: ExitBook;
  onPaused(name: string): void;
  closing: AbortSignal;
}

/**
 * Tells each container of the install that ends, once. Follows the engine's events; whenever the stream had to be
 * opened (again), and every 30 s, all containers are listed, so that an exit is told also when its event was missed.
 * The first list tells those that had ended before. An engine that goes away is waited for, without end. What is paused
 * is told from the same two sources.
 */
export function followExits(
  deps: Deps,
  install: string,
  listener: (exit: ContainerExit) => void,
  onPaused: (name: string) => void = () => undefined,
): Release {
  const closing = new AbortController();
  const book = new ExitBook((exit) => {
    if (closing.signal.aborted) return;
    try {
      listener(exit);
    } catch (error) {
      deps.log.error({ err: error, container: exit.name }, 'the listener for container exits failed');
    }
  });
  void followWithoutEnd({ ...deps, install, book, onPaused, closing: closing.signal });
  return () => closing.abort();
}

async function followWithoutEnd(watch: Watch): Promise<void> {
  let wait = RECONNECT_MS.first;
  let wasAway = false;
  while (!watch.closing.aborted) {
    try {
      await followOnce(watch, wasAway);
      wait = RECONNECT_MS.first;
      if (!watch.closing.aborted)
        watch.log.warn({ engine: watch.connection.where }, 'the container engine closed its event stream');
    } catch (error) {
      watch.log.debug({ err: error }, 'no events from the container engine');
      wait = Math.min(wait * 2, RECONNECT_MS.longest);
    }
    wasAway = true;
    await pause(wait, watch.closing);
  }
}

/**
 * One connection's worth of events. Resolves when it ended; throws when there was none.
 * @param wasAway the engine was, before it: what ended meanwhile ended with it.
 */
async function followOnce(watch: Watch, wasAway: boolean): Promise<void> {
  const { connection, install, closing } = watch;
  const stream = (await connection.call('following events', (abortSignal) =>
    connection.docker.getEvents({
      filters: { type: ['container'], label: [`${INSTALL_LABEL}=${install}`] },
      abortSignal: AbortSignal.any([abortSignal, closing]),
    }),
  )) as Readable;
  const ended = new Promise<void>((resolve) => stream.once('close', resolve));
  stream.on('error', () => stream.destroy());
  const lines = new LineSplitter((line) => void takeEvent(watch, line));
  stream.on('data', (chunk: Buffer) => lines.push(chunk));
  // A list that fails ends the stream, which may hang on a dead connection: then both are tried anew.
  const look = (away: boolean) => takeList(watch, away).catch(() => stream.destroy());
  const timer = setInterval(() => look(false), LOOK_EVERY_MS);
  await Promise.all([look(wasAway), ended]);
  clearInterval(timer);
}

interface EngineEvent {
  Action?: string;
  Actor?: { ID?: string; Attributes?: Record<string, string> };
}

async function takeEvent({ connection, book, isPaused, onPaused }: Watch, line: string): Promise<void> {
  const { Action: action, Actor: { ID: id = '', Attributes: attributes = {} } = {} } = parseEvent(line);
  const labels = fromEngineLabels(attributes);
  const name = attributes.name;
  if (!labels || !name) return;
  const run = { id, name, epoch: labels.epoch };
  if (action === 'start') book.started(run);
  // The event may be late, and a list does not show it yet: only an inspection says how the container is.
  if (action === 'pause' && (await isCalledPaused(connection, id)) && isPaused(name, id)) onPaused(name);
  // podman says `died`, and names the code otherwise.
  if (action === 'die' || action === 'died') {
    const code = Number.parseInt(attributes.exitCode ?? attributes.containerExitCode ?? '', 10);
    await book.ended(run, async () => {
      const { oomKilled } = await inspectEnd(connection, id);
      return { code: Number.isNaN(code) ? null : code, oomKilled };
    });
  }
}

async function takeList(watch: Watch, wasAway: boolean): Promise<void> {
  const { connection, install, book } = watch;
  const circumstances = wasAway ? { engineAway: true } : {};
  const before = book.living();
  const listed = (await listInstall(connection, install)).map((found) => ({
    ...found,
    epoch: found.labels.epoch,
  }));
  const ids = new Set(listed.map(({ id }) => id));
  for (const { id, name, epoch, status } of listed) {
    if (status === 'exited' || status === 'dead')
      await book.ended({ id, name, epoch }, async () => ({
        ...(await inspectEnd(connection, id)),
        ...circumstances,
      }));
    else if (status !== 'created') book.started({ id, name, epoch });
    if (status === 'paused' && watch.isPaused(name, id)) watch.onPaused(name);
  }
  // Removed while nobody listened. Only what lived before the question: the others may have started since the answer.
  for (const run of before) {
    if (!ids.has(run.id))
      await book.ended(run, async () => ({ code: null, oomKilled: false, ...circumstances }));
  }
  book.forgetAllBut(listed);
}

function parseEvent(line: string): EngineEvent {
  try {
    return JSON.parse(line) as EngineEvent;
  } catch {
    return {};
  }
}

async function isCalledPaused(connection: DockerConnection, id: string): Promise<boolean> {
  try {
    const { State: state } = await connection.call(`inspecting container ${id}`, (abortSignal) =>
      connection.docker.getContainer(id).inspect({ abortSignal }),
    );
    return state.Paused;
  } catch {
    return false; // gone; and an engine that is away is asked again by the next list
  }
}

/** How the container ended, as far as the engine still knows: an exit is told also when it is gone already. */
async function inspectEnd(
  connection: DockerConnection,
  id: string,
): Promise<{ code: number | null; oomKilled: boolean }> {
  try {
    const { State: state } = await connection.call(`inspecting container ${id}`, (abortSignal) =>
      connection.docker.getContainer(id).inspect({ abortSignal }),
    );
    return { code: state.ExitCode, oomKilled: state.OOMKilled };
  } catch {
    return { code: null, oomKilled: false };
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done);
    if (signal.aborted) done();
  });
}

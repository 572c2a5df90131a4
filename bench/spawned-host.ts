import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';

/** Clock ticks of /proc/<pid>/stat in a second. */
const TICKS = 100;

/** The environment of a spawned host whose data and groups lie under `root`. */
export function hostEnvironment(root: string, port: number, image: string): Record<string, string> {
  const { PATH = '', DOCKER_HOST } = process.env;
  return {
    PATH,
    HOME: root,
    ...(DOCKER_HOST ? { DOCKER_HOST } : {}),
    BERTH_DATA_DIR: join(root, 'data'),
    BERTH_GROUPS_DIR: join(root, 'groups'),
    BERTH_HTTP_PORT: String(port),
    BERTH_HTTP_TOKEN: 'bench',
    BERTH_LOG_LEVEL: 'error',
    BERTH_BASE_IMAGE: image,
  };
}

/** `npm start` in a process of its own; resolves when it is ready. @throws when it exits before. */
export async function spawnHost(
  env: Record<string, string>,
  url: string,
  lookMs = 50,
): Promise<ChildProcess> {
  const main = new URL('../src/berth.js', import.meta.url).pathname;
  const child = spawn(process.execPath, [main, 'host'], { env, stdio: ['ignore', 'ignore', 'inherit'] });
  while (!((await isListening(url)) && (await fetch(`${url}/readyz`).catch(() => undefined))?.ok)) {
    if (child.exitCode !== null) throw new Error(`the host exited with ${child.exitCode}`);
    await pause(lookMs);
  }
  return child;
}

/** Cheaper than a request that fails: asking must not take the processor from who is starting. */
function isListening(url: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(Number(new URL(url).port), '127.0.0.1', () => end(true)).on('error', () =>
      end(false),
    );
    const end = (listens: boolean) => {
      socket.destroy();
      resolve(listens);
    };
  });
}

/** Resolves when it has ended; at once when it had before. */
export async function stopHost(child: ChildProcess, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = new Promise((resolve) => child.once('exit', resolve));
  child.kill(signal);
  await exited;
}

/** Seconds of CPU time that a process has used, with its threads. */
export function cpuOf({ pid }: ChildProcess): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) / TICKS;
}

/** Resident memory of a process, in bytes. */
export function rssOf({ pid }: ChildProcess): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024;
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

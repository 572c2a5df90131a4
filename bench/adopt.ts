import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { BenchPlace } from './bench-place.ts';
import { atMost, type Figure, spread } from './figures.ts';

const SESSIONS = 50;
const ROUNDS = 10;
const GROUP = 'name: Echo\nagent: { provider: echo }\nlimits: { memory: 128m, cpus: 0.5 }\nidle: off\n';

interface Restart {
  /** From the start of the process until `/readyz` says so: all containers are adopted. */
  readyMs: number;
  /** Until each of the sessions has answered a message that was sent as soon as the door was open. */
  answeredMs: number;
}

/** The host is killed with 50 awake sessions, and the next one started: how long until all are adopted and answer. */
export async function adopt({ image, scale }: BenchPlace): Promise<Figure> {
  const root = await mkdtemp(join(tmpdir(), 'berth-adopt-'));
  const port = await freePort();
  await mkdir(join(root, 'groups', 'echo'), { recursive: true });
  await writeFile(join(root, 'groups', 'echo', 'group.yaml'), GROUP);
  const env = {
    PATH: process.env.PATH ?? '',
    HOME: root,
    BERTH_DATA_DIR: join(root, 'data'),
    BERTH_GROUPS_DIR: join(root, 'groups'),
    BERTH_HTTP_PORT: String(port),
    BERTH_HTTP_TOKEN: 'bench',
    BERTH_LOG_LEVEL: 'error',
    BERTH_BASE_IMAGE: image,
  };
  const url = `http://127.0.0.1:${port}`;
  const chats = Array.from({ length: SESSIONS }, (_, n) => `chat-${n}`);
  let host = start(env);
  try {
    await ready(host, url);
    // Few at a time: fifty containers that start at once are another figure.
    for (const chat of chats) await ask(url, chat, 1);
    const restarts: Restart[] = [];
    for (let round = 2; round <= Math.max(2, ROUNDS * scale) + 1; round++) {
      host.kill('SIGKILL');
      await once(host, 'exit');
      // What the kill leaves to do (sockets, page cache) is not what is measured.
      await pause(1000);
      const began = performance.now();
      host = start(env);
      await ready(host, url);
      const readyMs = performance.now() - began;
      await Promise.all(chats.map((chat) => ask(url, chat, round)));
      restarts.push({ readyMs, answeredMs: performance.now() - began });
    }
    const answered = spread(restarts.map(({ answeredMs }) => answeredMs));
    const readiness = spread(restarts.map(({ readyMs }) => readyMs));
    return {
      name: `adopt: restart of the host with ${SESSIONS} awake sessions`,
      against: 'from the start of its process; the floor is until it is ready, with all adopted',
      ...answered,
      floor: readiness,
      targets: [atMost('all adopted and answering, ms, p50', answered.p50, 1000)],
    };
  } finally {
    await end(host);
    await rm(root, { recursive: true, force: true });
  }
}

function start(env: Record<string, string>): ChildProcess {
  const main = new URL('../src/main.ts', import.meta.url).pathname;
  return spawn(process.execPath, [main, 'host'], { env, stdio: ['ignore', 'ignore', 'inherit'] });
}

async function ready(host: ChildProcess, url: string): Promise<void> {
  while (!(await fetch(`${url}/readyz`).catch(() => undefined))?.ok) {
    if (host.exitCode !== null) throw new Error(`the host exited with ${host.exitCode}`);
    await pause(5);
  }
}

async function end(host: ChildProcess): Promise<void> {
  if (host.exitCode !== null || host.signalCode !== null) return;
  const exited = once(host, 'exit');
  host.kill('SIGTERM');
  await exited;
}

const headers = { authorization: 'Bearer bench', 'content-type': 'application/json' };

/** Resolves when the chat has so many answers. */
async function ask(url: string, chat: string, answers: number): Promise<void> {
  const path = `${url}/v1/groups/echo/chats/${chat}/messages`;
  await fetch(path, { method: 'POST', headers, body: '{"text":"hello"}' });
  for (;;) {
    const { last } = (await (await fetch(`${path}?after=${answers - 1}`, { headers })).json()) as {
      last: number;
    };
    if (last >= answers) return;
    await pause(10);
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  return port;
}

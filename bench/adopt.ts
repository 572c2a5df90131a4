import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BenchPlace } from './bench-place.ts';
import { atMost, type Figure, spread } from './figures.ts';
import { freePort, hostEnvironment, pause, spawnHost, stopHost } from './spawned-host.ts';

const SESSIONS = 50;
const ROUNDS = 10;
const READY_LOOK_MS = 5;
/** A host keeps what it has compiled ten seconds after its start. */
const KEPT_AFTER_MS = 11_000;
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
  const env = hostEnvironment(root, port, image);
  const url = `http://127.0.0.1:${port}`;
  const chats = Array.from({ length: SESSIONS }, (_, n) => `chat-${n}`);
  let host = await spawnHost(env, url, READY_LOOK_MS);
  try {
    // Few at a time: fifty containers that start at once are another figure.
    for (const chat of chats) await ask(port, chat, 1);
    // The second restart is measured, and what comes after it: the first one's code is kept by then.
    await stopHost(host, 'SIGKILL');
    host = await spawnHost(env, url);
    await pause(KEPT_AFTER_MS);
    const restarts: Restart[] = [];
    for (let round = 2; round <= Math.max(2, ROUNDS * scale) + 1; round++) {
      await stopHost(host, 'SIGKILL');
      // What the kill leaves to do (sockets, page cache) is not what is measured.
      await pause(1000);
      const began = performance.now();
      host = await spawnHost(env, url, READY_LOOK_MS);
      const readyMs = performance.now() - began;
      await Promise.all(chats.map((chat) => ask(port, chat, round)));
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
    await stopHost(host);
    await rm(root, { recursive: true, force: true });
  }
}

const BODY = '{"text":"hello"}';

/**
 * Resolves when the chat has so many answers, by its stream of events. Both requests go at once over a bare socket: with `fetch` fifty of
 * them take a quarter of a second of a processor from who is to answer.
 */
function ask(port: number, chat: string, answers: number): Promise<void> {
  const path = `/v1/groups/echo/chats/${chat}`;
  const common = 'host: berth\r\nauthorization: Bearer bench\r\n';
  return new Promise((resolve, reject) => {
    let read = '';
    const socket = connect(port, '127.0.0.1').setEncoding('latin1');
    socket.on('error', reject).on('data', (part) => {
      read += part;
      if (!/^id: /m.test(read)) return;
      socket.destroy();
      resolve();
    });
    socket.on('close', () => reject(new Error(`${chat} was not answered: ${read}`)));
    socket.write(
      `POST ${path}/messages HTTP/1.1\r\n${common}content-type: application/json\r\ncontent-length: ${BODY.length}\r\n\r\n${BODY}`,
    );
    socket.write(`GET ${path}/events?after=${answers - 1} HTTP/1.1\r\n${common}\r\n`);
  });
}

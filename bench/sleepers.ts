import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import Docker from 'dockerode';
import { engineAddress, findEngine } from '../src/engines/docker-address.ts';
import type { BenchPlace } from './bench-place.ts';
import { atMost, type Figure, round } from './figures.ts';
import { cpuOf, freePort, hostEnvironment, pause, rssOf, spawnHost, stopHost } from './spawned-host.ts';
import { ECHO } from './warm.ts';

const ASLEEP = 1000;
const AWAKE = 20;

/** A thousand sessions asleep, twenty awake and idle: what the host and its containers cost while nothing happens. */
export async function sleepers({ image, scale }: BenchPlace): Promise<Figure> {
  const root = await mkdtemp(join(tmpdir(), 'berth-sleepers-'));
  const dataDir = join(root, 'data');
  const port = await freePort();
  await mkdir(join(root, 'groups', 'echo'), { recursive: true });
  await writeFile(join(root, 'groups', 'echo', 'group.yaml'), `${ECHO}idle: off\n`);
  const env = { ...hostEnvironment(root, port, image), BERTH_MAX_AWAKE: '1000' };
  const url = `http://127.0.0.1:${port}`;
  try {
    const first = await spawnHost(env, url);
    await ask(url, 'first');
    await stopHost(first);
    addSleepers(join(dataDir, 'host.db'));
    const host = await spawnHost(env, url);
    for (let i = 0; i < AWAKE; i++) await ask(url, `awake-${i}`);
    await pause(3000);
    const seconds = Math.max(10, 60 * scale);
    const before = { host: cpuOf(host), containers: await cpuOfContainers(), at: performance.now() };
    await pause(seconds * 1000);
    const took = (performance.now() - before.at) / 1000;
    const hostShare = ((cpuOf(host) - before.host) / took) * 100;
    const containerShare = ((await cpuOfContainers()) - before.containers) * (100 / took);
    const rss = rssOf(host);
    await stopHost(host);
    return {
      name: `sleepers: ${ASLEEP} asleep, ${AWAKE} awake and idle, ${Math.round(took)} s`,
      against: 'one core',
      n: 1,
      p50: round(hostShare),
      p95: round(hostShare),
      p99: round(hostShare),
      targets: [
        atMost('host, % of a core', hostShare, 1),
        atMost('host, RSS in MB', rss / 1e6, 200),
        atMost('host and containers, % of a core', hostShare + containerShare, 3),
      ],
    };
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

async function ask(url: string, chat: string): Promise<void> {
  const headers = { authorization: 'Bearer bench', 'content-type': 'application/json' };
  const path = `${url}/v1/groups/echo/chats/${chat}/messages`;
  await fetch(path, { method: 'POST', headers, body: '{"text":"hello"}' });
  for (;;) {
    const { events } = (await (await fetch(`${path}?after=0`, { headers })).json()) as { events: unknown[] };
    if (events.length > 0) return;
    await pause(50);
  }
}

function addSleepers(path: string): void {
  const db = new Database(path);
  const count = `WITH RECURSIVE i(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM i WHERE n < ${ASLEEP})`;
  db.exec(
    `${count} INSERT INTO sessions (id, group_folder, key, since, created_at) SELECT 's_z' || n, 'echo', 'z' || n, 1, 1 FROM i`,
  );
  db.exec("INSERT INTO leases SELECT id, 1, 'bench', 1 FROM sessions WHERE id LIKE 's_z%'");
  db.close();
}

async function cpuOfContainers(): Promise<number> {
  const docker = new Docker(engineAddress(findEngine(process.env.DOCKER_HOST)));
  const found = await docker.listContainers({ filters: { label: ['berth.group=echo'] } });
  const used = await Promise.all(
    found.map(async ({ Id }) => {
      const stats = await docker.getContainer(Id).stats({ stream: false, 'one-shot': true });
      return stats.cpu_stats.cpu_usage.total_usage / 1e9;
    }),
  );
  return used.reduce((sum, one) => sum + one, 0);
}

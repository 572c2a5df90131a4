import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type Docker from 'dockerode';
import { expect } from 'vitest';
import { connectDocker } from '../../src/engines/docker-connection.ts';
import { runBerth } from '../fixtures/berth-command.ts';
import { type HostProcess, type HttpEvent, startHost, waitUntil } from '../fixtures/host-process.ts';
import type { SessionBody } from '../fixtures/host-room.ts';
import { openTalker, type Talker } from './talker.ts';

/** What one hostile session does, and what is to come of it. */
export interface Attack {
  /** Of a function in `runners/evil-*.mjs`. */
  name: string;
  /** Further lines of the group's `group.yaml`. */
  yaml?: string[];
  /** `limits.disk` of the group. */
  disk?: string;
  /** So many bytes it writes, which are removed: what that does to all on the same disk is measured too, with no container in it. */
  writes?: number;
  /** The message is answered: the attack is none of the host's business. */
  answered?: boolean;
  /** Code of a failure that is told in the chat. */
  told?: RegExp;
  /** Code and reason of the session's last error. */
  error?: RegExp;
  /** Before the first message. */
  before?(arena: Arena): Promise<unknown>;
  /** After the first message was posted, while the others are measured. */
  during?(arena: Arena, session: string): Promise<unknown>;
  /** Once the outcome is there; the events of the chat so far. */
  after?(arena: Arena, events: HttpEvent[], session: string): Promise<unknown>;
  /** It is left alone for a while by then: the operator has it tried at once. */
  retried?: boolean;
  limitMs?: number;
}

/** One host, a good session that is talked to all the time, and one hostile session after the other. */
export interface Arena {
  host: HostProcess;
  docker: Docker;
  /** A file of the host that no container may see anything of. */
  canary: string;
  /** `outbound.db` of the good session. */
  goodOutbound: string;
  fight(attack: Attack): Promise<void>;
  session(id: string): Promise<SessionBody>;
  container(session: string): Promise<Docker.Container | undefined>;
  /** Called once the host has ended. */
  onClose: (() => Promise<void>)[];
  close(): Promise<void>;
}

const TRIPS = 40;
/** What a machine that does other things as well may add to the slowest of forty round trips, in milliseconds. */
const NOISE_MS = 500;
/** And to the middle one of them. */
const MEDIAN_NOISE_MS = 100;
const CHAT = 'chat';
const GOOD = 'good';
const ECHO = 'name: Good\nagent: { provider: echo }\n';
const limits = (disk = '10g') => `limits: { memory: 512m, cpus: 0.5, pids: 256, disk: ${disk} }`;
const image = process.env.BERTH_TEST_IMAGE ?? 'berth-base:latest';

/** @param attacks those that will be fought here: each gets a group of its own. */
export async function openArena(attacks: Attack[]): Promise<Arena> {
  const runners = workspace();
  const groups = attacks.map(
    ({ name, disk, yaml = [] }): [string, { yaml: string; workspace: typeof runners }] => [
      folderOf(name),
      {
        yaml: [`name: ${name}`, `runner: [node, /group/evil.mjs, ${name}]`, limits(disk), ...yaml, ''].join(
          '\n',
        ),
        workspace: runners,
      },
    ],
  );
  const host = await startHost({
    groups: { [GOOD]: ECHO, ...Object.fromEntries(groups) },
    env: { BERTH_BASE_IMAGE: image, BERTH_STOP_GRACE: '1s', BERTH_START_TIMEOUT: '20s' },
  });
  const { docker, close } = connectDocker(process.env.DOCKER_HOST);
  const secrets = {
    good: `good-${randomBytes(8).toString('hex')}`,
    host: `host-${randomBytes(8).toString('hex')}`,
  };
  const canary = join(host.root, 'canary.txt');
  writeFileSync(canary, secrets.host);
  const talker = await openTalker(host, GOOD, CHAT);
  const { message, session: goodSession } = (await host.post(GOOD, CHAT, `remember ${secrets.good}`)).body;
  for (let i = 0; i < 20; i++) await talker.say(`warm up, ${secrets.good}`);
  const goodOut = join(host.dataDir, 'sessions', GOOD, goodSession, 'out');

  const arena: Arena = {
    host,
    docker,
    canary,
    goodOutbound: join(goodOut, 'outbound.db'),
    fight,
    onClose: [],
    session: async (id) => (await host.request<SessionBody>('GET', `/v1/sessions/${id}`)).body,
    async container(session) {
      // Not one that is just being created: the engine lists it before it can be asked about.
      const status = ['running', 'paused', 'exited', 'dead'];
      const filters = { label: [`berth.session=${session}`], status };
      const [found] = await docker.listContainers({ all: true, filters });
      return found && docker.getContainer(found.Id);
    },
    async close() {
      talker.close();
      await host.kill('SIGTERM');
      const left = await docker.listContainers({ all: true, filters: { label: ['berth.install'] } });
      const sessions = readdirSync(join(host.dataDir, 'sessions')).flatMap((group) =>
        readdirSync(join(host.dataDir, 'sessions', group)),
      );
      close();
      for (const release of arena.onClose) await release();
      await host.dispose();
      expect(left.filter(({ Labels }) => sessions.includes(Labels['berth.session'] ?? ''))).toEqual([]);
    },
  };
  return arena;

  async function fight(attack: Attack): Promise<void> {
    const group = folderOf(attack.name);
    await attack.before?.(arena);
    const args = {
      canary,
      goodOut,
      goodOutbound: join(goodOut, 'outbound.db'),
      goodMessage: message,
      goodChat: CHAT,
    };
    const { last } = await goodEvents(0);
    // Without the attack, just before and just after it: a machine that has become slower meanwhile is no fault of the attack's.
    const without = await measureWithout(attack);
    let over = false;
    const measured = measure(() => over);
    const { status, body } = await host.post(group, CHAT, { text: JSON.stringify(args) });
    expect(status).toBe(202);
    const { session } = body;
    try {
      await attack.during?.(arena, session);
      const events = await outcome(attack, session);
      await attack.after?.(arena, events, session);
    } catch (error) {
      throw new Error(`${(error as Error).message} ${lastLines(session)}`, { cause: error });
    } finally {
      over = true;
      await measured.catch(() => undefined);
    }
    const times = await measured;
    const { events: good } = await goodEvents(last);
    expect(good.filter(({ type }) => type === 'failure')).toEqual([]);
    await expectNoLeak(group, session);
    await recover(group, session, attack.retried);
    expect(existsSync(canary)).toBe(true);
    without.push(...(await measureWithout(attack)));
    expect(worst(times)).toBeLessThan(2 * Math.max(...without.map(worst)) + NOISE_MS);
    expect(median(times)).toBeLessThan(2 * Math.max(...without.map(median)) + MEDIAN_NOISE_MS);
  }

  async function goodEvents(after: number): Promise<{ events: HttpEvent[]; last: number }> {
    const path = `/v1/groups/${GOOD}/chats/${CHAT}/messages?after=${after}&limit=1000`;
    return (await host.request<{ events: HttpEvent[]; last: number }>('GET', path)).body;
  }

  async function measureWithout({ writes }: Attack): Promise<number[][]> {
    const idle = await trips(talker, secrets.good, TRIPS);
    return writes === undefined ? [idle] : [idle, await whileWriting(writes)];
  }

  async function whileWriting(bytes: number): Promise<number[]> {
    const path = join(host.dataDir, 'written-by-nobody');
    let over = false;
    const writing = writeZeros(path, bytes)
      .then(() => rm(path))
      .finally(() => {
        over = true;
      });
    const times = await measure(() => over);
    await writing;
    return times;
  }

  async function measure(isOver: () => boolean): Promise<number[]> {
    const times: number[] = [];
    while (times.length < TRIPS || !isOver()) times.push((await talker.say(`trip ${secrets.good}`)).ms);
    return times;
  }

  async function outcome(
    { name, answered, told, error, limitMs = 30_000 }: Attack,
    session: string,
  ): Promise<HttpEvent[]> {
    let events: HttpEvent[] = [];
    let seen: SessionBody | undefined;
    const holds = async () => {
      events = await host.events(folderOf(name), CHAT);
      seen = await arena.session(session);
      return (
        (!answered || events.some(({ type, answers }) => type === 'message' && answers.length > 0)) &&
        (!told || events.some((event) => event.type === 'failure' && told.test(event.code ?? ''))) &&
        (!error || error.test(`${seen.lastError?.code} ${seen.lastError?.reason}`))
      );
    };
    await waitUntil(`the outcome of ${name}`, limitMs, holds).catch((error: Error) => {
      throw new Error(`${error.message}: ${JSON.stringify({ seen, events })} ${lastLines(session)}`);
    });
    return events;
  }

  /** Neither what another session said nor what lies on the host is anywhere where the hostile one or its people look. */
  async function expectNoLeak(group: string, session: string): Promise<void> {
    const events = await host.events(group, CHAT);
    const files = await Promise.all(
      events.flatMap(({ id, files = [] }) =>
        files.map(async ({ name }) => {
          const path = `/v1/groups/${group}/chats/${CHAT}/files/${id}/${encodeURIComponent(name)}`;
          const headers = { authorization: `Bearer ${host.token}` };
          return Buffer.from(await (await fetch(host.url + path, { headers })).arrayBuffer()).toString(
            'latin1',
          );
        }),
      ),
    );
    const seen = [JSON.stringify(events), JSON.stringify(await arena.session(session)), ...files].join('\n');
    const logged = JSON.stringify(host.log) + host.stderr();
    for (const text of [seen, logged]) {
      expect(text).not.toContain(secrets.good);
      expect(text).not.toContain(secrets.host);
      expect(text).not.toContain('root:x:0:0');
    }
  }

  /** With a good runner the same chat is answered. */
  async function recover(group: string, session: string, retried = false): Promise<void> {
    await host.writeGroup(group, 'name: [');
    await waitUntil('the edit to be seen', 15_000, () => isLogged(group, 'E_GROUP_CONFIG'));
    await host.writeGroup(group, ECHO);
    await waitUntil('the edit to be seen', 15_000, () =>
      isLogged(group, undefined, 'group.yaml is valid again'),
    );
    const container = await arena.container(session);
    await container?.remove({ force: true }).catch(() => undefined);
    const env = { BERTH_DATA_DIR: host.dataDir };
    if (retried) expect(await runBerth(['retry', session], { env })).toMatchObject({ code: 0, stderr: '' });
    const person = await openTalker(host, group, CHAT);
    const { event } = await person.say('are you well?').catch((error: Error) => {
      throw new Error(`${error.message} ${lastLines(session)}`);
    });
    person.close();
    expect(event).toMatchObject({ text: expect.stringContaining('are you well?') });
    expect(await arena.session(session)).toMatchObject({ lastError: null });
    await (await arena.container(session))?.remove({ force: true }).catch(() => undefined);
  }

  function isLogged(group: string, code?: string, msg?: string): boolean {
    return host.log.some((line) => line.group === group && (code ? line.code === code : line.msg === msg));
  }

  function lastLines(session: string): string {
    return host.log
      .filter((line) => line.session === session)
      .slice(-8)
      .map((line) => JSON.stringify(line).slice(0, 600))
      .join('\n');
  }
}

/** The attack's group. */
export function folderOf(attack: string): string {
  return attack.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

async function trips(talker: Talker, text: string, count: number): Promise<number[]> {
  const times: number[] = [];
  for (let i = 0; i < count; i++) times.push((await talker.say(`trip ${text}`)).ms);
  return times;
}

async function writeZeros(path: string, bytes: number): Promise<void> {
  const zeros = Buffer.alloc(2 ** 20);
  const file = await open(path, 'w');
  for (let left = bytes; left > 0; left -= zeros.length) await file.write(zeros);
  await file.sync(); // as must be with what is more than the memory of a container
  await file.close();
}

function median(times: readonly number[]): number {
  return times.toSorted((one, other) => one - other)[Math.floor(times.length / 2)] ?? 0;
}

/** The 99th of a hundred. */
function worst(times: readonly number[]): number {
  return times.toSorted((one, other) => one - other)[Math.floor(times.length * 0.99)] ?? 0;
}

function workspace(): Record<string, string> {
  const folder = join(import.meta.dirname, 'runners');
  return Object.fromEntries(
    readdirSync(folder).map((name) => [name, readFileSync(join(folder, name), 'utf8')]),
  );
}

/** Makes the folder of a group's sessions before its first one. */
export function sessionsFolder({ host }: Pick<Arena, 'host'>, group: string): string {
  const folder = join(host.dataDir, 'sessions', group);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  return folder;
}

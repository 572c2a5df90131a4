import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { createServer as createHttp, type Server } from 'node:http';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { probeIsolation } from '../../src/engines/process-isolation.ts';
import { startHost } from '../fixtures/host-process.ts';
import {
  type Attempt,
  allowedWays,
  INWARD,
  LISTED,
  NAMES,
  straightOut,
  throughProxy,
} from './fixtures/attempts.ts';
import { type NameServer, openNameServer } from './fixtures/name-server.ts';
import { proberGroups } from './fixtures/prober-group.ts';
import {
  type Arrival,
  openStandInWorld,
  type StandInWorld,
  WORLD,
  whyNoWorld,
} from './fixtures/stand-in-world.ts';

/*
 * Attempts to get out of real containers, and of what stands in for them. Every host that is aimed at is one of ours, on this machine: what arrives there is
 * seen, so that "nothing got out" is not only what the container says.
 */

const reason = await whyNoWorld();
const services = {
  port: 45_113,
  abstractSocket: 'berth-test-abstract',
  nameServer: '127.0.0.1:45114',
  otherSocket: '/to be replaced by that of the third group',
};
const lists = { none: straightOut(services), straight: straightOut(services), proxy: throughProxy(services) };

if (reason !== undefined) test.skip(`attempts to get out: ${reason}`, () => undefined);

const hasWalls = (await probeIsolation()).kind === 'bubblewrap';
const containers = { place: 'containers', env: {} };
const walls = { place: 'child processes in bubblewrap', env: { BERTH_ENGINE: 'process' } };
if (reason === undefined && !hasWalls)
  test.skip(`attempts to get out of ${walls.place}: there is none`, () => undefined);

describe.each(reason === undefined ? [containers, ...(hasWalls ? [walls] : [])] : [])(
  'from inside $place',
  ({ env }) => {
    let world: StandInWorld;
    let names: NameServer;
    let host: Awaited<ReturnType<typeof startHost>>;
    const own: { close(): void }[] = [];
    let visits = 0;
    const outcomes: Record<string, Record<string, string>> = {};

    beforeAll(async () => {
      world = await openStandInWorld();
      names = await openNameServer(45_114, {
        ...NAMES,
        ...Object.fromEntries(Object.entries(INWARD).map(([name, at]) => [name, [at]])),
      });
      const visit = createHttp((_, response) => response.end(`hello from the host, visit ${++visits}`));
      own.push(await listening(visit, { port: services.port, host: '::' }));
      const abstract = createServer((socket) => socket.end(`hello from the host, visit ${++visits}`));
      own.push(await listening(abstract, { path: `\0${services.abstractSocket}` }));
      const group = proberGroups(world);
      host = await startHost({
        groups: {
          closed: group('network: none'),
          listed: group(`network: { allow: [${LISTED.join(', ')}] }`),
          third: group('network: { allow: [third.example] }'),
        },
        env: { ...env, BERTH_DNS: names.address },
      });
      // The third group's socket is there while the others try.
      await probe('third', []);
      outcomes.none = await probe('closed', lists.none);
      outcomes.straight = await probe('listed', lists.straight);
      outcomes.proxy = await probe('listed', lists.proxy);
    }, 180_000);

    afterAll(async () => {
      await host?.kill('SIGTERM');
      await host?.dispose();
      for (const server of own) server.close();
      await names?.close();
      await world?.close();
    }, 60_000);

    async function probe(group: string, attempts: Attempt[]): Promise<Record<string, string>> {
      const sent = attempts.map(({ expect: _, ...attempt }) =>
        attempt.path === services.otherSocket ? { ...attempt, path: socketOf('third') } : attempt,
      );
      const answer = await host.ask(group, 'one', JSON.stringify(sent), 120_000);
      if (answer.reason) throw new Error(answer.reason);
      return JSON.parse(answer.text);
    }

    describe.each([
      ['with network: none', 'none'],
      ['with an allow-list, past the proxy', 'straight'],
      ['with an allow-list, through the proxy', 'proxy'],
    ] as const)('%s', (_, list) => {
      test.each(lists[list])('$name does not get out', ({ name, expect: expected }) => {
        const outcome = outcomes[list]?.[name] ?? 'was not tried';
        expect(outcome).toMatch(expected ?? /^(error|nothing in time|silence|closed without a word|failed)/);
        expect(outcome).not.toMatch(/hello from|was not tried/);
      });
    });

    test('nothing arrived anywhere but at the listed host', () => {
      const elsewhere = world.arrivals.filter(({ address }) => address !== WORLD.allowed);
      expect(elsewhere).toEqual([]);
      const named = ({ serverName, headers }: Arrival) => [serverName, headers?.host];
      expect(world.arrivals.filter((one) => named(one).includes('other.example'))).toEqual([]);
      expect(visits).toBe(0);
      // Of what is not listed nobody was even asked for an address.
      expect(names.asked.filter((name) => !listedName(name))).toEqual([]);
    });

    test('what they aimed at is there: this machine itself reaches it', async () => {
      const before = world.arrivals.length;
      for (const address of [WORLD.other, WORLD.metadata, ...WORLD.private, `[${WORLD.privateV6}]`])
        expect(await (await fetch(`http://${address}/`)).text()).toMatch(/^hello from/);
      const socket = connect({ path: `\0${services.abstractSocket}` });
      expect(await text(socket)).toBe('hello from the host, visit 1');
      expect(existsSync(socketOf('third'))).toBe(true);
      expect(world.arrivals.length).toBeGreaterThan(before);
    });

    test('what is listed can be reached', async () => {
      const ways = allowedWays();
      const found = await probe('listed', ways);
      for (const { name, expect: expected } of ways)
        expect(`${name}: ${found[name]}`).toMatch(expected as RegExp);
      const targets = world.arrivals
        .filter(({ arrived }) => arrived === 'connection')
        .map(({ address }) => address);
      expect(new Set(targets)).toContain(WORLD.allowedV6);
    });

    test('an edit of the list holds at once for the running container', async () => {
      const [container] = await sessionsOf('third');
      const ask = (): Attempt => ({
        name: 'later',
        does: 'tunnel',
        target: 'other.example:443',
        serverName: 'other.example',
      });
      expect((await probe('third', [ask()])).later).toMatch(/403/);
      const file = join(host.groupsDir, 'third', 'group.yaml');
      await host.writeGroup('third', readFileSync(file, 'utf8').replace('third.example', 'other.example'));
      let later = '';
      await expect
        .poll(async () => (later = (await probe('third', [ask()])).later ?? ''), { timeout: 20_000 })
        .toMatch(/hello from/);
      expect(later).toContain(WORLD.other);
      expect(await sessionsOf('third')).toEqual([container]);
    });

    test('refusals are in the log with group and host', () => {
      const line = host.log.find(
        ({ code, host: to }) => code === 'E_NETWORK_REFUSED' && to === 'other.example',
      );
      expect(line).toMatchObject({ group: 'listed', port: 443 });
    });

    /** On the host. */
    function socketOf(group: string): string {
      const folder = createHash('sha256').update(group).digest('hex').slice(0, 8);
      return join(host.dataDir, 'net', folder, 'proxy.sock');
    }

    async function sessionsOf(group: string): Promise<{ container: string; epoch: number }[]> {
      const { body } = await host.request<{
        sessions: { group: string; container: string; epoch: number }[];
      }>('GET', '/v1/sessions');
      return body.sessions
        .filter((session) => session.group === group)
        .map(({ container, epoch }) => ({ container, epoch }));
    }
  },
);

function listedName(name: string): boolean {
  return name in INWARD || /^(allowed|port|v6|both)\.example$|\.wild\.example$/.test(name);
}

async function listening<Listens extends Server | ReturnType<typeof createServer>>(
  server: Listens,
  where: { port: number; host: string } | { path: string },
): Promise<Listens> {
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(where, resolve));
  return server;
}

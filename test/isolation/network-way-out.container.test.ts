import type Docker from 'dockerode';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connectDocker } from '../../src/engines/docker-connection.ts';
import { containersOf } from '../fixtures/containers-of.ts';
import { type HostProcess, startHost } from '../fixtures/host-process.ts';
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
import { openStandInWorld, type StandInWorld, WORLD, whyNoWorld } from './fixtures/stand-in-world.ts';

/*
 * The same list of hosts where the proxy is reached over a network instead of a socket (`BERTH_WAY_OUT=network`). What this is worth
 * less, services of the host on its other addresses, is said in docs/security.md and left out here.
 */

const reason = await whyNoWorld();
const services = {
  port: 45_117,
  abstractSocket: 'berth-test-no-such',
  nameServer: '127.0.0.1:45118',
  otherSocket: '/nowhere',
};
const past = straightOut(services).filter(({ name }) => !name.startsWith("the host's service"));
// There is no socket that could be put elsewhere.
const through = throughProxy(services).filter(({ does }) => does !== 'rename');

if (reason !== undefined) test.skip(`a network as the way out: ${reason}`, () => undefined);

describe.runIf(reason === undefined)('with a network as the way out', () => {
  const { docker, close } = connectDocker(process.env.DOCKER_HOST);
  let world: StandInWorld;
  let names: NameServer;
  let host: HostProcess;
  let neighbour: { gateway: string; address: string };
  const outcomes: Record<string, string> = {};

  beforeAll(async () => {
    world = await openStandInWorld();
    names = await openNameServer(45_118, {
      ...NAMES,
      ...Object.fromEntries(Object.entries(INWARD).map(([name, at]) => [name, [at]])),
    });
    const group = proberGroups(world);
    host = await startHost({
      groups: {
        listed: group(`network: { allow: [${LISTED.join(', ')}] }`),
        third: group('network: { allow: [other.example] }'),
      },
      env: { BERTH_DNS: names.address, BERTH_WAY_OUT: 'network' },
    });
    await probe('third', []);
    neighbour = await placeOf('third');
    for (const list of [past, through, neighbours()]) Object.assign(outcomes, await probe('listed', list));
  }, 240_000);

  afterAll(async () => {
    await host?.kill('SIGTERM');
    await host?.dispose();
    await names?.close();
    await world?.close();
    close();
  }, 60_000);

  test.each([...past, ...through])('$name does not get out', ({ name, expect: expected }) => {
    const outcome = outcomes[name] ?? 'was not tried';
    expect(outcome).toMatch(expected ?? /^(error|nothing in time|silence|closed without a word|failed)/);
    expect(outcome).not.toMatch(/hello from|was not tried/);
  });

  test("neither another group's container nor its proxy can be reached", () => {
    for (const { name } of neighbours()) {
      expect(`${name}: ${outcomes[name]}`).toMatch(/: (error|nothing in time|silence|closed without a word)/);
      expect(outcomes[name]).not.toMatch(/HTTP\/1/);
    }
  });

  test('nothing arrived anywhere but at the listed host, and no name leaked', () => {
    expect(world.arrivals.filter(({ address }) => address !== WORLD.allowed)).toEqual([]);
    const unlisted = (name: string) =>
      !(name in INWARD) && !/^(allowed|port|v6|both)\.example$|\.wild\.example$/.test(name);
    expect(names.asked.filter(unlisted)).toEqual([]);
  });

  test('what is listed can be reached, also after another host has taken over', async () => {
    const ways = allowedWays();
    const expectAll = async () => {
      const found = await probe('listed', ways);
      for (const { name, expect: expected } of ways)
        expect(`${name}: ${found[name]}`).toMatch(expected as RegExp);
    };
    await expectAll();
    const before = await containersOf(host);
    await host.kill('SIGUSR2');
    await host.start();
    await expectAll();
    expect(await containersOf(host)).toEqual(before);
  }, 120_000);

  function neighbours(): Attempt[] {
    const { gateway, address } = neighbour;
    return [
      { name: "another group's proxy", does: 'tcp', host: gateway, port: 3128 },
      { name: "another group's container", does: 'tcp', host: address, port: 3128 },
    ];
  }

  async function probe(group: string, attempts: Attempt[]): Promise<Record<string, string>> {
    const sent = attempts.map(({ expect: _, ...attempt }) => attempt);
    const answer = await host.ask(group, 'one', JSON.stringify(sent), 120_000);
    if (answer.reason) throw new Error(answer.reason);
    return JSON.parse(answer.text);
  }

  async function placeOf(group: string): Promise<{ gateway: string; address: string }> {
    const all = await Promise.all(
      (await containersOf(host)).map((name) => docker.getContainer(name).inspect()),
    );
    const found = all.find(({ Config }) => Config.Labels['berth.group'] === group);
    const [network] = Object.values(found?.NetworkSettings.Networks ?? {}) as Docker.EndpointSettings[];
    const { Internal, IPAM } = await docker.getNetwork(found?.Name.slice(1) ?? '').inspect();
    expect(Internal).toBe(true);
    return { gateway: IPAM?.Config?.[0]?.Gateway ?? '', address: network?.IPAddress ?? '' };
  }
});

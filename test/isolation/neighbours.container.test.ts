import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import type Docker from 'dockerode';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connectDocker } from '../../src/engines/docker-connection.ts';
import { containersOf } from '../fixtures/containers-of.ts';
import { type HostProcess, startHost } from '../fixtures/host-process.ts';
import { shell } from '../fixtures/shell-group.ts';
import type { Attempt } from './fixtures/attempts.ts';
import { openStandInWorld, type StandInWorld, WORLD, whyNoWorld } from './fixtures/stand-in-world.ts';

/*
 * Two real containers with `network: internet`: both reach the (stand-in) world, and neither finds the other, though one of
 * them listens on every address and port that it is tried at.
 */

const reason = await whyNoWorld();
const PORT = 4444;
const INTERNET = 'network: internet';
const listener = `setsid node -e '
  require("node:net").createServer((s) => s.end("hello from a neighbour")).listen(${PORT}, "0.0.0.0");
  require("node:dgram").createSocket("udp4").on("message", function (_, from) { this.send("hello from a neighbour", from.port, from.address) }).bind(${PORT});
' > /dev/null 2>&1 & echo listening`;

if (reason !== undefined) test.skip(`two containers with internet: ${reason}`, () => undefined);

describe.runIf(reason === undefined)('two containers with internet', () => {
  const { docker, close } = connectDocker(process.env.DOCKER_HOST);
  let world: StandInWorld;
  let host: HostProcess;
  let neighbour: { name: string; address: string; network: string };
  let other: { name: string; address: string; network: string };
  let outcomes: Record<string, string>;

  beforeAll(async () => {
    world = await openStandInWorld();
    const bot = readFileSync(new URL('./fixtures/prober.mjs', import.meta.url), 'utf8');
    const agent = 'agent: { provider: command, command: [node, /group/bot.mjs] }';
    host = await startHost({
      groups: {
        listens: shell(INTERNET),
        closed: { yaml: ['name: Closed', agent, ''].join('\n'), workspace: { 'bot.mjs': bot } },
        tries: { yaml: ['name: Prober', agent, INTERNET, ''].join('\n'), workspace: { 'bot.mjs': bot } },
      },
    });
    expect((await host.ask('listens', 'one', listener)).text).toContain('listening');
    await probe('tries', []);
    [neighbour, other] = [await containerOf('listens'), await containerOf('tries')];
    outcomes = await probe('tries', attempts(neighbour, other));
  }, 180_000);

  afterAll(async () => {
    await host?.kill('SIGTERM');
    const install = { label: ['berth.install'] };
    const left = (await docker.listNetworks({ filters: install })).map(({ Name }) => Name);
    await host?.dispose();
    await world?.close();
    close();
    expect(left.filter((name) => name === neighbour?.name || name === other?.name)).toEqual([]);
  }, 60_000);

  test('share no network', () => {
    expect(neighbour.network).not.toBe(other.network);
  });

  test('what is aimed at is there: this machine itself reaches it', async () => {
    expect(await text(connect({ host: neighbour.address, port: PORT }))).toBe('hello from a neighbour');
  });

  test('none of the ways to the other one leads there', () => {
    const names = attempts(neighbour, other).map(({ name }) => name);
    expect(Object.keys(outcomes).filter((name) => names.includes(name))).toHaveLength(names.length);
    for (const name of names) {
      expect(`${name}: ${outcomes[name]}`).toMatch(/: (error|nothing in time|silence|failed)/);
      expect(outcomes[name]).not.toContain('hello from');
    }
  });

  test('one without a network finds it no more', async () => {
    const found = await probe('closed', attempts(neighbour, other));
    for (const [name, outcome] of Object.entries(found)) {
      expect(`${name}: ${outcome}`).toMatch(/: (error|nothing in time|silence|failed)/);
      expect(outcome).not.toContain('hello from');
    }
  });

  test('each reaches the world', async () => {
    const { world: reached } = await probe('tries', [
      { name: 'world', does: 'tcp', host: WORLD.allowed, port: 80 },
    ]);
    expect(reached).toContain(`hello from ${WORLD.allowed}`);
    const script = `node -e 'fetch("http://${WORLD.allowed}/").then((r) => r.text()).then(console.log)'`;
    expect((await host.ask('listens', 'one', script)).text).toContain(`hello from ${WORLD.allowed}`);
  });

  test('a network goes with its container', async () => {
    await docker.getContainer(other.name).remove({ force: true });
    await expect
      .poll(async () => (await docker.listNetworks()).some(({ Id }) => Id === other.network), {
        timeout: 20_000,
      })
      .toBe(false);
  });

  async function probe(group: 'tries' | 'closed', tried: Attempt[]): Promise<Record<string, string>> {
    const answer = await host.ask(group, 'one', JSON.stringify(tried), 120_000);
    if (answer.reason) throw new Error(answer.reason);
    return JSON.parse(answer.text);
  }

  async function containerOf(group: string): Promise<{ name: string; address: string; network: string }> {
    const all = await Promise.all(
      (await containersOf(host)).map((name) => docker.getContainer(name).inspect()),
    );
    const found = all.find(({ Config }) => Config.Labels['berth.group'] === group);
    const networks = Object.values(found?.NetworkSettings.Networks ?? {}) as Docker.EndpointSettings[];
    const [network] = networks;
    if (!found || !network?.IPAddress || networks.length !== 1) throw new Error(`${group} has no network`);
    return { name: found.Name.slice(1), address: network.IPAddress, network: network.NetworkID ?? '' };
  }
});

type Place = { name: string; address: string };

function attempts(neighbour: Place, own: Place): Attempt[] {
  const broadcast = (address: string) =>
    `use Socket; socket(S, PF_INET, SOCK_DGRAM, 17) or die $!; setsockopt(S, SOL_SOCKET, SO_BROADCAST, 1); send(S, "out", 0, pack_sockaddr_in(${PORT}, inet_aton("${address}"))) or die "send: $!"; alarm 2; recv(S, my $a, 99, 0) and print $a;`;
  const run = (name: string, ...argv: string[]): Attempt => ({ name, does: 'run', argv });
  const last = Number(own.address.split('.')[3]) | 7;
  const ownBroadcast = [...own.address.split('.').slice(0, 3), last].join('.');
  return [
    { name: 'TCP to its address', does: 'tcp', host: neighbour.address, port: PORT },
    { name: 'UDP to its address', does: 'udp', host: neighbour.address, port: PORT },
    { name: 'TCP to its name', does: 'tcp', host: neighbour.name, port: PORT },
    { name: 'its name through the resolver', does: 'lookup', asked: neighbour.name },
    {
      name: "its name through the engine's resolver",
      does: 'resolve',
      asked: neighbour.name,
      server: '127.0.0.11',
    },
    run('broadcast to all', 'perl', '-e', broadcast('255.255.255.255')),
    run('broadcast on its own network', 'perl', '-e', broadcast(ownBroadcast)),
    run('multicast to all hosts', 'perl', '-e', broadcast('224.0.0.1')),
    run('no neighbour in the ARP table', 'grep', '-F', neighbour.address, '/proc/net/arp'),
  ];
}

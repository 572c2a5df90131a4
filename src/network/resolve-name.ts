import { promises as dns } from 'node:dns';
import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';

/** Gives all addresses of a name, IPv4 first; an address is its own. Rejects where there are none. */
export type ResolveName = (host: string) => Promise<string[]>;

const TRY_MS = 2_500;
const TRIES = 2;
/** How long the machine's settings are believed, in milliseconds: a laptop changes its network. */
const SETTINGS_MS = 10_000;

/** @param server `address` or `address:port` of a name server; `undefined`: those of this machine, and its /etc/hosts. */
export function createResolveName(server?: string): ResolveName {
  const ask = server === undefined ? askMachine() : askServer(server);
  return async (host) => (isIP(host) ? [host] : await ask(host));
}

/**
 * The system's own lookup holds one of the few threads of this process until it has an answer: the names of a slow zone would hold
 * up all others, and the work on files besides. So it is asked for what stands in /etc/hosts alone, which needs no waiting.
 */
function askMachine(): ResolveName {
  let known: { settings: ReturnType<typeof readSettings>; at: number } | undefined;
  return async (host) => {
    if (!known || performance.now() - known.at > SETTINGS_MS)
      known = { settings: readSettings(), at: performance.now() };
    const { resolver, hosts } = await known.settings;
    return hosts.has(host) ? await askSystem(host) : await askFor(resolver, host);
  };
}

async function readSettings(): Promise<{ resolver: dns.Resolver; hosts: Set<string> }> {
  const text = await readFile('/etc/hosts', 'utf8').catch(() => '');
  const lines = text.split('\n').map((line) => line.replace(/#.*/, '').trim().toLowerCase());
  return {
    resolver: new dns.Resolver({ timeout: TRY_MS, tries: TRIES }),
    hosts: new Set(lines.flatMap((line) => line.split(/\s+/).slice(1))),
  };
}

async function askSystem(host: string): Promise<string[]> {
  const found = await dns.lookup(host, { all: true, order: 'ipv4first' });
  return found.map(({ address }) => address);
}

function askServer(server: string): ResolveName {
  const resolver = new dns.Resolver({ timeout: TRY_MS, tries: TRIES });
  resolver.setServers([server]);
  return (host) => askFor(resolver, host);
}

async function askFor(resolver: dns.Resolver, host: string): Promise<string[]> {
  const [v4, v6] = await Promise.allSettled([resolver.resolve4(host), resolver.resolve6(host)]);
  const found = [v4, v6].flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []));
  if (found.length === 0 && v4.status === 'rejected') throw v4.reason;
  return found;
}

import { promises as dns } from 'node:dns';
import { isIP } from 'node:net';

/** Gives all addresses of a name, IPv4 first; an address is its own. Rejects where there are none. */
export type ResolveName = (host: string) => Promise<string[]>;

const LIMIT_MS = 5_000;

/** @param server `address` or `address:port` of a name server; `undefined`: as this machine resolves names. */
export function createResolveName(server?: string): ResolveName {
  const ask = server === undefined ? askSystem : askServer(server);
  return async (host) => (isIP(host) ? [host] : await ask(host));
}

async function askSystem(host: string): Promise<string[]> {
  const found = await dns.lookup(host, { all: true, order: 'ipv4first' });
  return found.map(({ address }) => address);
}

function askServer(server: string): ResolveName {
  const resolver = new dns.Resolver({ timeout: LIMIT_MS / 2, tries: 2 });
  resolver.setServers([server]);
  return async (host) => {
    const [v4, v6] = await Promise.allSettled([resolver.resolve4(host), resolver.resolve6(host)]);
    const found = [v4, v6].flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []));
    if (found.length === 0 && v4.status === 'rejected') throw v4.reason;
    return found;
  };
}

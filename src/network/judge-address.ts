import { BlockList, isIP } from 'node:net';

/** Address ranges that lead to this machine, to its neighbours or to nobody, each with its name for people. */
const REFUSED: Record<string, string[]> = {
  'this network': ['0.0.0.0/8'],
  loopback: ['127.0.0.0/8'],
  private: ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16'],
  'shared (CGNAT)': ['100.64.0.0/10'],
  'link-local': ['169.254.0.0/16'],
  'IETF protocol': ['192.0.0.0/24'],
  '6to4 relay': ['192.88.99.0/24'],
  benchmark: ['198.18.0.0/15'],
  multicast: ['224.0.0.0/4'],
  reserved: ['240.0.0.0/4'],
  metadata: ['168.63.129.16/32'], // of a cloud that has it outside the link-local range
};

/** Of IPv6 only this is anybody's address on the internet: all else (loopback, ULA, link-local, mapped, NAT64 …) is refused. */
const GLOBAL_V6 = '2000::/3';
/** Parts of it that carry an IPv4 address within, or are for protocols. */
const REFUSED_V6: Record<string, string[]> = {
  'protocol (Teredo, ORCHID …)': ['2001::/23'],
  '6to4': ['2002::/16'],
};

const refused = [...Object.entries(REFUSED), ...Object.entries(REFUSED_V6)].map(([name, ranges]) => ({
  name,
  list: toList(ranges),
}));
const globalV6 = toList([GLOBAL_V6]);

/**
 * Why no container may be connected to an address: the name of the range that it lies in; `undefined` where it may.
 * Public addresses of this very machine count as any other's: a model of one's own may be listed by its name.
 */
export function refusalOf(address: string): string | undefined {
  const version = isIP(address);
  if (version === 0 || address.includes('%')) return 'no plain IP';
  const family = version === 4 ? 'ipv4' : 'ipv6';
  const range = refused.find(({ list }) => list.check(address, family));
  if (range) return range.name;
  return version === 6 && !globalV6.check(address, family) ? 'non-global IPv6' : undefined;
}

function toList(ranges: string[]): BlockList {
  const list = new BlockList();
  for (const range of ranges) {
    const [network = '', bits] = range.split('/');
    list.addSubnet(network, Number(bits), network.includes(':') ? 'ipv6' : 'ipv4');
  }
  return list;
}

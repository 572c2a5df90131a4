/** Where somebody wants to go. */
interface Target {
  host: string;
  port: number;
}

/** Ports of an item that names none. */
const DEFAULT_PORTS = [443, 80];

/**
 * Whether an item of `network.allow` admits a target. `*.example.com` stands for every name below example.com, not for
 * example.com itself; an item with a port admits that port alone, one without admits 443 and 80.
 */
export function isAllowed(allow: readonly string[], target: Target): boolean {
  return allow.some((item) => admits(item, target));
}

function admits(item: string, { host, port }: Target): boolean {
  const [, name = '', only] = /^(.*?)(?::(\d+))?$/.exec(item.toLowerCase()) ?? [];
  if (only === undefined ? !DEFAULT_PORTS.includes(port) : Number(only) !== port) return false;
  return name.startsWith('*.')
    ? host.endsWith(name.slice(1)) && host.length > name.length - 1
    : host === name;
}

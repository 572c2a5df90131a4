import { isIP, isIPv4, isIPv6 } from 'node:net';

/** Where a request wants to go: a name in lower case without a dot at its end, or a plain IP address. */
export interface Target {
  host: string;
  port: number;
}

const NAME = /^(?=.{1,253}$)([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

/**
 * Reads `host:port` as a CONNECT or a Host header bears it; `undefined` where it is anything but plainly that. There is one
 * way to write a host: what another reader might take for something else (numbers as addresses, escapes, user names) is none.
 */
export function parseAuthority(text: string, defaultPort?: number): Target | undefined {
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+))(?::(\d{1,5}))?$/.exec(text);
  if (!match) return undefined;
  const [, bracketed, plain = '', digits] = match;
  const port = digits === undefined ? defaultPort : Number(digits);
  if (port === undefined || port < 1 || port > 65_535) return undefined;
  const host = bracketed === undefined ? plainHost(plain) : ipv6(bracketed);
  return host === undefined ? undefined : { host, port };
}

/** Reads the target of a proxied request, `http://host[:port]/path`. @returns also what the server is asked for. */
export function parseAbsolute(url: string): (Target & { path: string }) | undefined {
  const match = /^http:\/\/([^/?#@\\\s]+)(\/[^\s#]*|\?[^\s#]*)?$/i.exec(url);
  const target = match?.[1] === undefined ? undefined : parseAuthority(match[1], 80);
  if (!match || !target) return undefined;
  const rest = match[2] ?? '/';
  return { ...target, path: rest.startsWith('/') ? rest : `/${rest}` };
}

/** As a person or a Host header writes it. */
export function authorityOf({ host, port }: Target): string {
  return `${isIP(host) === 6 ? `[${host}]` : host}:${port}`;
}

function plainHost(text: string): string | undefined {
  const host = text.toLowerCase().replace(/\.$/, '');
  if (isIPv4(host)) return host;
  // 127.1, 0x7f000001 and 2130706433 are addresses to some resolvers: no name of a host ends in a number.
  const last = host.slice(host.lastIndexOf('.') + 1);
  return NAME.test(host) && !/^(\d+|0x[0-9a-f]*)$/.test(last) ? host : undefined;
}

/** In its one short form. */
function ipv6(text: string): string | undefined {
  return isIPv6(text) ? new URL(`http://[${text}]`).hostname.slice(1, -1) : undefined;
}

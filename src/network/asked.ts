import type { IncomingMessage } from 'node:http';
import { authorityOf, parseAbsolute, parseAuthority, type Target } from './target.ts';

/** What a plain HTTP request asks for. */
export type Asked = Target & { path: string };

/**
 * Reads what a request asks for; `undefined` where it does not plainly name one host.
 * @param within the host that the client believes to speak to, in a tunnel: there it may say the path alone.
 */
export function readAsked({ url = '', rawHeaders }: IncomingMessage, within?: Target): Asked | undefined {
  const asked = parseAbsolute(within && url.startsWith('/') ? `http://${authorityOf(within)}${url}` : url);
  return asked && meansOnly(asked, rawHeaders) ? asked : undefined;
}

/** A Host header for another host than the address would be for whoever stands behind that address to choose from. */
function meansOnly(asked: Target, rawHeaders: string[]): boolean {
  const named = rawHeaders.filter((_, at) => rawHeaders[at - 1]?.toLowerCase() === 'host' && at % 2 === 1);
  const [target] = named.map((value) => parseAuthority(value, 80));
  return (
    named.length <= 1 && (named.length === 0 || (target?.host === asked.host && target.port === asked.port))
  );
}

/**
 * Whether a path of the gateway leads to what the host does there itself, such as approving requests: many gateways ask for
 * no key. What could be read in two ways counts as well.
 */
export function isOperators(path: string): boolean {
  const [plain = ''] = path.split('?');
  return /^\/(v\d|api)(\/|$)/i.test(plain) || /[%\\;]|\/\/|\/\.{1,2}(\/|$)/.test(plain);
}

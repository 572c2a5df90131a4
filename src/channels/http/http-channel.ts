import type { AddressInfo } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { asBerthError, BerthError } from '../../errors.ts';
import type { Logger } from '../../log.ts';
import type { Channel, ChatEvent, Host } from '../channel.ts';
import { buildServer } from './build-server.ts';
import { createEventStreams, PING_EVERY_MS } from './event-streams.ts';

/** How long open requests may take to end when the channel closes, in milliseconds. */
const CLOSE_GRACE_MS = 3_000;

export interface HttpChannelOptions {
  /** Address to listen on, such as `127.0.0.1`. */
  host: string;
  /** Port to listen on; 0 means any free one (see {@link HttpChannel.address}). */
  port: number;
  /** What callers show as `Authorization: Bearer`. */
  token: string;
  /** Largest upload in bytes. */
  maxFileBytes: number;
  log: Logger;
  /** Time between two comments to readers of events, in milliseconds; only tests set it. */
  pingEveryMs?: number;
}

export interface HttpChannel extends Channel {
  send(event: ChatEvent): Promise<undefined>;
  /** Where the channel listens, once it is started. Throws before that and after `close`. */
  address(): { host: string; port: number };
}

/**
 * The channel "HTTP, version 1": see `docs/http.md`. `start` throws `E_PORT_IN_USE` when it cannot listen.
 *
 * `send` has nothing to do: for this channel an event has arrived once its number is given, because readers
 * get it from the ledger, at once through `subscribe` or later by number.
 */
export function createHttpChannel(options: HttpChannelOptions): HttpChannel {
  if (options.token === '') throw new BerthError('E_CONFIG', 'the token of the HTTP channel is empty');
  const log = options.log.child({ channel: 'http' });
  const streams = createEventStreams({ log, pingEveryMs: options.pingEveryMs ?? PING_EVERY_MS });
  /** By `prepare`, for `start`. */
  let prepared: FastifyInstance | undefined;
  let server: FastifyInstance | undefined;
  let closing = false;

  return {
    name: 'http',
    takesKey: true,
    async prepare(host) {
      prepared = build(host);
      await prepared.ready();
    },
    async start(host) {
      server = prepared ?? build(host);
      prepared = undefined;
      await listen(server, options);
      log.info(boundAddress(server), 'listening');
    },
    async send() {},
    tell: streams.tell,
    async close() {
      closing = true;
      streams.closeAll();
      if (server) await closeServer(server);
      server = undefined;
    },
    address() {
      if (!server) throw new BerthError('E_INTERNAL', 'the HTTP channel does not listen');
      return boundAddress(server);
    },
  };

  function build(host: Host): FastifyInstance {
    const { token, maxFileBytes } = options;
    return buildServer({ host, token, maxFileBytes, log, streams, isClosing: () => closing });
  }
}

async function listen(server: FastifyInstance, { host, port }: HttpChannelOptions): Promise<void> {
  try {
    await server.listen({ host, port });
  } catch (error) {
    await server.close();
    const where = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
    const { code } = error as { code?: string };
    if (code === 'EADDRINUSE')
      throw new BerthError('E_PORT_IN_USE', `another program listens on ${where}`, error);
    if (code === undefined) throw asBerthError(error);
    throw new BerthError('E_PORT_IN_USE', `cannot listen on ${where}: ${(error as Error).message}`, error);
  }
}

function boundAddress(server: FastifyInstance): { host: string; port: number } {
  const { address, port } = server.server.address() as AddressInfo;
  return { host: address, port };
}

/** Waits for requests in flight, but not for ever: a caller that stalls must not hold up the host's end. */
async function closeServer(server: FastifyInstance): Promise<void> {
  const timer = setTimeout(() => server.server.closeAllConnections(), CLOSE_GRACE_MS);
  try {
    await server.close();
  } finally {
    clearTimeout(timer);
  }
}

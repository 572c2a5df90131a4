import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import { trustBundle } from '../src/credentials/trusted-certificates.ts';
import { makeCertificates } from './fixtures/certificates.ts';
import { type FakeOneCli, openFakeOneCli } from './fixtures/fake-onecli.ts';
import { openProxyRoom, type ProxyRoom, talk } from './fixtures/proxy-room.ts';

/*
 * The proxy of one group, from its socket. Where requests have to arrive somewhere, they go through a gateway of ours: nobody
 * else is connected to.
 */

const ADDRESSES: Record<string, string[]> = {
  'allowed.example': ['203.0.113.10'],
  'both.example': ['203.0.113.10', '10.0.0.1'],
  'inward.example': ['10.0.0.1'],
};

const folder = mkdtempSync(join(tmpdir(), 'berth-proxy-'));
let gateway: FakeOneCli;
let room: ProxyRoom;

beforeEach(async () => {
  gateway = await openFakeOneCli();
  gateway.tokens.set('sales', 'token');
  const itself = {
    target: { host: '127.0.0.1', port: gateway.gatewayPort },
    ...{ secure: false, authorization: `Basic ${Buffer.from('x:token').toString('base64')}` },
  };
  room = await openProxyRoom({
    judge: () => ({ way: 'through-gateway', gateway: itself }),
    resolve: async (host) => {
      const found = ADDRESSES[host];
      if (!found) throw Object.assign(new Error(`no ${host}`), { code: 'ENOTFOUND' });
      return found;
    },
  });
});
afterAll(() => rmSync(folder, { recursive: true }));
afterEach(async () => {
  await room.close();
  await gateway.close();
});

const tunnelTo = (target: string) => `CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n\r\n`;
const get = (url: string, host: string) => `GET ${url} HTTP/1.1\r\nHost: ${host}\r\n\r\n`;
const ANSWERED = /^HTTP\/1\.1 \d{3} .*\r\n\r\n/s;

describe('through the gateway', () => {
  test.each([
    ['a name that this host cannot resolve', 'postgres', 502, 'postgres has no address (ENOTFOUND)'],
    ['a name that has a private address', 'inward.example', 403, 'is at 10.0.0.1, a private address'],
    ['a name that has one beside a public one', 'both.example', 403, 'is at 10.0.0.1, a private address'],
  ])('%s does not reach it', async (_, host, status, words) => {
    for (const bytes of [tunnelTo(`${host}:443`), get(`http://${host}/`, host)]) {
      const answer = await talk(room.client(), bytes, /\r\n\r\n.*\n/s);
      expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
      expect(answer).toContain(words);
    }
    expect(gateway.passed).toEqual([]);
  });

  test('one that is somebody on the internet does', async () => {
    expect(await talk(room.client(), tunnelTo('allowed.example:443'), ANSWERED)).toMatch(/^HTTP\/1.1 200 /);
    expect(gateway.passed).toEqual([{ agent: 'sales', target: 'allowed.example:443' }]);
  });

  test('over TLS too, where its certificate is trusted; else it is said what is wrong with it', async () => {
    const certificates = makeCertificates();
    const asked: (string | undefined)[] = [];
    const secure = createServer(certificates.of('gateway.example'));
    secure.on('connect', ({ url, headers }, socket) => {
      asked.push(url, headers['proxy-authorization']);
      socket.write('HTTP/1.1 200 OK\r\n\r\nhello through it');
    });
    await new Promise<void>((resolve) => secure.listen(0, '127.0.0.1', resolve));
    const { port } = secure.address() as AddressInfo;
    const target = { host: 'gateway.example', port };
    const itself = { target, secure: true, at: ['127.0.0.1'], authorization: 'Basic eDp0b2tlbg==' };
    room.judge = () => ({ way: 'through-gateway', gateway: itself });
    try {
      const untrusted = await talk(room.client(), tunnelTo('allowed.example:443'), /\r\n\r\n.*\n/s);
      expect(untrusted).toMatch(/^HTTP\/1.1 502 .*the gateway's TLS: .*certificate/s);
      expect(asked).toEqual([]);
      const file = join(folder, 'ca.pem');
      writeFileSync(file, certificates.ca);
      await trustBundle(file);
      expect(await talk(room.client(), tunnelTo('allowed.example:443'), /hello through it/)).toMatch(/ 200 /);
      expect(asked).toEqual(['allowed.example:443', 'Basic eDp0b2tlbg==']);
    } finally {
      secure.close();
      certificates.remove();
    }
  });
});

test('what was said to a server that has said all arrives, though both have nothing to add', async () => {
  const servers: Socket[] = [];
  /** Agrees to the tunnel, and says all that it has to say once it is spoken to. */
  const server = createTcpServer({ allowHalfOpen: true }, (socket) => {
    servers.push(socket.on('error', () => undefined));
    socket.once('data', () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      socket.once('data', () => socket.pause().end('no more'));
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  room.judge = () => ({
    way: 'through-gateway',
    gateway: { target: { host: '127.0.0.1', port }, secure: false },
  });
  const outward: Socket[] = [];
  const keep = (message: unknown) => void outward.push((message as { socket: Socket }).socket);
  const client = room.client({ allowHalfOpen: true });
  subscribe('net.client.socket', keep);
  try {
    await talk(client, tunnelTo('allowed.example:2525'), ANSWERED);
    await talk(client, 'DATA\n', /no more/);
    // Until some of it stays with the proxy, and no more than it takes at once.
    let said = 'DATA\n'.length;
    const [toServer] = outward as [Socket];
    while (toServer.writableLength === 0) {
      await new Promise((resolve) => client.write(Buffer.alloc(8 * 1024), resolve));
      said += 8 * 1024;
      await turn();
    }
    client.end();
    await expect
      .poll(() => new Promise((resolve) => room.proxy.server.getConnections((_, n) => resolve(n))))
      .toBe(0);
    let arrived = 'DATA\n'.length;
    for await (const chunk of servers[0] as Socket) arrived += (chunk as Buffer).length;
    expect(arrived).toBe(said);
  } finally {
    unsubscribe('net.client.socket', keep);
    for (const socket of servers) socket.destroy();
    server.close();
  }
});

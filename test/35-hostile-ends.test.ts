import type { Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { PATIENCE } from '../src/network/client-connection.ts';
import { connectTo } from '../src/network/dial.ts';
import { limitConnections } from '../src/network/limit-connections.ts';
import type { Target } from '../src/network/target.ts';
import type { Gateway, Verdict } from '../src/network/verdict.ts';
import {
  openProxyRoom,
  openRawServer,
  type ProxyRoom,
  type RawServer,
  readToClose,
  talk,
} from './fixtures/proxy-room.ts';

/*
 * Clients and servers that say what nobody should, or leave when nobody should: it ends their own connection, and nothing is left
 * of it. An error that nobody listens for fails the run.
 */

const STAND_IN = 'stand-in.example';
const ESTABLISHED = / 200 Connection Established/;
const ANSWERED = /^HTTP\/1\.1 \d{3} .*\r\n\r\n/s;
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

let server: RawServer;
let room: ProxyRoom;
let gateway: Gateway;

beforeEach(async () => {
  server = await openRawServer();
  gateway = { target: { host: '127.0.0.1', port: server.port }, secure: false };
  await reopen({});
});
afterEach(async () => {
  vi.useRealTimers();
  await room.close();
  await server.close();
});

async function reopen(more: Partial<Parameters<typeof openProxyRoom>[0]>): Promise<void> {
  await room?.close();
  room = await openProxyRoom({ judge, ...more });
}

/** All but the one host lead to the server. */
function judge({ host }: Target): Verdict {
  return { way: host === STAND_IN ? 'to-gateway' : 'through-gateway', gateway };
}

const ask = (line: string, headers: string[]) =>
  [`${line} HTTP/1.1`, 'Host: a.example', ...headers, '', ''].join('\r\n');
const get = (path = '/', ...headers: string[]) => ask(`GET http://a.example${path}`, headers);
const post = (...headers: string[]) => ask('POST http://a.example/', headers);
const tunnelTo = (target: string) => `CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n\r\n`;
const saidFirst = () => server.connections[0]?.said ?? '';

/** Everything goes on for others. */
async function expectServing(): Promise<void> {
  server.onHead = (socket) => socket.end(OK);
  expect(await talk(room.client(), get(), /ok$/)).toMatch(/^HTTP\/1.1 200 /);
  expect(room.reports).toEqual([]);
}

async function expectNothingOpen(): Promise<void> {
  await expect.poll(() => server.open, { timeout: 5_000 }).toBe(0);
  await expect.poll(() => countClients(), { timeout: 5_000 }).toBe(0);
}

function countClients(): Promise<number> {
  return new Promise((resolve, reject) =>
    room.proxy.server.getConnections((error, count) => (error ? reject(error) : resolve(count))),
  );
}

describe('an answer', () => {
  test('with a file name that is not ASCII is handed on byte by byte', async () => {
    const disposition = 'Content-Disposition: attachment; filename="\xe4\xb8\xad.txt"';
    server.onHead = (socket) =>
      socket.end(`HTTP/1.1 200 OK\r\nContent-Length: 1\r\n${disposition}\r\n\r\nx`, 'latin1');
    const answer = await talk(room.client(), get(), /\r\n\r\nx$/);
    expect(answer).toContain(`\r\n${disposition}\r\n`);
    expect(answer).toContain('\r\nContent-Length: 1\r\n');
  });

  test('to a WebSocket is handed on byte by byte as well', async () => {
    server.onHead = (socket) =>
      socket.end('HTTP/1.1 404 No\r\nX: \xe9\r\nContent-Length: 2\r\n\r\nno', 'latin1');
    const asked = get('/', 'Connection: Upgrade', 'Upgrade: websocket');
    const answer = await talk(room.client(), asked, /\r\n\r\nno$/);
    expect(answer).toMatch(/^HTTP\/1.1 404 No\r\n/);
    expect(answer).toContain('\r\nX: \xe9\r\n');
  });

  test.each([
    ['a status below all', 'HTTP/1.1 099 X\r\n\r\n'],
    ['a change of protocol to none', 'HTTP/1.1 101 X\r\n\r\n'],
    [
      'a change of protocol that nobody asked for',
      'HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n',
    ],
    ['a head that is none', 'HTTP/1.1 200 OK\r\nno header\r\n\r\n'],
    ['no word', ''],
  ])('that is %s is a bad gateway', async (_, bytes) => {
    server.onHead = (socket) => (bytes === '' ? socket.end() : socket.write(bytes));
    expect(await talk(room.client(), get(), /berth: .*\n$/s)).toMatch(/^HTTP\/1.1 502 Bad Gateway\r\n/);
    await expectNothingOpen();
    await expectServing();
  });

  test('that breaks off is a bad gateway, or the end of it', async () => {
    server.onHead = (socket) => socket.resetAndDestroy();
    expect(await talk(room.client(), get(), /berth: .*\n$/s)).toMatch(/^HTTP\/1.1 502 /);
    server.onHead = (socket) =>
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx', () => socket.resetAndDestroy());
    const client = room.client();
    client.write(get());
    expect(await readToClose(client)).not.toMatch(/502/);
    await expectServing();
  });

  test('is there before the first byte of its body', async () => {
    server.onHead = (socket) => socket.write('HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n');
    expect(await talk(room.client(), get(), ANSWERED)).toContain('text/event-stream');
  });

  test('reaches a client that has closed its side', async () => {
    server.onHead = (socket) => socket.end(OK);
    const client = room.client();
    client.end(get());
    expect(await readToClose(client)).toMatch(/^HTTP\/1.1 200 .*ok$/s);
    await expectNothingOpen();
  });

  test('is not waited for long where a client that has closed its side may be gone', async () => {
    await reopen({ patience: { ...PATIENCE, halfClosed: 200 } });
    room.client().end(get());
    await expect.poll(() => server.open).toBe(1);
    await expectNothingOpen();
  });

  test('that comes before the end of a request does not hang a client that says all before it listens', async () => {
    server.onHead = (socket) => {
      socket.pause();
      socket.end('HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig');
    };
    const client = room.client();
    client.write(post(`Content-Length: ${8 * 2 ** 20}`));
    await new Promise((resolve) => client.write(Buffer.alloc(8 * 2 ** 20), resolve));
    expect(await talk(client, '', /big$/)).toMatch(/^HTTP\/1.1 413 /);
    server.onHead = (socket) => socket.end(OK);
    expect(await talk(client, get(), /ok$/)).toMatch(/^HTTP\/1.1 200 /);
  });

  test('is the last where the request before it does not end', async () => {
    await reopen({ patience: { ...PATIENCE, answered: 200 } });
    server.onHead = (socket) => socket.end('HTTP/1.1 401 No\r\nContent-Length: 2\r\n\r\nno');
    const client = room.client();
    client.write(`${post('Transfer-Encoding: chunked')}1\r\nx\r\n`);
    expect(await readToClose(client)).toMatch(/^HTTP\/1.1 401 .*no$/s);
    await expectNothingOpen();
  });
});

describe('a request', () => {
  test('with bytes above ASCII is handed on byte by byte', async () => {
    const bytes = post('Content-Length: 1', 'Content-Disposition: \xff');
    server.onHead = (socket) => socket.end(OK);
    expect(await talk(room.client(), `${bytes}x`, /ok$/)).toMatch(/^HTTP\/1.1 200 /);
    expect(saidFirst()).toContain('\r\nContent-Disposition: \xff\r\n');
    expect(saidFirst()).toMatch(/\r\n\r\nx$/);
    await expect.poll(() => server.open).toBe(0);
  });

  const within = 'GET http://other.example/ HTTP/1.1\r\nHost: other.example\r\n\r\n';
  test.each([
    ['its length is named between neighbours', ['Connection: content-length']],
    ['there are a thousand headers before its length', Array<string>(1000).fill('a:')],
  ])('has a body that stays one, though %s', async (_, headers) => {
    server.onHead = (socket) => socket.end(OK);
    await talk(room.client(), get('/', ...headers, `Content-Length: ${within.length}`) + within, /ok$/);
    expect(saidFirst()).toContain(`\r\nContent-Length: ${within.length}\r\n`);
    expect(saidFirst().endsWith(`\r\n\r\n${within}`)).toBe(true);
  });

  test.each([
    ['its coding is named between neighbours', ['Connection: transfer-encoding']],
    ['there are a thousand headers before its coding', Array<string>(1000).fill('a:')],
  ])('has a chunked body that stays one, though %s', async (_, headers) => {
    server.onHead = (socket) => socket.end(OK);
    const body = `${within.length.toString(16)}\r\n${within}\r\n0\r\n\r\n`;
    await talk(room.client(), get('/', ...headers, 'Transfer-Encoding: chunked') + body, /ok$/);
    expect(saidFirst()).toContain('\r\nTransfer-Encoding: chunked\r\n');
    expect(saidFirst().endsWith(`\r\n\r\n${body}`)).toBe(true);
  });

  test('arrives before the first byte of its body', async () => {
    room.client().write(post('Transfer-Encoding: chunked'));
    await expect.poll(saidFirst).toMatch(/^POST .*\r\n\r\n$/s);
  });

  test('waits for those before it on its connection', async () => {
    const heads: { socket: Socket; path: string }[] = [];
    server.onHead = (socket, said) => void heads.push({ socket, path: /80(\/\d*)/.exec(said)?.[1] ?? '' });
    const answer = ({ socket, path }: (typeof heads)[0]) =>
      socket.end(`HTTP/1.1 200 OK\r\nContent-Length: ${path.length}\r\n\r\n${path}`);
    const text = talk(room.client(), [1, 2, 3].map((at) => get(`/${at}`)).join(''), /\/3$/);
    for (const path of ['/1', '/2', '/3']) {
      await expect.poll(() => heads.length).toBeGreaterThan(0);
      // Whatever else is asked for by then has arrived before this.
      const other = talk(room.client(), get('/9'), /\/9$/);
      await expect.poll(() => heads.at(-1)?.path).toBe('/9');
      expect(heads.map((one) => one.path)).toEqual([path, '/9']);
      for (const one of heads.splice(0)) answer(one);
      await other;
    }
    expect((await text).match(/(?<=\r\n\r\n)\/\d/g)).toEqual(['/1', '/2', '/3']);
  });

  test('is one too many on its connection', async () => {
    const client = room.client();
    client.write(get().repeat(100));
    expect(await readToClose(client)).toBe('');
    await expectNothingOpen();
    await expectServing();
  });

  test('that gets no answer ends with the silence, also after one that got it', async () => {
    await reopen({ patience: { ...PATIENCE, silent: 300 } });
    server.onHead = (socket) => socket.end(OK);
    const client = room.client();
    await talk(client, get(), /ok$/);
    server.onHead = () => undefined;
    client.write(get());
    await readToClose(client);
    await expectNothingOpen();
  });

  test('is answered that there is no room, where the group has too many connections', async () => {
    await reopen({ limit: limitConnections(1) });
    const first = room.client();
    first.write(get());
    await expect.poll(() => server.open).toBe(1);
    const answer = await talk(room.client(), get(), /berth: .*\n$/s);
    expect(answer).toMatch(/^HTTP\/1.1 503 .*too many connections at once/s);
    first.destroy();
    server.connections[0]?.socket.destroy();
    await expectNothingOpen();
    await expectServing();
  });
});

describe('a tunnel', () => {
  test.each([
    ['answers that are still owed', get() + get()],
    ['an answer of Node itself', get('/', 'Expect: wonders')],
  ])('is not opened behind %s', async (_, before) => {
    const client = room.client();
    const heard = readToClose(client);
    client.write(before + tunnelTo(`${STAND_IN}:80`) + get());
    client.write(get('/', 'Host: wrong.example'));
    expect(await heard).not.toMatch(ESTABLISHED);
    await expectNothingOpen();
    await expectServing();
  });

  test('is opened on a connection whose answers are given, and ends with the silence like any', async () => {
    await reopen({ patience: { ...PATIENCE, silent: 300 } });
    server.onHead = (socket) => socket.end(OK);
    const client = room.client();
    await talk(client, get(), /ok$/);
    expect(await talk(client, tunnelTo(`${STAND_IN}:80`), ANSWERED)).toMatch(ESTABLISHED);
    expect(await talk(client, get(), /ok$/)).toMatch(/^HTTP\/1.1 200 /);
    server.onHead = (socket) => socket.write('HTTP/1.1 200 OK\r\n\r\n');
    expect(await talk(client, tunnelTo('a.example:443'), ANSWERED)).toMatch(ESTABLISHED);
    await readToClose(client);
    await expectNothingOpen();
  });

  test('that names no host is refused, and a client that does not leave holds up nobody', async () => {
    const client = room.client({ allowHalfOpen: true });
    expect(await talk(client, 'CONNECT x HTTP/1.1\r\nHost: x\r\n\r\n', ANSWERED)).toMatch(/^HTTP\/1.1 400 /);
    expect(await countClients()).toBe(1);
    await room.proxy.close();
    expect(await countClients()).toBe(0);
  });

  test('that names no host is let go in time', async () => {
    await reopen({ patience: { ...PATIENCE, answered: 100 } });
    const client = room.client({ allowHalfOpen: true });
    await talk(client, 'CONNECT x HTTP/1.1\r\nHost: x\r\n\r\n', ANSWERED);
    await expectNothingOpen();
  });

  test('is no longer tried when its client has left', async () => {
    const client = room.client();
    client.write(tunnelTo('a.example:443'));
    await expect.poll(saidFirst).toMatch(/^CONNECT /);
    client.end();
    await expectNothingOpen();
    const tried = new AbortController();
    const connection = connectTo(['203.0.113.10'], 443, tried.signal);
    tried.abort();
    await expect(connection).rejects.toThrow(/no connection/);
  });
});

describe('a gateway that says nothing in its TLS', () => {
  beforeEach(() => {
    gateway = {
      ...gateway,
      secure: true,
      at: ['127.0.0.1'],
      target: { ...gateway.target, host: 'g.example' },
    };
  });

  test('is left when the client leaves', async () => {
    const client = room.client();
    client.write(tunnelTo('a.example:443'));
    await expect.poll(() => saidFirst().length).toBeGreaterThan(0);
    client.end();
    await expectNothingOpen();
  });

  test('is not waited for without end', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const answer = talk(room.client(), tunnelTo('a.example:443'), /berth: .*\n$/s);
    await expect.poll(() => saidFirst().length).toBeGreaterThan(0);
    vi.advanceTimersByTime(30_000);
    expect(await answer).toMatch(/^HTTP\/1.1 502 .*the gateway's TLS: no answer in time/s);
  });
});

describe('a host that is taken off the list', () => {
  const stream = 'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n';
  const webSocket = get('/', 'Connection: Upgrade', 'Upgrade: websocket');
  const agreed = 'HTTP/1.1 101 Yes\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n';
  test.each([
    ['an answer without end', get(), stream, /data: 1/],
    ['a request without end', `${post('Transfer-Encoding: chunked')}1\r\nx\r\n`, stream, /data: 1/],
    ['a WebSocket', webSocket, agreed, / 101 /],
    ['a tunnel', tunnelTo('a.example:443'), 'HTTP/1.1 200 OK\r\n\r\n', ESTABLISHED],
  ])('is cut off from %s', async (_, asked, said, until) => {
    server.onHead = (socket) => socket.write(said);
    const client = room.client();
    await talk(client, asked, until);
    room.judge = () => ({ way: 'refused', reason: 'as the test wants it' });
    room.proxy.recheck();
    await readToClose(client);
    await expectNothingOpen();
  });

  test('is cut off also before it has said a word', async () => {
    const client = room.client();
    client.write(get());
    await expect.poll(saidFirst).toMatch(/^GET /);
    room.judge = () => ({ way: 'refused', reason: 'as the test wants it' });
    room.proxy.recheck();
    await readToClose(client);
    await expectNothingOpen();
  });
});

describe('a fault of the proxy itself', () => {
  test.each([
    ['a request', get()],
    ['a tunnel', tunnelTo('a.example:443')],
    ['a WebSocket', get('/', 'Connection: Upgrade', 'Upgrade: websocket')],
  ])('ends %s, is told of, and hurts nobody else', async (_, asked) => {
    const fault = new Error('as the test wants it');
    let broken = true;
    const note = () => {
      if (broken) throw fault;
    };
    await reopen({ note });
    server.onHead = (socket) => socket.write('HTTP/1.1 200 OK\r\n\r\n');
    const client = room.client();
    client.write(asked);
    await readToClose(client);
    expect(room.reports.splice(0)).toEqual([fault]);
    broken = false;
    await expectServing();
  });

  test('is told of where it is the whole server that fails to take a client', () => {
    const fault = new Error('EMFILE');
    room.proxy.server.emit('error', fault);
    expect(room.reports).toEqual([fault]);
  });
});

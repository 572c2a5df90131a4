import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { text } from 'node:stream/consumers';
import { pino } from 'pino';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { SessionView } from '../src/channels/channel.ts';
import { createHttpChannel } from '../src/channels/http/http-channel.ts';
import { createFakeHost } from './fixtures/fake-host.ts';
import { CHAT, DEMO, startHttp, TOKEN } from './fixtures/http-client.ts';

const silent = pino({ level: 'silent' });

describe('health', () => {
  test('needs no token, and a wrong one does not matter', async () => {
    const { request } = await startHttp();
    for (const token of [null, 'wrong']) {
      expect((await request('GET', '/healthz', { token })).status).toBe(200);
      expect((await request('GET', '/readyz', { token })).status).toBe(200);
      expect((await request('HEAD', '/healthz', { token })).status).toBe(200);
    }
  });

  test('not ready: 503 with the code, and no detail for strangers', async () => {
    const { request, host } = await startHttp();
    host.fail('ready', 'E_ENGINE_UNREACHABLE');
    const answer = await request('GET', '/readyz', { token: null });
    expect(answer.status).toBe(503);
    expect(answer.json).toEqual({
      error: { code: 'E_ENGINE_UNREACHABLE', message: 'No container engine answers.' },
    });
    expect((await request('GET', '/healthz', { token: null })).status).toBe(200);
    host.fail('ready', 'E_LEDGER');
    expect((await request('GET', '/readyz', { token: null })).status).toBe(503);
    host.fail('ready', undefined);
    expect((await request('GET', '/readyz', { token: null })).status).toBe(200);
  });
});

describe('sessions', () => {
  const view: SessionView = {
    id: 's_1',
    group: 'demo',
    channel: 'http',
    chat: 'one',
    thread: null,
    state: 'awake',
    since: 1,
    container: 'c',
    epoch: 2,
    queue: 3,
    place: null,
    lastError: null,
    retryAt: null,
    imageProblem: null,
    credentialsProblem: null,
  };

  test('all, one, none', async () => {
    const { request, host } = await startHttp();
    host.sessionViews = [view];
    expect((await request('GET', '/v1/sessions')).json).toEqual({ sessions: [view] });
    expect((await request('GET', '/v1/sessions/s_1')).json).toEqual(view);
    for (const id of ['s_2', '..', '%00', 'a'.repeat(10_240)]) {
      const answer = await request('GET', `/v1/sessions/${id}`);
      expect([answer.status, answer.json.error.code]).toEqual([404, 'E_SESSION_UNKNOWN']);
    }
  });
});

describe('DELETE', () => {
  test('204, then 404; a content type without a body does no harm', async () => {
    const { request, host } = await startHttp();
    host.emit(DEMO);
    expect((await request('DELETE', CHAT, { headers: { 'content-type': 'application/json' } })).status).toBe(
      204,
    );
    const again = await request('DELETE', CHAT);
    expect([again.status, again.json.error.code]).toEqual([404, 'E_NOT_FOUND']);
  });

  test('an error of something beneath is no answer to the caller', async () => {
    const { request, host } = await startHttp();
    host.deleteChat = () => Promise.reject(Object.assign(new Error('conflict'), { statusCode: 409 }));
    const answer = await request('DELETE', CHAT);
    expect([answer.status, answer.json.error.code]).toEqual([500, 'E_INTERNAL']);
  });
});

test.each([
  ['GET', '/'],
  ['GET', '/v1'],
  ['POST', '/v1/sessions'],
  ['PUT', `${CHAT}/messages`],
  ['HEAD', '/nowhere'],
  ['HEAD', `${CHAT}/events`],
  ['OPTIONS', `${CHAT}/messages`],
  ['TRACE', '/healthz'],
  ['PROPFIND', '/v1/sessions'],
  ['GET', `${CHAT}/events/`],
  ['GET', `${CHAT}/files/o_1`],
  ['GET', `${CHAT}/files/o_1/a/b`],
])('%s %s: 404', async (method, path) => {
  const { request } = await startHttp();
  const answer = await request(method, path);
  expect(answer.status).toBe(404);
  if (method !== 'HEAD') expect(answer.json.error.code).toBe('E_NOT_FOUND');
});

describe('start', () => {
  test('a port in use: an error that names the address', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    onTestFinished(() => void other.close());
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    const channel = createHttpChannel({
      host: '127.0.0.1',
      port,
      token: TOKEN,
      maxFileBytes: 1,
      log: silent,
    });
    const host = createFakeHost();
    onTestFinished(host.remove);
    await expect(channel.start(host)).rejects.toMatchObject({
      code: 'E_PORT_IN_USE',
      message: expect.stringContaining(`127.0.0.1:${port}`),
    });
    await channel.close();
  });

  test('an address that is not of this machine', async () => {
    const channel = createHttpChannel({
      host: '192.0.2.1',
      port: 0,
      token: TOKEN,
      maxFileBytes: 1,
      log: silent,
    });
    const host = createFakeHost();
    onTestFinished(host.remove);
    await expect(channel.start(host)).rejects.toMatchObject({
      code: 'E_PORT_IN_USE',
      message: expect.stringContaining('192.0.2.1:0'),
    });
  });

  test('no empty token; no address before the start', () => {
    expect(() =>
      createHttpChannel({ host: '::1', port: 0, token: '', maxFileBytes: 1, log: silent }),
    ).toThrow(/token/);
    expect(() =>
      createHttpChannel({ host: '::1', port: 0, token: 'x', maxFileBytes: 1, log: silent }).address(),
    ).toThrow();
  });
});

describe('close', () => {
  test('open streams end, idle connections do not hold it up, and nobody listens any more', async () => {
    const { channel, events, host, port } = await startHttp();
    const readers = [await events(`${CHAT}/events`), await events(`${CHAT}/events?after=0`)];
    const idle = connect(port, '127.0.0.1');
    const first = once(idle, 'data');
    idle.write('GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n');
    await first;
    await channel.close();
    for (const reader of readers) expect(await reader.next()).toBeUndefined();
    expect(host.listeners()).toBe(0);
    const [error] = await once(
      connect(port, '127.0.0.1').on('error', () => {}),
      'error',
    );
    expect(error.code).toBe('ECONNREFUSED');
  });

  test('a message that is being taken is answered first', async () => {
    const { channel, request, host } = await startHttp();
    const real = host.accept;
    const { promise: taking, resolve: taken } = Promise.withResolvers<void>();
    const { promise: durable, resolve: settle } = Promise.withResolvers<void>();
    host.accept = async (message) => {
      taken();
      await durable;
      return real(message);
    };
    const answering = request('POST', `${CHAT}/messages`, { body: { text: 'hi' } });
    await taking;
    const closing = channel.close();
    settle();
    const answer = await answering;
    expect([answer.status, answer.headers.connection]).toEqual([202, 'close']);
    await closing;
  });

  test('what comes on an open connection meanwhile is told that the host stops', async () => {
    const { channel, host, port } = await startHttp();
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    // Half a request keeps the connection from being idle.
    const half = `POST ${CHAT}/messages HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${TOKEN}\r\nContent-Type: application/json\r\nContent-Length: 13\r\n`;
    await new Promise((resolve) => socket.write(half, resolve));
    const opened = new Promise<void>((resolve) => {
      const other = connect(port, '127.0.0.1');
      other.write('GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
      other.resume().on('close', () => resolve());
    });
    await opened; // and with it the half request before it was read
    const closing = channel.close();
    socket.write('\r\n{"text":"hi"}');
    expect(await text(socket)).toContain('"code":"E_STOPPING"');
    await closing;
    expect(host.accepted).toEqual([]);
  });

  test('twice, and without a start', async () => {
    const { channel } = await startHttp();
    await channel.close();
    await channel.close();
    await createHttpChannel({ host: '::1', port: 0, token: 'x', maxFileBytes: 1, log: silent }).close();
  });

  test('sending has nothing to do: the event is in the ledger', async () => {
    const { channel, host } = await startHttp();
    await channel.send(host.store(DEMO));
  });
});

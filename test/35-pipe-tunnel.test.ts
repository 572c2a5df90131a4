import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { pipeTunnel } from '../src/network/pipe-tunnel.ts';

/*
 * A tunnel between a client and a server of ours, all in this process: pieces are said one after the other, as each of them has
 * been heard.
 */

const folder = mkdtempSync(join(tmpdir(), 'berth-tunnel-'));
const path = join(folder, 'door');
const doors = createServer({ allowHalfOpen: true });
const sockets: Socket[] = [];

beforeAll(async () => {
  await once(doors.listen(path), 'listening');
});
afterEach(() => {
  vi.useRealTimers();
  for (const socket of sockets.splice(0)) socket.destroy();
});
afterAll(() => {
  doors.close();
  rmSync(folder, { recursive: true });
});

/** @returns the end that is outside, and the one that the tunnel has. */
async function pair(): Promise<[Socket, Socket]> {
  const outside = connect({ path, allowHalfOpen: true }).on('error', () => undefined);
  const [inside] = (await once(doors, 'connection')) as [Socket];
  sockets.push(outside, inside);
  return [outside, inside];
}

async function openTunnel(port: number) {
  const [client, clientEnd] = await pair();
  const [server, serverEnd] = await pair();
  const judged = Promise.withResolvers<string>();
  let asRequests = '';
  pipeTunnel(
    clientEnd,
    serverEnd,
    { host: 'allowed.example', port },
    {
      onRefused: (reason) => judged.resolve(`refused: ${reason}`),
      onRequest() {
        clientEnd.on('data', (chunk: Buffer) => (asRequests += chunk.toString('latin1')));
        judged.resolve('judged as requests');
      },
    },
  );
  return { client, clientEnd, server, serverEnd, judged: judged.promise, asRequests: () => asRequests };
}

type Tunnel = Awaited<ReturnType<typeof openTunnel>>;

async function say({ client, clientEnd, judged }: Tunnel, pieces: string[]): Promise<void> {
  let isJudged = false;
  judged.then(() => (isJudged = true));
  let said = clientEnd.bytesRead;
  for (const piece of pieces) {
    client.write(piece, 'latin1');
    said += piece.length;
    await until(() => clientEnd.bytesRead === said || isJudged);
  }
}

/** Whether everybody else knows of its end, too. */
function whetherClosed(socket: Socket): () => boolean {
  let isClosed = false;
  socket.once('close', () => (isClosed = true));
  return () => isClosed;
}

function listenTo(socket: Socket): () => string {
  let text = '';
  socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')));
  return () => text;
}

async function until(holds: () => boolean): Promise<void> {
  for (const end = performance.now() + 10_000; !holds(); ) {
    if (performance.now() > end) throw new Error(`it does not come to this: ${holds}`);
    await turn();
  }
}

/** At once, and cut in two at each place. */
function cuts(text: string): string[][] {
  return [[text], ...Array.from(text.slice(1), (_, at) => [text.slice(0, at + 1), text.slice(at + 1)])];
}

const rest = 'Host: other.example\r\n\r\n';

describe.each([80, 443, 8080])('to port %d, however it is cut', (port) => {
  test.each([
    `GET / HTTP/1.1\r\n${rest}`,
    `${'A'.repeat(41)} / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\n${rest}`,
    `G( / HTTP/1.1\r\n${rest}`,
    ` GET / HTTP/1.1\r\n${rest}`,
    `\tGET / HTTP/1.1\r\n${rest}`,
    `\r\n GET / HTTP/1.1\r\n${rest}`,
    'GET http://other.example/x?data\r\n',
    `GET\xa0/ HTTP/1.1\r\n${rest}`,
    `GET\x1c/\x1cHTTP/1.1\r\n${rest}`,
    `GET /\x01 HTTP/1.1\r\n${rest}`,
    `GET / HTTP/1.1\0\r\n${rest}`,
  ])('%j does not reach the server', async (text) => {
    for (const pieces of cuts(text)) {
      const tunnel = await openTunnel(port);
      const arrived = listenTo(tunnel.server);
      const ended = once(tunnel.server, 'end');
      await say(tunnel, pieces);
      const verdict = await tunnel.judged;
      await ended;
      expect(`${verdict}, ${arrived()}`).not.toMatch(/http\/|\n/i);
      if (port !== 8080) expect(arrived()).toBe('');
      if (verdict === 'judged as requests') await until(() => tunnel.asRequests() === text);
      else expect(verdict).toBe('refused: HTTP in a form that cannot be judged');
    }
  });
});

const protocols = {
  PostgreSQL: '\x00\x00\x00\x08\x04\xd2\x16\x2f',
  Redis: '*2\r\n$4\r\nECHO\r\n$15\r\nGET / HTTP/1.1 \r\n',
  MQTT: '\x10\x10\x00\x04MQTT\x04\x02\x00\x3c\x00\x04name',
  git: '0032git-upload-pack /project.git\0host=git.example\0',
  LDAP: '0\x0c\x02\x01\x01`\x07\x02\x01\x03\x04\x00\x80\x00',
  XMPP: "<?xml version='1.0'?><stream:stream xmlns:stream='http://etherx.jabber.org/streams'>",
  SSH: 'SSH-2.0-OpenSSH_9.2\r\n\x00\x00\x05\x34',
  SMTP: 'EHLO mail.example\r\n',
};

test.each(Object.entries(protocols))(
  '%s on a port of its own is answered, without a further word',
  async (_, text) => {
    for (const pieces of cuts(text)) {
      const tunnel = await openTunnel(2525);
      const [arrived, answer] = [listenTo(tunnel.server), listenTo(tunnel.client)];
      await say(tunnel, pieces);
      await until(() => arrived() === text);
      tunnel.server.write('well heard');
      await until(() => answer() === 'well heard');
    }
  },
);

test('on the ports of TLS and HTTP SSH alone passes beside them', async () => {
  for (const [name, text] of Object.entries(protocols)) {
    const tunnel = await openTunnel(443);
    const arrived = listenTo(tunnel.server);
    await say(tunnel, [text]);
    if (name === 'SSH') await until(() => arrived() === text);
    else {
      tunnel.client.end();
      expect(await tunnel.judged).toMatch(/^refused: (what is neither TLS nor HTTP, on port 443|a greeting)/);
      await until(() => tunnel.server.readableEnded);
      expect(arrived()).toBe('');
    }
  }
});

test.each([443, 2525])(
  'who says nothing to port %d hears what the server says, for however long',
  async (port) => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const tunnel = await openTunnel(port);
    const answer = listenTo(tunnel.client);
    tunnel.server.write('220 ready\r\n');
    await until(() => answer() === '220 ready\r\n');
    vi.advanceTimersByTime(3_600_000);
    tunnel.client.end();
    listenTo(tunnel.server);
    await until(() => tunnel.server.readableEnded);
    tunnel.server.end('bye');
    await until(() => answer() === '220 ready\r\nbye');
  },
);

test('a greeting that does not end is not waited for, and neither is a long one', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  const slow = await openTunnel(2525);
  vi.advanceTimersByTime(3_600_000);
  await say(slow, ['GET']);
  vi.advanceTimersByTime(9_999);
  await say(slow, [' /']);
  vi.advanceTimersByTime(1);
  expect(await slow.judged).toBe('refused: a greeting that does not end');
  for (const [port, text] of [
    [2525, 'GET /'],
    [2525, '\n'],
    [443, '(('],
  ] as const) {
    const long = await openTunnel(port);
    await say(long, [text, text.slice(-1).repeat(30_000)]);
    expect(await long.judged).toBe('refused: a greeting that does not end');
  }
});

describe('the end', () => {
  /** More and less than fits between here and there: of some a part is left that is neither too much at once nor gone on. */
  const sizes = Array.from({ length: 24 }, (_, at) => (at + 2) * 32 * 1024);

  /** The client has said all, and the server says the rest while nobody takes it. */
  async function leaveUntaken(size: number) {
    const tunnel = await openTunnel(2525);
    const { client, clientEnd, server, serverEnd } = tunnel;
    const isClosed = whetherClosed(serverEnd);
    client.end('all of it');
    listenTo(server);
    await once(server, 'end');
    server.end(Buffer.alloc(size));
    await until(() => isClosed() || clientEnd.writableNeedDrain);
    return { ...tunnel, isLeft: isClosed() && clientEnd.writableLength > 0 };
  }

  test('of what a server says arrives at a slow client that has said all', async () => {
    let left = 0;
    for (const size of sizes) {
      const { client, isLeft } = await leaveUntaken(size);
      if (isLeft) left += 1;
      expect(await countOf(client)).toBe(size);
    }
    expect(left).toBeGreaterThan(0);
  });

  test('of what a client says arrives at a slow server that has said all', async () => {
    for (const size of sizes) {
      const { client, clientEnd, server, serverEnd } = await openTunnel(2525);
      const isClosed = whetherClosed(clientEnd);
      server.end();
      client.resume();
      await once(client, 'end');
      client.end(Buffer.alloc(size, 'DATA\n'));
      await until(() => isClosed() || serverEnd.writableNeedDrain);
      expect(await countOf(server)).toBe(size);
    }
  });

  test('is not kept for ever for who takes nothing of it', async () => {
    for (const size of sizes) {
      const { clientEnd, isLeft } = await leaveUntaken(size);
      if (!isLeft) continue;
      expect(clientEnd.timeout).toBe(300_000);
      clientEnd.emit('timeout');
      expect(clientEnd.destroyed).toBe(true);
    }
  });

  test('of one that is gone is that of the other', async () => {
    const tunnel = await openTunnel(2525);
    await say(tunnel, ['DATA\n']);
    tunnel.server.destroy();
    await until(() => {
      tunnel.client.write('more');
      return tunnel.clientEnd.destroyed && tunnel.serverEnd.destroyed;
    });
  });

  async function countOf(socket: Socket): Promise<number> {
    let count = 0;
    for await (const chunk of socket) count += (chunk as Buffer).length;
    return count;
  }
});

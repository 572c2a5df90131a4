import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { connect } from 'node:tls';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type FirstWords, HelloReader } from '../src/network/client-hello.ts';
import { growthOf } from './fixtures/growth-of.ts';

function readFirstWords(...pieces: Buffer[]): FirstWords {
  const reader = new HelloReader();
  return pieces.map((piece) => reader.read(piece)).at(-1) ?? 'more';
}

/** The first bytes that Node's TLS client sends. */
async function helloFor(servername: string): Promise<Buffer> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const client = connect({ host: '127.0.0.1', port, servername });
  client.on('error', () => undefined);
  const [socket] = (await once(server, 'connection')) as [Socket];
  const [hello] = (await once(socket, 'data')) as [Buffer];
  client.destroy();
  server.close();
  return hello;
}

/** The same message in records of `size` bytes. */
function inRecordsOf(hello: Buffer, size: number): Buffer {
  const body = hello.subarray(5);
  const records: Buffer[] = [];
  for (let at = 0; at < body.length; at += size) {
    const piece = body.subarray(at, at + size);
    records.push(Buffer.from([22, 3, 1, piece.length >> 8, piece.length & 255]), piece);
  }
  return Buffer.concat(records);
}

test('the server name is read, however the greeting is cut', async () => {
  const hello = await helloFor('allowed.example');
  for (const size of [1, 3, 40, 5000])
    expect(readFirstWords(inRecordsOf(hello, size))).toEqual({ serverName: 'allowed.example' });
  expect(readFirstWords(Buffer.concat([hello, Buffer.from([20, 3, 3, 0, 1, 1])]))).toEqual({
    serverName: 'allowed.example',
  });
});

test('none is read as none', async () => {
  expect(readFirstWords(await helloFor(''))).toEqual({ serverName: undefined });
});

test('of every beginning more is wanted, and with the rest it is read', async () => {
  const hello = await helloFor('allowed.example');
  for (let end = 1; end < hello.length; end++) {
    expect(readFirstWords(hello.subarray(0, end))).toBe('more');
    expect(readFirstWords(hello.subarray(0, end), hello.subarray(end))).toEqual({
      serverName: 'allowed.example',
    });
  }
  const bytes = Array.from(hello, (byte) => Buffer.from([byte]));
  expect(readFirstWords(...bytes)).toEqual({ serverName: 'allowed.example' });
});

test.each([
  'GET / HTTP/1.1',
  'SSH-2.0-x',
  '\xff\xfd\x01', // telnet
  '\x80\x00\x00\x00', // a call of memcached
  '\x13BitTorrent protocol',
  '\x15\x00\x00',
])('what is no TLS is plain: %j', (text) => {
  expect(readFirstWords(Buffer.from(text, 'latin1'))).toBe('plain');
});

test('what servers take for TLS in other forms is malformed, however it is cut', async () => {
  const hello = await helloFor('other.example');
  const warning = Buffer.from([21, 3, 1, 0, 2, 1, 70]);
  const before = (...records: Buffer[]) => Buffer.concat([...records, hello]);
  const ofSslV2 = Buffer.from([0x80, 0x2e, 1, 3, 1, 0, 0x15, 0, 0, 0, 0x10, 0, 0, 4, 0, 0, 5]);
  const cutByWarning = Buffer.concat([inRecordsOf(hello, 40).subarray(0, 45), warning, hello]);
  const forms = [before(warning), before(warning, warning), ofSslV2, cutByWarning];
  for (const type of [20, 23, 24]) forms.push(before(Buffer.from([type, 3, 3, 0, 1, 1])));
  for (const form of forms)
    for (let at = 1; at < Math.min(form.length, 60); at++)
      expect(readFirstWords(form.subarray(0, at), form.subarray(at))).toBe('malformed');
});

test('what only begins like TLS is malformed, and nothing makes it throw', async () => {
  const hello = await helloFor('allowed.example');
  expect(readFirstWords(Buffer.from([22, 2, 0, 0, 1, 1]))).toBe('malformed');
  expect(readFirstWords(Buffer.from([22, 3, 1, 0, 0]))).toBe('malformed');
  expect(readFirstWords(Buffer.from([22, 3, 1, 0, 4, 2, 0, 0, 0]))).toBe('malformed');
  fc.assert(
    fc.property(fc.nat(hello.length - 1), fc.nat(255), (at, value) => {
      const bent = Buffer.from(hello);
      bent[at] = value;
      readFirstWords(bent);
    }),
    { numRuns: 2000 },
  );
});

test('the work grows with the length alone', () => {
  /** A greeting without an end, in records of one byte, each of them a piece. */
  const work = (size: number) => {
    const body = Buffer.concat([Buffer.from([1, 0, 0x3f, 0xf0]), Buffer.alloc(size)]);
    const pieces = Array.from(body, (byte) => Buffer.from([22, 3, 1, 0, 1, byte]));
    return () => void readFirstWords(...pieces);
  };
  expect(growthOf(work, 1024, 8 * 1024)).toBeLessThan(32);
});

test('one that is longer than any is not waited for', () => {
  expect(readFirstWords(Buffer.from([22, 3, 1, 0x10, 0, 1, 0, 0x3f, 0xf0]))).toBe('more');
  expect(readFirstWords(Buffer.from([22, 3, 1, 0x10, 0, 1, 0, 0x40, 0]))).toBe('malformed');
});

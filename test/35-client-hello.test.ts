import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { connect } from 'node:tls';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readFirstWords } from '../src/network/client-hello.ts';

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

test('of every beginning more is wanted', async () => {
  const hello = await helloFor('allowed.example');
  for (let end = 0; end < hello.length; end++) expect(readFirstWords(hello.subarray(0, end))).toBe('more');
});

test('what is no TLS is plain', () => {
  expect(readFirstWords(Buffer.from('GET / HTTP/1.1'))).toBe('plain');
  expect(readFirstWords(Buffer.from('SSH-2.0-x'))).toBe('plain');
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

import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { chooseEngine } from '../src/engines/choose.ts';
import { createDockerEngine } from '../src/engines/docker.ts';
import { connectDocker } from '../src/engines/docker-connection.ts';
import { LineSplitter } from '../src/engines/line-splitter.ts';
import { silent } from './fixtures/engine-room.ts';

let folder: string;
let path: string;
let server: Server | undefined;
const sockets = new Set<Socket>();

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'berth-call-'));
  path = join(folder, 'engine.sock');
});

afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  await new Promise<unknown>((resolve) => (server ? server.close(resolve) : resolve(undefined)));
  server = undefined;
  rmSync(folder, { recursive: true, force: true });
});

/** An engine that does with each request what the test says. */
async function listen(onRequest: (socket: Socket) => void): Promise<void> {
  const opened = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    socket.once('data', () => onRequest(socket));
  });
  server = opened;
  await new Promise<void>((resolve) => opened.listen(path, resolve));
}

function answer(status: string, body: object): (socket: Socket) => void {
  const json = JSON.stringify(body);
  return (socket) =>
    socket.end(
      `HTTP/1.1 ${status}\r\nContent-Type: application/json\r\nContent-Length: ${json.length}\r\n\r\n${json}`,
    );
}

describe('a call to the engine', () => {
  const ask = (limitMs: number) => {
    const { docker, call } = connectDocker(`unix://${path}`);
    return call('asking', () => docker.version(), limitMs);
  };

  test('to an engine that accepts and is silent ends by its limit', async () => {
    await listen(() => undefined);
    const error = { code: 'E_ENGINE_UNREACHABLE', message: `unix://${path} gave no answer in 80 ms: asking` };
    await expect(ask(80)).rejects.toMatchObject(error);
  });

  test('to an engine that dies in the middle of its answer ends as well', async () => {
    await listen((socket) => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{"Ver');
      setImmediate(() => socket.destroy());
    });
    await expect(ask(200)).rejects.toMatchObject({ code: 'E_ENGINE_UNREACHABLE' });
  });

  test('without a socket names the place', async () => {
    const error = {
      code: 'E_ENGINE_UNREACHABLE',
      message: expect.stringContaining(`${path}: there is no such socket`),
    };
    await expect(ask(1_000)).rejects.toMatchObject(error);
  });

  test('that is refused says it in the words of the engine', async () => {
    await listen(answer('500 Internal Server Error', { message: 'invalid log opt max-file' }));
    await expect(ask(1_000)).rejects.toMatchObject({
      code: 'E_ENGINE_REFUSED',
      message: 'asking: invalid log opt max-file',
    });
  });

  test('for a missing image has a code of its own', async () => {
    await listen(answer('404 Not Found', { message: 'No such image: x:1' }));
    await expect(ask(1_000)).rejects.toMatchObject({ code: 'E_IMAGE_MISSING' });
  });

  test('pausing what is paused is no error', async () => {
    await listen(answer('409 Conflict', { message: 'Container x is already paused' }));
    await createDockerEngine({ connection: connectDocker(`unix://${path}`), log: silent }).pause('x');
  });
});

describe('where the engine is', () => {
  test('DOCKER_HOST may be a socket or a TCP address, and nothing else', () => {
    expect(connectDocker('unix:///run/x.sock').where).toBe('unix:///run/x.sock');
    expect(connectDocker('tcp://127.0.0.1:2375').where).toBe('tcp://127.0.0.1:2375');
    expect(() => connectDocker('ssh://somewhere')).toThrow(
      expect.objectContaining({ code: 'E_ENGINE_UNREACHABLE' }),
    );
  });
});

describe('choosing', () => {
  const bundleRunner = () => Promise.resolve(Buffer.alloc(0));

  test('auto without an engine is an error, or child processes where that is allowed', async () => {
    const dockerHost = `unix://${path}`;
    const refuse = chooseEngine('auto', { fallback: false, dockerHost, bundleRunner }, silent);
    await expect(refuse).rejects.toMatchObject({ code: 'E_ENGINE_UNREACHABLE' });
    const engine = await chooseEngine('auto', { fallback: true, dockerHost, bundleRunner }, silent);
    expect(engine.kind).toBe('process');
    await engine.close();
  });

  test('auto with an engine is that engine, and docker is docker whether it answers or not', async () => {
    const dockerHost = `unix://${path}`;
    const asked = await chooseEngine('docker', { fallback: true, dockerHost, bundleRunner }, silent);
    expect(asked.kind).toBe('docker');
    await listen(answer('200 OK', { Version: '1.2.3' }));
    const found = await chooseEngine('auto', { fallback: true, dockerHost, bundleRunner }, silent);
    expect(found.kind).toBe('docker');
    expect(await found.check()).toBe('Docker 1.2.3');
  });
});

describe('lines', () => {
  test('are put together from pieces, in the middle of a letter too, and an endless one is cut', () => {
    const lines: string[] = [];
    const splitter = new LineSplitter((line) => lines.push(line));
    const bytes = Buffer.from('grün\r\nzwei\n\nrest');
    for (const byte of bytes) splitter.push(Buffer.from([byte]));
    splitter.end();
    expect(lines).toEqual(['grün', 'zwei', '', 'rest']);
    lines.length = 0;
    for (let i = 0; i < 100; i += 1) splitter.push(Buffer.alloc(1024, 'x'));
    splitter.push(Buffer.from('\nnext\n'));
    expect(lines.map((line) => line.length)).toEqual([16_384, 4]);
  });
});

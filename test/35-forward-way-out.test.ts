import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { forwardWayOut } from '../agent-runner/src/forward-way-out.ts';

const folder = mkdtempSync(join(tmpdir(), 'berth-forward-'));
const path = join(folder, 'proxy.sock');
const proxy = createServer({ allowHalfOpen: true });
let at: { host: string; port: number };
let close: () => void;

beforeAll(async () => {
  await once(proxy.listen(path), 'listening');
  const free = createServer().listen(0, '127.0.0.1');
  await once(free, 'listening');
  at = { host: '127.0.0.1', port: (free.address() as AddressInfo).port };
  await new Promise((resolve) => free.close(resolve));
  close = await forwardWayOut(path, at);
});
afterAll(() => {
  close();
  proxy.close();
  rmSync(folder, { recursive: true });
});

test('what a program said last arrives at a slow proxy that has said all', async () => {
  // More and less than fits between here and there.
  for (let size = 64 * 1024; size < 1024 * 1024; size += 32 * 1024) {
    const ends: { inside?: Socket; outside?: Socket } = {};
    const socketOf = (message: unknown) => (message as { socket: Socket }).socket;
    const keepInside = (message: unknown) => (ends.inside ??= socketOf(message));
    const keepOutside = (message: unknown) => (ends.outside = socketOf(message));
    // The first that is accepted is the forwarder's, the last that is opened as well.
    subscribe('net.server.socket', keepInside);
    subscribe('net.client.socket', keepOutside);
    const program = connect({ ...at, allowHalfOpen: true });
    try {
      const [host] = (await once(proxy, 'connection')) as [Socket];
      host.end('no more');
      program.resume();
      await once(program, 'end');
      let isClosed = false;
      ends.inside?.once('close', () => (isClosed = true));
      program.end(Buffer.alloc(size));
      await until(() => isClosed || ends.outside?.writableNeedDrain === true);
      let arrived = 0;
      for await (const chunk of host) arrived += (chunk as Buffer).length;
      expect(arrived).toBe(size);
    } finally {
      unsubscribe('net.server.socket', keepInside);
      unsubscribe('net.client.socket', keepOutside);
      program.destroy();
    }
  }
});

test('a program that is gone takes its connection to the proxy along', async () => {
  const program = connect(at);
  const [host] = (await once(proxy, 'connection')) as [Socket];
  host.on('error', () => undefined);
  program.resetAndDestroy();
  await once(host.resume(), 'end');
  host.destroy();
});

async function until(holds: () => boolean): Promise<void> {
  for (const end = performance.now() + 10_000; !holds(); ) {
    if (performance.now() > end) throw new Error(`it does not come to this: ${holds}`);
    await turn();
  }
}

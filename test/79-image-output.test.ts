import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Readable } from 'node:stream';
import { expect, test } from 'vitest';
import { readProgress } from '../src/engines/docker-progress.ts';

/** What a builder sends while a program in it prints `line` without end, in pieces as they come from a socket. */
function* flood(line: string, bytes: number): Generator<Buffer> {
  const message = `${JSON.stringify({ stream: `${line}\n` })}\n`;
  const piece = Buffer.from(message.repeat(Math.ceil(65_536 / message.length)));
  for (let sent = 0; sent < bytes; sent += piece.length) yield piece;
}

test('a flood of output is read at a megabyte a second, whole, and without keeping the host busy', async () => {
  const source = Readable.from(flood('y', 2_500_000), { objectMode: false, highWaterMark: 65_536 });
  let lines = 0;
  const loop = monitorEventLoopDelay({ resolution: 1 });
  loop.enable();
  const began = performance.now();
  await readProgress(source, { what: 'building', idleMs: 5_000, onLine: () => void lines++ });
  loop.disable();
  expect(performance.now() - began).toBeGreaterThan(1_500);
  expect(lines).toBeGreaterThan(2_500_000 / Buffer.byteLength('{"stream":"y\\n"}\n') - 1);
  expect(loop.percentile(50) / 1e6).toBeLessThan(5);
});

test('an ordinary build is not slowed down', async () => {
  const source = Readable.from(flood('Unpacking something', 500_000), { objectMode: false });
  const began = performance.now();
  await readProgress(source, { what: 'building', idleMs: 5_000, onLine: () => undefined });
  expect(performance.now() - began).toBeLessThan(1_000);
});

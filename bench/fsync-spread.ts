import { closeSync, fdatasyncSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Spread, spread } from './figures.ts';

/** What one durable write costs on this disk, in milliseconds: every figure of a message is a multiple of it. */
export function fsyncSpread(): Spread {
  const path = join(tmpdir(), `berth-fsync-${process.pid}`);
  const file = openSync(path, 'w');
  const block = Buffer.alloc(4096);
  const sample = Array.from({ length: 200 }, () => {
    const began = performance.now();
    writeSync(file, block, 0, block.length, 0);
    fdatasyncSync(file);
    return performance.now() - began;
  });
  closeSync(file);
  rmSync(path);
  return spread(sample);
}

import { utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const PERIOD_MS = 5000;

/** Touches `out/heartbeat` now and every 5 s: as long as it changes, this process is alive. @returns how to end it. */
export function startHeartbeat(outDir: string): () => void {
  const path = join(outDir, 'heartbeat');
  writeFileSync(path, '');
  const timer = setInterval(() => beat(path), PERIOD_MS);
  return () => clearInterval(timer);
}

function beat(path: string): void {
  const now = new Date();
  try {
    utimesSync(path, now, now);
  } catch {
    writeFileSync(path, '');
  }
}

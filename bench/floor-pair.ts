import { type FSWatcher, mkdtempSync, watch } from 'node:fs';
import { chmod, copyFile, mkdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import type { Engine } from '../src/engines/engine.ts';

/** Two files between this process and a container that echoes: the floor of a warm round trip. */
export interface FloorPair {
  /** Writes a message, waits for its echo. @returns milliseconds. */
  roundTrip(): Promise<number>;
  close(): Promise<void>;
}

/** Starts the echo container and opens both files: FULL on both sides, file events both ways, no ledger. */
export async function openFloorPair(engine: Engine, image: string, name: string): Promise<FloorPair> {
  const folder = mkdtempSync(join(tmpdir(), 'berth-floor-'));
  const [inDir, outDir, program] = ['in', 'out', 'program'].map((part) => join(folder, part)) as [
    string,
    string,
    string,
  ];
  await Promise.all([inDir, outDir, program].map((path) => mkdir(path)));
  await Promise.all([chmod(folder, 0o755), chmod(outDir, 0o777)]);
  await copyFile(new URL('./floor-echo.mjs', import.meta.url), join(program, 'echo.mjs'));
  const inbound = new Database(join(inDir, 'inbound.db'));
  inbound.pragma('journal_mode = PERSIST');
  inbound.pragma('synchronous = FULL');
  inbound.exec('CREATE TABLE messages (seq INTEGER PRIMARY KEY, body TEXT)');
  const put = inbound.prepare('INSERT INTO messages VALUES (?, ?)');
  await engine.remove(name);
  await engine.start({
    name,
    image,
    command: ['node', '/program/echo.mjs'],
    labels: { install: 'bench-floor', group: 'floor', session: name, epoch: 1, spec: 'floor' },
    environment: {},
    user: { uid: 100_000, gid: 100_000 },
    mounts: [
      { source: inDir, target: '/session/in', readonly: true },
      { source: outDir, target: '/session/out', readonly: false },
      { source: program, target: '/program', readonly: true },
    ],
    limits: { memoryBytes: 2 ** 31, cpus: 1, pids: 512, openFiles: 4096 },
    network: 'none',
    tmpfs: ['/tmp', '/run'],
  });
  for (let tries = 0; !(await engine.tail(name, 5)).includes('ready'); tries++) {
    if (tries > 100) throw new Error(`the floor's container did not start: ${await engine.tail(name, 20)}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const outbound = new Database(join(outDir, 'outbound.db'), { readonly: true, timeout: 0 });
  const echoed = outbound.prepare('SELECT body FROM messages WHERE seq = ?');
  let seq = 0;
  let arrived: (() => void) | undefined;
  const watcher: FSWatcher = watch(outDir, look);

  return {
    async roundTrip() {
      const began = performance.now();
      const done = new Promise<void>((resolve) => {
        arrived = resolve;
      });
      write();
      await done;
      return performance.now() - began;
    },
    async close() {
      watcher.close();
      inbound.close();
      outbound.close();
      await engine.remove(name);
      await rm(folder, { recursive: true, force: true });
    },
  };

  function write(): void {
    try {
      put.run(seq + 1, JSON.stringify({ text: 'hello' }));
      seq += 1;
    } catch (error) {
      if ((error as { code?: string }).code !== 'SQLITE_BUSY') throw error;
      setImmediate(write);
    }
  }

  function look(): void {
    if (!arrived) return;
    try {
      if (!echoed.get(seq)) return;
    } catch (error) {
      if (!(error as { code?: string }).code?.startsWith('SQLITE_')) throw error;
      setImmediate(look);
      return;
    }
    arrived();
    arrived = undefined;
  }
}

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { watchOutbound } from '../src/mailbox/watch-outbound.ts';
import { waitUntil } from './fixtures/host-process.ts';

/** A watched folder; the timer beneath the events is slow, so that what is quick came by an event. */
function watched(lookMs = 60_000) {
  const out = mkdtempSync(join(tmpdir(), 'berth-watch-'));
  const outbound = join(out, 'outbound.db');
  const seen = { changes: 0 };
  writeFileSync(outbound, 'first');
  const watch = watchOutbound({
    out,
    outbound,
    lookMs,
    expectsClaim: () => false,
    isAwaited: () => true,
    onDraft: () => undefined,
    onChange: () => {
      seen.changes += 1;
    },
  });
  onTestFinished(() => {
    watch.release();
    rmSync(out, { recursive: true, force: true });
  });
  return { out, outbound, seen };
}

/** Makes file events as fast as it can; not those that the kernel joins. */
async function flood(folder: string): Promise<ChildProcess> {
  const script = `const fs = require('node:fs'); process.chdir(process.argv[1]); console.log('on');
    for (;;) { fs.writeFileSync('outbound.db.a', ''); fs.writeFileSync('outbound.db.b', ''); }`;
  const child = spawn(process.execPath, ['-e', script, folder], { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  await new Promise((resolve) => child.stdout?.once('data', resolve));
  return child;
}

test('a change is seen by its event; a file that is taken away by the timer at the latest', async () => {
  const { outbound, seen } = watched(50);
  await waitUntil('the first look', 2000, () => seen.changes > 0);
  let before = seen.changes;
  writeFileSync(outbound, 'second');
  await waitUntil('a change', 2000, () => seen.changes > before);
  await wait(150);
  before = seen.changes;
  rmSync(outbound);
  await waitUntil('its end', 2000, () => seen.changes > before);
});

test('a flood costs the event loop little, and the changes of others are still seen at once', async () => {
  const hostile = watched();
  const good = watched();
  await flood(hostile.out);
  const cpu = process.threadCpuUsage();
  const began = performance.now();
  const delays: number[] = [];
  while (performance.now() - began < 2000) {
    const before = good.seen.changes;
    const at = performance.now();
    writeFileSync(good.outbound, String(at));
    await waitUntil('a change', 5000, () => good.seen.changes > before);
    delays.push(performance.now() - at);
  }
  const { user, system } = process.threadCpuUsage(cpu);
  expect((user + system) / 1000 / (performance.now() - began)).toBeLessThan(0.4);
  expect(Math.max(...delays)).toBeLessThan(1000);
  expect(hostile.seen.changes).toBeLessThan(1500);
});

test('after a flood its own changes are seen by a look at the times, without events', async () => {
  const { out, outbound, seen } = watched();
  const flooding = await flood(out);
  await wait(500);
  flooding.kill('SIGKILL');
  await wait(100);
  const before = seen.changes;
  writeFileSync(outbound, 'after the flood');
  await waitUntil('a change', 1000, () => seen.changes > before);
});

test('a folder that cannot be watched is looked at by timer', async () => {
  const { out, outbound, seen } = watched(50);
  rmSync(out, { recursive: true });
  mkdirSync(out);
  await wait(100);
  const before = seen.changes;
  writeFileSync(outbound, 'again');
  await waitUntil('a change', 2000, () => seen.changes > before);
});

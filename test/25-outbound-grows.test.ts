import { spawn } from 'node:child_process';
import { expect, onTestFinished, test } from 'vitest';
import { openOutboundRoom } from './fixtures/outbound-room.ts';

/** Commits as fast as it can, each with a table more, and begins anew with a small file now and then. */
const GROWS = `
  const db = new (require('better-sqlite3'))(process.argv[1], { timeout: 5000 });
  db.pragma('synchronous = OFF');
  for (let n = 0; ; n++) {
    if (n % 20 > 0) { db.exec('CREATE TABLE t' + n + ' (x)'); continue; }
    db.exec("BEGIN; " + db.prepare("SELECT 'DROP TABLE ' || name FROM sqlite_schema WHERE name GLOB 't[0-9]*'").pluck().all().join('; ') + "; COMMIT; VACUUM");
  }`;

test('a file that grows between its open and its lock is read whole', async () => {
  const room = openOutboundRoom();
  const child = spawn(process.execPath, ['-e', GROWS, room.path], { stdio: ['ignore', 'ignore', 'inherit'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  let looks = 0;
  const until = performance.now() + 4000;
  while (performance.now() < until) {
    // None throws: nothing here is against the contract.
    if (typeof room.look().found !== 'string') looks += 1;
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(looks).toBeGreaterThan(100);
  expect(child.exitCode).toBeNull();
});

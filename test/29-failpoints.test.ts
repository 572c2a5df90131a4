import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, expect, test } from 'vitest';

const program = new URL('fixtures/dying-writer.ts', import.meta.url).pathname;
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'berth-failpoints-'));
  await mkdir(join(folder, 'failpoints'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

interface End {
  signal: string | null;
  printed: string;
}

async function runArmed(failpoint: string, pass = 1): Promise<End> {
  await writeFile(join(folder, 'failpoints', failpoint), String(pass));
  const env = { ...process.env, BERTH_TEST_FAILPOINTS: join(folder, 'failpoints') };
  const child = spawn(process.execPath, [program, folder], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  let printed = '';
  child.stdout.on('data', (chunk) => {
    printed += chunk;
  });
  const [, signal] = await once(child, 'close');
  return { signal, printed };
}

function accepted(): number {
  const db = new Database(join(folder, 'host.db'), { readonly: true });
  const { n } = db.prepare('SELECT count(*) AS n FROM inbox').get() as { n: number };
  db.close();
  return n;
}

test.each([
  ['before-commit-accept', 1, 0],
  ['after-commit-accept', 1, 1],
  ['before-commit-accept', 3, 2],
  ['after-commit-accept', 2, 2],
])('a host dies at %s, pass %i: %i messages are durable', async (failpoint, pass, durable) => {
  expect(await runArmed(failpoint, pass)).toMatchObject({ signal: 'SIGKILL' });
  expect(accepted()).toBe(durable);
  expect(await readdir(join(folder, 'failpoints'))).toEqual([`${failpoint}.hit`]);
});

test.each(['before-inbound-write', 'after-inbound-write'])(
  'a host dies at %s: the ledger has it',
  async (failpoint) => {
    expect(await runArmed(failpoint)).toMatchObject({ signal: 'SIGKILL', printed: '' });
    expect(accepted()).toBe(3);
  },
);

test.each([
  ['before-engine-starting-container', ''],
  ['after-engine-starting-container', 'the engine was called\n'],
])('a host dies at %s', async (failpoint, printed) => {
  expect(await runArmed(failpoint)).toEqual({ signal: 'SIGKILL', printed });
});

test('a failpoint that is not passed harms nobody', async () => {
  expect(await runArmed('before-commit-drop')).toMatchObject({ signal: null });
  expect(await readdir(join(folder, 'failpoints'))).toEqual(['before-commit-drop']);
});

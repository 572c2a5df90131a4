import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { expectRefusal, runBerth } from './fixtures/berth-command.ts';
import { type HostProcess, startHost } from './fixtures/host-process.ts';
import { canMount, mountSmallDisk, type SmallDisk } from './fixtures/small-disk.ts';

// Processes are started here, on a machine that may be busy with other tests.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const ENV = { BERTH_ENGINE: 'process' };

let root: string;
let host: HostProcess;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'berth-data-'));
  host = await startHost({ groups: { demo: 'name: Demo\n' }, env: ENV, start: false });
});

afterEach(async () => {
  await host.dispose();
  await rm(root, { recursive: true, force: true });
});

/** A second host, on the groups of the first. */
function secondHost(dataDir: string) {
  const env = { ...ENV, BERTH_DATA_DIR: dataDir, BERTH_GROUPS_DIR: host.groupsDir, BERTH_HTTP_PORT: '0' };
  return runBerth(['host'], { env });
}

test('a folder below a file cannot be made', async () => {
  await writeFile(join(root, 'file'), '');
  const folder = join(root, 'file', 'data');
  expectRefusal(await secondHost(folder), 'E_DATA_DIR', `the data folder ${folder} cannot be made`);
});

test('a file is no folder', async () => {
  const folder = join(root, 'file');
  await writeFile(folder, '');
  expectRefusal(await secondHost(folder), 'E_DATA_DIR', folder);
});

test('a folder whose path is too long for the operator socket is refused with words', async () => {
  const folder = join(root, 'x'.repeat(100));
  const refused = await secondHost(folder);
  expectRefusal(refused, 'E_DATA_DIR', folder);
  expect(refused.stdout).not.toContain('listening');
});

test('what lies in the folder and is no ledger', async () => {
  const folder = join(root, 'data');
  await mkdir(folder);
  await writeFile(join(folder, 'host.db'), 'this is no database at all\n'.repeat(100));
  expectRefusal(await secondHost(folder), 'E_LEDGER_DAMAGED', join(folder, 'host.db'));
  await rm(join(folder, 'host.db'));
  await host.start({ BERTH_DATA_DIR: folder });
  expect(await host.ask('demo', 'one', 'a new one')).toMatchObject({ text: 'a new one' });
});

test('held by another host: the second names it and ends, the first goes on', async () => {
  await host.start();
  const held = await secondHost(host.dataDir);
  expectRefusal(held, 'E_DATA_LOCKED', `is held by process ${host.process().pid}`);
  expect(await host.ask('demo', 'one', 'still there?')).toMatchObject({ text: 'still there?' });

  // Killed, it holds nothing: what it left is taken over.
  await host.kill('SIGKILL');
  await host.start();
  expect(await host.ask('demo', 'one', 'and now?')).toMatchObject({ text: 'and now?' });
});

test.each(['077', '000'])(
  'under umask %s: agents read what is made for them, and nobody else what is the host’s own',
  async (umask) => {
    const masked = await startHost({ groups: { demo: 'name: Demo\n' }, env: ENV, umask });
    onTestFinished(() => masked.dispose());
    expect(await masked.ask('demo', 'one', 'hello')).toMatchObject({ text: 'hello' });

    await masked.kill('SIGTERM');
    await masked.start({ BERTH_HTTP_TOKEN: '' }); // so that it makes one and keeps it
    const backup = join(root, 'backup');
    await mkdir(backup, { mode: 0o755 });
    const { dataDir, groupsDir } = masked;
    const env = { BERTH_DATA_DIR: dataDir, BERTH_GROUPS_DIR: groupsDir };
    expect(await runBerth(['backup', backup], { env })).toMatchObject({ code: 0 });
    for (const folder of [dataDir, backup]) {
      const entries = await readdir(folder, { withFileTypes: true });
      const files = entries.filter((entry) => !entry.isDirectory()).map(({ name }) => name);
      const own = folder === dataDir ? ['lock.db', 'lock.pid', 'http-token', 'berth.sock'] : [];
      expect(files).toEqual(expect.arrayContaining(['host.db', ...own]));
      for (const name of files)
        expect([name, (await stat(join(folder, name))).mode & 0o077]).toEqual([name, 0]);
    }
  },
);

describe.skipIf(!canMount)('on a disk that is mounted read-only', () => {
  let disk: SmallDisk;

  beforeEach(async () => {
    disk = await mountSmallDisk(join(root, 'disk'), 16);
  });

  afterEach(async () => {
    await host.kill('SIGTERM');
    await disk.unmount();
  });

  test('neither a new folder nor one that was used before; writable again it goes on', async () => {
    const folder = join(disk.path, 'data');
    await disk.setReadOnly(true);
    expectRefusal(await secondHost(folder), 'E_DATA_DIR', folder);
    await disk.setReadOnly(false);
    await host.start({ BERTH_DATA_DIR: folder });
    expect(await host.ask('demo', 'one', 'first')).toMatchObject({ text: 'first' });
    await host.kill('SIGTERM');

    await disk.setReadOnly(true);
    expectRefusal(await secondHost(folder), 'E_DATA_DIR', folder);
    await disk.setReadOnly(false);
    await host.start({ BERTH_DATA_DIR: folder });
    expect(await host.ask('demo', 'two', 'second')).toMatchObject({ text: 'second' });
    expect(await host.events('demo', 'one')).toHaveLength(1);
  });
});

import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { expectRefusal, runBerth } from './fixtures/berth-command.ts';
import { startHost } from './fixtures/host-process.ts';

interface Finding {
  check: string;
  state: string;
  says: string;
  remedy: string | null;
}

let root: string;
let env: Record<string, string>;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'berth-doctor-'));
  await mkdir(join(root, 'groups', 'demo'), { recursive: true });
  await writeFile(join(root, 'groups', 'demo', 'group.yaml'), 'name: Demo\n');
  env = {
    BERTH_DATA_DIR: join(root, 'data'),
    BERTH_GROUPS_DIR: join(root, 'groups'),
    BERTH_ENGINE: 'process',
  };
});
afterEach(() => rm(root, { recursive: true, force: true }));

async function doctor(more: Record<string, string> = {}) {
  const { code, stdout, stderr } = await runBerth(['doctor', '--json'], { env: { ...env, ...more } });
  const { ok, findings } = JSON.parse(stdout) as { ok: boolean; findings: Finding[] };
  if (ok) expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  else {
    const failed = findings.filter(({ state }) => state === 'fail').map(({ check }) => check);
    const words = `${failed.length} of ${findings.length} checks failed: ${failed.join(', ')}. `;
    expectRefusal({ code, stdout, stderr }, 'E_DOCTOR', words);
  }
  for (const { state, remedy } of findings) expect(remedy === null).toBe(state === 'ok');
  return {
    failed: findings.filter(({ state }) => state === 'fail').map(({ check }) => check),
    of: (check: string) => findings.find((finding) => finding.check === check),
  };
}

test('before the first start: nothing fails, and nothing is made', async () => {
  const { failed, of } = await doctor();
  expect(failed).toEqual([]);
  expect(of('data folder')).toMatchObject({ state: 'ok', says: expect.stringContaining('first start') });
  expect(of('ledger')).toMatchObject({ state: 'ok' });
  expect(of('group demo')).toMatchObject({ state: 'ok' });
  expect(of('engine')).toMatchObject({
    state: 'warn',
    says: expect.stringContaining('BERTH_ENGINE=process'),
  });
  expect(of('open files')?.says).toMatch(/^\d+ per process$|^unlimited/);
  expect(of('inotify')?.says).toMatch(/instances/);
});

test('in a pipe: tab-separated, a head line first', async () => {
  const { code, stdout } = await runBerth(['doctor'], { env });
  const rows = stdout
    .trimEnd()
    .split('\n')
    .map((line) => line.split('\t'));
  expect(rows[0]).toEqual(['CHECK', 'STATE', 'FINDING', 'REMEDY']);
  expect(rows.every((row) => row.length === 4)).toBe(true);
  expect(rows.map(([check]) => check)).toContain('disk');
  expect(code).toBe(0);
});

test('a setting that is wrong: that alone is said', async () => {
  const { failed, of } = await doctor({ BERTH_HTTP_PORT: 'many' });
  expect(failed).toEqual(['settings']);
  expect(of('settings')?.says).toContain('BERTH_HTTP_PORT');
});

test('each thing that is wrong has a line and a remedy of its own', async () => {
  await mkdir(join(root, 'groups', 'odd'));
  await writeFile(join(root, 'groups', 'odd', 'group.yaml'), 'nome: Odd\n');
  await mkdir(join(root, 'data'), { mode: 0o755 });
  await chmod(join(root, 'data'), 0o755);
  await writeFile(join(root, 'data', 'host.db'), 'no database\n'.repeat(1000));
  const { failed, of } = await doctor({ BERTH_ENGINE: 'docker', DOCKER_HOST: `unix://${root}/none.sock` });
  expect(failed).toEqual(['ledger', 'group odd', 'engine']);
  expect(of('group odd')?.says).toContain(join('odd', 'group.yaml'));
  expect(of('engine')?.says).toContain('none.sock');
  expect(of('data folder')).toMatchObject({ state: 'warn', remedy: `chmod 700 ${join(root, 'data')}` });
});

test('folders that are none', async () => {
  await writeFile(join(root, 'file'), '');
  const wrong = { BERTH_DATA_DIR: join(root, 'file'), BERTH_GROUPS_DIR: join(root, 'nowhere') };
  const { failed } = await doctor(wrong);
  expect(failed).toEqual(['data folder', 'groups folder']);
});

test('beside a running host: it is named, and goes on', async () => {
  const host = await startHost({ groups: { demo: 'name: Demo\n' }, env: { BERTH_ENGINE: 'process' } });
  try {
    await host.ask('demo', 'one', 'hello');
    const { failed, of } = await doctor({
      BERTH_DATA_DIR: host.dataDir,
      BERTH_GROUPS_DIR: host.groupsDir,
    });
    expect(failed).toEqual([]);
    expect(of('host')?.says).toContain(`process ${host.process().pid}`);
    expect(of('ledger')?.says).toContain('is sound');
    expect(await host.ask('demo', 'one', 'again')).toMatchObject({ text: 'again' });
  } finally {
    await host.dispose();
  }
});

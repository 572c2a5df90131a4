import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createHandedFolders, type HandedFolders } from '../src/engines/handed-folders.ts';
import { silent, testUser } from './fixtures/engine-room.ts';

const isRoot = process.getuid?.() === 0;
const spec = {
  name: 'one',
  user: testUser,
  handed: { environment: { KEY: 'a key' }, files: { 'ca.pem': 'certificates' } },
};

let base: string;
let folders: HandedFolders;
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'berth-handed-'));
  chmodSync(base, 0o755);
  folders = createHandedFolders(silent, base);
});
afterEach(() => rmSync(base, { recursive: true, force: true }));

async function made(): Promise<string> {
  const [mount] = await folders.make(spec);
  return mount?.source ?? '';
}

/** As the container's user, who on the engine of child processes may have a process that lives on. */
function asUser(script: string): { status: number | null; stdout: string } {
  return spawnSync('sh', ['-c', script], { ...(isRoot ? testUser : {}), encoding: 'utf8' });
}

test("what is handed over can be read by the container's user and by nobody else", async () => {
  const folder = await made();
  await folders.fill(spec);
  expect(asUser(`cat ${folder}/ca.pem ${folder}/keys.sh`).stdout).toBe("certificatesexport KEY='a key'\n");
  for (const file of ['ca.pem', 'keys.sh']) expect(statSync(join(folder, file)).mode & 0o377).toBe(0);
  expect(statSync(folder).mode & 0o027).toBe(0);
});

test.runIf(isRoot)('the user can put nothing into the folder and take nothing out of it', async () => {
  const folder = await made();
  expect(asUser(`ln -s /etc/shadow ${folder}/ca.pem`).status).not.toBe(0);
  await folders.fill(spec);
  expect(asUser(`rm -f ${folder}/ca.pem`).status).not.toBe(0);
  expect(asUser(`mv ${folder}/ca.pem ${folder}/other`).status).not.toBe(0);
  expect(asUser(`chmod 777 ${folder}`).status).not.toBe(0);
});

test('a link that lies there already is replaced and not followed', async () => {
  const victim = join(base, 'victim');
  writeFileSync(victim, 'of the host', { mode: 0o600 });
  symlinkSync(victim, join(await made(), 'ca.pem'));
  await folders.fill(spec);
  expect(readFileSync(victim, 'utf8')).toBe('of the host');
  expect(statSync(victim).uid).toBe(process.getuid?.());
});

import {
  mkdirSync,
  mkdtempSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, expect, test } from 'vitest';
import { parseGroup } from '../../src/groups/parse-group.ts';
import { allowedMounts, judgeMounts, mountChecks } from '../../src/wake/extra-mounts.ts';
import { type EngineRoom, openDockerRoom, testUser } from '../fixtures/engine-room.ts';
import { type HostProcess, startHost, waitUntil } from '../fixtures/host-process.ts';
import { shell } from '../fixtures/shell-group.ts';

let root: string;
let host: HostProcess | undefined;
const rooms: EngineRoom[] = [];

beforeEach(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'berth-shared-')));
  for (const path of ['home/.config/berth', 'home/projects/app', 'home/projects/wide', 'private'])
    mkdirSync(join(root, path), { recursive: true, mode: 0o755 });
  put('private/note', 'private');
  put('home/projects/app/note', 'public');
  put('home/.config/berth/mounts.yaml', 'roots: [{path: ~/projects, readwrite: true}]\n');
});

afterEach(async () => {
  await host?.dispose();
  host = undefined;
  rmSync(root, { recursive: true, force: true });
});

afterAll(async () => {
  for (const room of rooms) expect(await room.close()).toEqual([]);
});

const put = (path: string, text: string) => writeFileSync(join(root, path), text, { mode: 0o644 });

async function open(groups: Parameters<typeof startHost>[0]['groups']): Promise<HostProcess> {
  host = await startHost({ groups, env: { HOME: join(root, 'home') } });
  return host;
}

test('a declared mount is read-only, or writable where both sides want it', async () => {
  const mounts = '[{host: ~/projects/app, name: app}, {host: ~/projects/wide/, name: wide, readonly: false}]';
  const { ask } = await open({ demo: shell(`mounts: ${mounts}`) });
  const script =
    'cat /mnt/app/note; (echo x > /mnt/app/x) 2>&1; grep -o " /mnt/wide ext4 rw\\| /mnt/wide [a-z]* rw" /proc/mounts | head -1';
  expect((await ask('demo', 'one', script)).text).toMatch(
    /^public.*Read-only file system\n \/mnt\/wide \w+ rw\n$/s,
  );
});

test('an admin group sees named folders of the project, and no other of it; the others see none', async () => {
  const { ask } = await open({ admin: shell('admin: true'), plain: shell() });
  const script =
    'ls /project; ls -A /project/*/.env* 2>/dev/null; (touch /project/src/x) 2>&1; head -1 /project/docs/contract.md';
  expect((await ask('admin', 'one', script)).text.split('\n')).toEqual([
    ...['agent-runner', 'container', 'contract', 'docs', 'migrations', 'src'],
    "touch: cannot touch '/project/src/x': Read-only file system",
    '# The session contract, version 1',
    '',
  ]);
  expect((await ask('plain', 'one', 'ls /project 2>&1')).text).toMatch(/No such file or directory/);
});

test('what is refused keeps the container from starting, with the reason; allowed, the message is answered', async () => {
  const running = await open({ demo: shell('mounts: [{host: ~/projects/app, name: app}]') });
  put('home/projects/app/.env', 'KEY=1');
  await running.post('demo', 'one', 'cat /mnt/app/note');
  const [failure] = await running.waitForEvents('demo', 'one', (all) => all.length > 0);
  expect(failure).toMatchObject({
    code: 'E_MOUNT_REFUSED',
    reason: expect.stringContaining('it holds .env'),
  });
  // Whoever writes while it is so is told as well.
  expect(await running.ask('demo', 'one', 'true')).toMatchObject({ code: 'E_MOUNT_REFUSED' });
  rmSync(join(root, 'home/projects/app/.env'));
  expect((await running.ask('demo', 'one', 'cat /mnt/app/note')).text).toBe('public');
});

/** A container of an engine, started while what was judged changes. @returns the room and the spec. */
async function startWhile(changes: {
  beforeCreated?(): void;
  afterCreated?(): void;
  beforeStarted?(): void;
}) {
  const room = openDockerRoom();
  rooms.push(room);
  const session = join(room.folder, 'in');
  mkdirSync(session, { mode: 0o755 });
  const group = parseGroup('name: Demo\nmounts: [{host: ~/projects/app, name: app}]\n', {
    ...{ folder: 'demo', file: 'group.yaml', home: join(root, 'home') },
  });
  const verdicts = await judgeMounts({ home: join(root, 'home'), forbidden: [] }, group);
  const anchor = { source: session, target: '/session/in', readonly: true };
  const checks = mountChecks(verdicts, anchor);
  if (!checks) throw new Error('nothing to check');
  const mounts = [anchor, ...allowedMounts(verdicts, 'demo')];
  const spec = room.spec('swap', ['sleep', '60'], { mounts, user: testUser });
  const start = room.engine.start(spec, {
    async created() {
      changes.beforeCreated?.();
      await checks.created();
      changes.afterCreated?.();
    },
    async started(inside) {
      changes.beforeStarted?.();
      await checks.started(inside);
    },
  });
  return { room, spec, start };
}

const swapFor = (target: string) => {
  renameSync(join(root, 'home/projects/app'), join(root, 'home/projects/away'));
  symlinkSync(join(root, target), join(root, 'home/projects/app'));
};
const swapBack = () => {
  rmSync(join(root, 'home/projects/app'));
  renameSync(join(root, 'home/projects/away'), join(root, 'home/projects/app'));
};

test('a link swapped between check and start does not win', async () => {
  const { room, start } = await startWhile({ beforeCreated: () => swapFor('private') });
  await expect(start).rejects.toMatchObject({ code: 'E_MOUNT_REFUSED' });
  expect(await room.engine.list(room.install)).toEqual([]);
});

test('nor one that is swapped after the last look, and back before the next: what counts is what the container sees', async () => {
  // What the engine mounts is not what was looked at.
  const { room, start } = await startWhile({
    afterCreated: () => swapFor('private'),
    beforeStarted: swapBack,
  });
  await expect(start).rejects.toMatchObject({ code: 'E_MOUNT_REFUSED' });
  expect(await room.engine.list(room.install)).toEqual([]);
});

test('without a swap the same container starts', async () => {
  const { room, spec, start } = await startWhile({});
  await start;
  expect(await room.engine.list(room.install)).toMatchObject([{ name: spec.name, running: true }]);
  await room.engine.remove(spec.name);
});

test('secrets and AGENTS.md rewritten by rename while the container runs: the one is never seen, the other at the next wake', async () => {
  const running = await open({ demo: shell() });
  const { ask, groupsDir } = running;
  const replace = (path: string, text: string) => {
    writeFileSync(`${path}.new`, text);
    renameSync(`${path}.new`, path);
  };
  replace(join(running.root, '.env'), 'SOME_KEY=first');
  replace(join(groupsDir, 'demo/AGENTS.md'), 'first');
  const look = "cat /instructions/AGENTS.md; grep -rl SOME_KEY / --include='.env*' 2>/dev/null; ls -A /group";
  const seen = async () => (await ask('demo', 'one', look)).text;
  await waitUntil('the instructions', 20_000, async () => (await seen()).startsWith('first'));
  replace(join(running.root, '.env'), 'SOME_KEY=second');
  replace(join(groupsDir, 'demo/AGENTS.md'), 'second');
  await waitUntil('the new instructions', 20_000, async () => (await seen()).startsWith('second'));
  expect(await seen()).toBe('secondbot.mjs\n');
  expect((await ask('demo', 'one', '(echo x > /instructions/AGENTS.md) 2>&1')).text).toMatch(/Read-only/);
});

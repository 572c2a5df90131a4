import { chmod, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { runBerth } from './fixtures/berth-command.ts';
import { containersOf } from './fixtures/containers-of.ts';

/** With others of these the demo would put a base image of its own in the place of everybody's. */
const DECIDE_THE_BASE = /^(DOCKER_HOST|BERTH_BASE_FROM|BERTH_CA_BUNDLE|NODE_EXTRA_CA_CERTS|BERTH_UID_BASE)$/;

test('where an engine answers, the demo answers from a container, and leaves nothing behind', async () => {
  const root = await mkdtemp(join(tmpdir(), 'berth-demo-test-'));
  onTestFinished(() => rm(root, { recursive: true, force: true }));
  await chmod(root, 0o711);
  const given = Object.entries(process.env).filter(([name]) => DECIDE_THE_BASE.test(name));
  const env = {
    ...Object.fromEntries(given),
    BERTH_BASE_IMAGE: process.env.BERTH_TEST_IMAGE ?? '',
    BERTH_GROUPS_DIR: new URL('../groups', import.meta.url).pathname,
    TMPDIR: root,
  };

  const { code, stdout, stderr } = await runBerth(['demo', 'where'], { env });

  expect({ code, stdout }).toEqual({
    code: 0,
    stdout: expect.stringMatching(/^I run in a container of my own.*\nGroup Demo, session /),
  });
  expect(stderr).not.toContain('without a container');
  expect(stderr).not.toContain('base image');
  expect(await containersOf({ root })).toEqual([]);
  expect((await readdir(root)).filter((name) => name.startsWith('berth-demo-'))).toEqual([]);
});

import { chmod, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { runBerth } from './fixtures/berth-command.ts';
import { containersOf } from './fixtures/containers-of.ts';

test('where an engine answers, the demo answers from a container, and leaves nothing behind', async () => {
  const root = await mkdtemp(join(tmpdir(), 'berth-demo-test-'));
  onTestFinished(() => rm(root, { recursive: true, force: true }));
  await chmod(root, 0o711);
  const { DOCKER_HOST, BERTH_TEST_IMAGE = '' } = process.env;
  const env = {
    ...(DOCKER_HOST ? { DOCKER_HOST } : {}),
    BERTH_BASE_IMAGE: BERTH_TEST_IMAGE,
    BERTH_GROUPS_DIR: new URL('../groups', import.meta.url).pathname,
    TMPDIR: root,
  };

  const { code, stdout, stderr } = await runBerth(['demo', 'where'], { env });

  expect({ code, stdout }).toEqual({
    code: 0,
    stdout: expect.stringMatching(/^I run in a container of my own.*\nGroup Demo, session /),
  });
  expect(stderr).not.toContain('without a container');
  expect(await containersOf({ root })).toEqual([]);
  expect((await readdir(root)).filter((name) => name.startsWith('berth-demo-'))).toEqual([]);
});

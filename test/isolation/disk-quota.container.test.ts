import { execFile, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type HostProcess, startHost } from '../fixtures/host-process.ts';
import { canMount } from '../fixtures/small-disk.ts';

const run = promisify(execFile);
const hasBtrfs = spawnSync('mkfs.btrfs', ['--version']).status === 0;
const reason = canMount ? (hasBtrfs ? undefined : 'there is no mkfs.btrfs') : 'only root may mount';
if (reason !== undefined) test.skip(`disk quotas: ${reason}`, () => undefined);

const LIMIT_MB = 64;
/** What the quota is above `limits.disk`, and what btrfs writes beside the data. */
const MARGIN_MB = 8;

/** Writes as much as it can, as fast as it can; sends a file; says what it has. */
const BOT = `read -r line
case "$line" in
  *fill*) head -c 400M /dev/zero > /home/agent/full 2>/tmp/error; echo "$(cut -d: -f2- /tmp/error)";;
  *file*) echo hello > /home/agent/hello.txt; echo '{"text": "sent", "files": [{"path": "/home/agent/hello.txt"}]}';;
  *) echo fine;;
esac
`;

describe.runIf(reason === undefined)('where the file system has quotas', () => {
  let folder: string;
  let host: HostProcess;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'berth-quota-'));
    const [disk, image] = [join(folder, 'disk'), join(folder, 'image')];
    await mkdir(disk);
    await writeFile(image, '');
    await truncate(image, 512 * 2 ** 20);
    await run('mkfs.btrfs', ['--quiet', image]);
    await run('mount', ['-o', 'loop', image, disk]);
    await run('btrfs', ['quota', 'enable', disk]);
    const greedy = {
      yaml: `name: Greedy\nagent: { provider: command, command: [sh, /group/bot.sh] }\nlimits: { disk: ${LIMIT_MB}m }\n`,
      workspace: { 'bot.sh': BOT },
    };
    host = await startHost({
      groups: { greedy, good: 'name: Good\nagent: { provider: echo }\n' },
      env: { BERTH_DATA_DIR: join(disk, 'data') },
    });
  });
  afterAll(async () => {
    await host?.dispose();
    await run('umount', [join(folder, 'disk')]);
    await rm(folder, { recursive: true });
  });

  test('what a container writes before anybody has looked ends at the quota, and others have room', async () => {
    expect(await host.ask('greedy', 'one', 'file')).toMatchObject({
      text: 'sent',
      files: [{ name: 'hello.txt' }],
    });
    const { body } = await host.post('greedy', 'one', 'fill');
    const isOver = ({ answers, inReplyTo }: { answers: string[]; inReplyTo?: string | null }) =>
      answers.includes(body.message) || inReplyTo === body.message;
    const events = await host.waitForEvents('greedy', 'one', (all) => all.some(isOver), 60_000);
    // It notices by itself, or the host's look comes first.
    const end = events.find(isOver);
    expect(end?.type === 'failure' ? end.code : end?.text).toMatch(/Disk quota exceeded|E_DISK_LIMIT/);

    const home = join(folder, 'disk/data/sessions/greedy', body.session, 'home');
    const { stdout } = await run('du', ['-sm', home]);
    expect(Number(stdout.split('\t')[0])).toBeLessThanOrEqual(LIMIT_MB + MARGIN_MB);
    expect(await host.ask('good', 'one', 'hello')).toMatchObject({ type: 'message', text: 'hello' });
  });

  test('with the chat its folders go', async () => {
    const { body } = await host.post('greedy', 'two', 'hello');
    await host.waitForEvents('greedy', 'two', (all) => all.length > 0);
    const root = join(folder, 'disk/data/sessions/greedy', body.session);
    expect(existsSync(join(root, 'home'))).toBe(true);
    expect((await host.request('DELETE', '/v1/groups/greedy/chats/two')).status).toBe(204);
    await expect.poll(() => existsSync(root), { timeout: 10_000 }).toBe(false);
  });
});

import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { probeIsolation } from '../../src/engines/process-isolation.ts';
import { type HostProcess, startHost } from '../fixtures/host-process.ts';
import { shell } from '../fixtures/shell-group.ts';
import { attempts, hasFailed } from './fixtures/escape-attempts.ts';

const hasWalls = (await probeIsolation()).kind === 'bubblewrap';
const search = readFileSync(new URL('../fixtures/bots/search.mjs', import.meta.url), 'utf8');

/** The engine for machines without one: child processes in bubblewrap. Without bubblewrap nothing of this holds. */
describe.skipIf(!hasWalls)('child processes in bubblewrap', () => {
  let host: HostProcess;
  const canary = `CANARY-host-${randomBytes(8).toString('hex')}`;
  const run = async (script: string) => (await host.ask('agent', 'one', script, 60_000)).text;

  beforeAll(async () => {
    const group = shell();
    host = await startHost({
      groups: { agent: { ...group, workspace: { ...group.workspace, 'search.mjs': search } } },
      env: { BERTH_ENGINE: 'process', CANARY: canary, BERTH_HTTP_TOKEN: canary },
      start: false,
    });
    for (const path of ['.env', 'home/.ssh/id_rsa', 'groups/other/workspace/note', 'data/note']) {
      mkdirSync(join(host.root, path, '..'), { recursive: true });
      writeFileSync(join(host.root, path), path === '.env' ? `SOME=${canary}` : canary);
    }
    chmodSync(host.root, 0o755);
    await host.start({ HOME: join(host.root, 'home') });
  });
  afterAll(() => host?.dispose());

  test('the host says at its start what cannot hold', () => {
    const warnings = host.log.filter(({ level }) => level === 40).map(({ msg }) => msg);
    expect(warnings.join('\n')).toMatch(/no container.*bubblewrap/);
  });

  test.each(attempts.filter(({ withoutContainer }) => !withoutContainer))('$name', async (attempt) => {
    const output = await run(attempt.script({ pid: host.process().pid ?? 0, dataDir: host.dataDir }));
    expect(output).toSatisfy((text: string) => hasFailed(attempt, text));
  });

  test('a program that searches all that it sees finds nothing of the host', async () => {
    const own = `CANARY-own-${randomBytes(8).toString('hex')}`;
    await run(`echo ${own} > ~/own`);
    expect(Object.keys(JSON.parse(await run('node /group/search.mjs')))).toEqual([own]);
  });

  test('another user than the host where the host is root, and no network', async () => {
    expect(await run('id -u; ls /sys/class/net 2>/dev/null; cat /proc/net/dev | grep -c :')).toMatch(
      /^[1-9]\d*\n(lo\n)?1\n$/,
    );
  });
});

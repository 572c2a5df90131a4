import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type HostProcess, startHost } from '../fixtures/host-process.ts';
import { shell } from '../fixtures/shell-group.ts';
import { attempts, hasFailed } from './fixtures/escape-attempts.ts';

let host: HostProcess;

beforeAll(async () => {
  host = await startHost({ groups: { agent: shell(), other: shell(), admin: shell('admin: true') } });
});
afterAll(() => host.dispose());

const run = async (group: string, script: string) => (await host.ask(group, 'escape', script)).text;
const known = () => ({ pid: host.process().pid ?? 0, dataDir: host.dataDir });

describe.each(['agent', 'admin'])('from a container of the group %s', (group) => {
  test.each(attempts)('$name', async (attempt) => {
    const output = await run(group, attempt.script(known()));
    expect(output).toSatisfy((text: string) => hasFailed(attempt, text));
  });
});

test('shared memory of another container', async () => {
  expect(await run('agent', 'echo mine > /dev/shm/note; ls /dev/shm')).toBe('note\n');
  expect(await run('other', 'ls -A /dev/shm /dev/mqueue')).not.toContain('note');
});

test('the shared folder of all groups: written by an admin group, by nobody else', async () => {
  expect(await run('admin', 'echo hello > /global/note; cat /global/note')).toBe('hello\n');
  expect(await run('agent', 'cat /global/note; echo x 2>&1 > /global/note')).toMatch(
    /^hello\n.*Read-only file system\n$/,
  );
});

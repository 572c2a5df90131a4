import { chmod, mkdir, readlink, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { startHost } from './fixtures/host-process.ts';

/** Reads the file that the message names, and says what came of it. */
const reader = `import { readFileSync } from 'node:fs';
const { messages } = JSON.parse(readFileSync(0, 'utf8'));
try {
  readFileSync(messages.at(-1).text);
  console.log('read');
} catch ({ code }) {
  console.log(code);
}
`;
const yaml = 'name: Reader\nagent: { provider: command, command: [node, /group/bot.mjs] }\n';
const group = { yaml, workspace: { 'bot.mjs': reader } };

test.runIf(process.getuid?.() === 0)(
  'without bubblewrap, under root, groups answer from the folder that the host makes, and read neither its files nor each other’s',
  async () => {
    const host = await startHost({ groups: { one: group, two: group }, start: false });
    onTestFinished(() => host.dispose());
    await chmod(host.root, 0o711); // of this test, not of the host
    const programs = join(host.root, 'bin');
    await mkdir(programs);
    for (const name of ['sh', 'setpriv']) await symlink(await realProgram(name), join(programs, name));
    await host.start({ BERTH_ENGINE: 'process', PATH: programs });
    const ask = async (folder: string, path: string) => (await host.ask(folder, 'chat', path)).text;

    const { body } = await host.post('two', 'chat', 'hello');
    const secret = join(host.dataDir, 'sessions', 'two', body.session, 'in', 'inbound.db');
    await host.waitForEvents('two', 'chat', (events) => events.length === 1);
    expect(await ask('two', secret)).toBe('read');
    for (const path of [
      secret,
      ...['host.db', 'host.db-wal', 'lock.db'].map((name) => join(host.dataDir, name)),
    ])
      expect(await ask('one', path)).toBe('EACCES');
  },
);

async function realProgram(name: string): Promise<string> {
  const path = join('/usr/bin', name);
  return await readlink(path).then(
    (to) => join('/usr/bin', to),
    () => path,
  );
}

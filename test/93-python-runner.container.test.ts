import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { openHostRoom } from './fixtures/host-room.ts';
import { ownImages } from './fixtures/own-images.ts';

const example = (path: string) => readFileSync(new URL(`../groups/python/${path}`, import.meta.url), 'utf8');
/** Debian's mirror is asked. */
const BUILD_MS = 300_000;

test(
  'the example group with a runner in Python: built, answered, frozen, answered again, killed, answered once',
  async () => {
    const yaml = `${example('group.yaml')}idle: { freeze: 1s, stop: off }\n`;
    const workspace = { 'runner.py': example('workspace/runner.py') };
    const host = await openHostRoom({ groups: { python: { yaml, workspace } } });
    ownImages(host);
    const built = await host.berth('build-image', 'python');
    expect(built.code, built.stderr).toBe(0);

    const first = await host.ask('python', 'one', 'hello');
    expect(first.text).toBe('You said: hello');
    const [session] = (await host.request<{ sessions: { id: string }[] }>('GET', '/v1/sessions')).body
      .sessions;
    await host.waitForState(session?.id ?? '', 'frozen');
    expect((await host.ask('python', 'one', 'and now')).text).toBe('You said: and now');

    await host.killContainer();
    expect((await host.ask('python', 'one', 'still there?')).text).toBe('You said: still there?');
    expect(await host.events('python', 'one')).toHaveLength(3);
  },
  BUILD_MS,
);

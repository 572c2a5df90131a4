import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { expectRefusal, runBerth } from './fixtures/berth-command.ts';
import { startHost } from './fixtures/host-process.ts';

const ECHO = 'name: Echo\nagent: { provider: echo }\n';
const FAILS = 'name: Fails\nagent: { provider: command, command: [sh, -c, "echo no luck >&2; exit 1"] }\n';
const SILENT = `name: Silent\nagent: { provider: command, command: [echo, '{"silent": true}'] }\n`;

async function host() {
  const started = await startHost({
    groups: { echo: ECHO, fails: FAILS, silent: SILENT },
    env: { BERTH_ENGINE: 'process' },
  });
  onTestFinished(() => started.dispose());
  const { port } = new URL(started.url);
  const env = { BERTH_DATA_DIR: started.dataDir, BERTH_HTTP_PORT: port, BERTH_HTTP_TOKEN: started.token };
  return {
    started,
    env,
    talk: (words: string[], input = '') => runBerth(['talk', ...words], { env, input }),
  };
}

describe('berth talk', { timeout: 90_000 }, () => {
  test('sends its words to a group of the running host and prints the reply alone', async () => {
    const { talk } = await host();
    expect(await talk(['echo', 'good', 'morning'])).toEqual({
      code: 0,
      stdout: 'good morning\n',
      stderr: '',
    });
  });

  test('sends each line of a pipe as a message, and leaves when all are answered', async () => {
    const { talk, started } = await host();
    const { code, stdout } = await talk(['echo', '--chat', 'pipe'], 'one\n\ntwo\nthree');
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'one\ntwo\nthree\n' });
    const { body } = await started.request<{ sessions: { chat: string }[] }>('GET', '/v1/sessions');
    expect(body.sessions.map(({ chat }) => chat)).toEqual(['pipe']);
  });

  test('says what failed, and exits with 1', async () => {
    const { talk } = await host();
    const { code, stdout, stderr } = await talk(['fails', 'hello']);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(/no luck \[E_TURN_FAILED\]/);
  });

  test('leaves when the agent chose to say nothing', async () => {
    const { talk } = await host();
    expect(await talk(['silent', 'hello'])).toEqual({ code: 0, stdout: '', stderr: '' });
  });

  test('waits for a host that was started in the same breath', async () => {
    const { started, env } = await host();
    await started.kill('SIGTERM');
    const waiting = runBerth(['talk', 'echo', 'hello'], { env });
    await started.start();
    expect(await waiting).toEqual({ code: 0, stdout: 'hello\n', stderr: '' });
  });

  test('a group that is not there, a wrong token, and no host each say what to do', async () => {
    const { talk, env, started } = await host();
    expectRefusal(await talk(['nobody', 'hello']), 'E_GROUP_UNKNOWN');
    const wrong = { ...env, BERTH_HTTP_TOKEN: 'not-the-token' };
    expectRefusal(await runBerth(['talk', 'echo', 'hello'], { env: wrong }), 'E_UNAUTHORIZED');
    await started.kill('SIGTERM');
    const empty = { BERTH_DATA_DIR: join(started.root, 'elsewhere') };
    // Beside each other: each waits ten seconds for a host.
    const [gone, never] = await Promise.all([
      talk(['echo', 'hello']),
      runBerth(['talk', 'echo', 'hello'], { env: empty }),
    ]);
    expectRefusal(gone, 'E_NO_HOST');
    expectRefusal(never, 'E_NO_HOST');
  });
});

import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, onTestFinished, test } from 'vitest';
import { startHost } from '../fixtures/host-process.ts';
import { openModelStub } from '../fixtures/model-stubs/open-model-stub.ts';
import { openNameServer } from '../isolation/fixtures/name-server.ts';
import { claudeGroup, KEY, LIMIT_MS, MODEL_HOST, whyNoAgents } from './fixtures/agents-room.ts';

const run = promisify(execFile);
const repository = join(import.meta.dirname, '../..');
const page = readFileSync(join(repository, 'docs/agents.md'), 'utf8');
/** The part of the stub's address that is this file's. */
const LAST = 17;

const reason = whyNoAgents();
if (reason !== undefined) test.skip(`the commands of docs/agents.md: ${reason}`, () => undefined);

describe.runIf(reason === undefined)('the commands of docs/agents.md', { timeout: 6 * LIMIT_MS }, () => {
  test('from a Python script to a bot', async () => {
    const { host, type } = await openCheckout();
    await host.start();
    await writeFile(join(host.root, 'bot.py'), block('A bot, from a Python script', 'python'));
    expect(await type(block('A bot, from a Python script', 'sh'))).toContain('You said: hello\n');
  });

  test('from a key to a Claude that answers, at the address of a stub', async () => {
    const address = `198.51.100.${LAST}`;
    await run('ip', ['addr', 'replace', `${address}/32`, 'dev', 'lo']);
    const names = await openNameServer(45_300 + LAST, { [MODEL_HOST]: [address] });
    const stub = await openModelStub({ host: address, port: 80 }, { keys: [KEY], models: ['claude'] });
    onTestFinished(async () => {
      await Promise.all([names.close(), stub.close()]);
      await run('ip', ['addr', 'del', `${address}/32`, 'dev', 'lo']);
    });
    stub.script(() => ({ text: 'I can help.' }));
    const { type } = await openCheckout({ BERTH_DNS: names.address });

    const [install, key, group, ...talk] = block('Claude, from a key', 'sh').trim().split('\n');
    expect(install).toMatch(/^npm ci/);
    const elsewhere = claudeGroup({ key: '' })
      .split('\n')
      .filter((line) => /^(network|env):/.test(line));
    const commands = [
      // Whatever fails, the host that they start is not to outlive them.
      "trap 'kill $!' EXIT",
      key?.replace('sk-ant-…', KEY),
      group,
      `printf '%s\\n' ${elsewhere.map((line) => `'${line}'`).join(' ')} >> groups/claude/group.yaml`,
      ...talk,
    ];
    expect(await type(commands.join('\n'))).toContain('I can help.\n');
  });
});

/** Where the commands are typed: a folder whose scripts are the repository's. */
async function openCheckout(env: Record<string, string> = {}) {
  const host = await startHost({ groups: {}, env, start: false });
  onTestFinished(() => host.dispose());
  const { scripts } = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8'));
  const ours = Object.entries<string>(scripts).map(([name, script]) => [
    name,
    script.replaceAll('src/berth.js', join(repository, 'src/berth.js')),
  ]);
  await writeFile(join(host.root, 'package.json'), JSON.stringify({ scripts: Object.fromEntries(ours) }));
  const { PATH = '', HOME = '', DOCKER_HOST, BERTH_TEST_IMAGE } = process.env;
  const type = async (commands: string) => {
    const { stdout } = await run('sh', ['-ec', commands], {
      cwd: host.root,
      timeout: 5 * LIMIT_MS,
      env: {
        ...{ PATH, HOME, ...env },
        ...(DOCKER_HOST ? { DOCKER_HOST } : {}),
        ...(BERTH_TEST_IMAGE ? { BERTH_BASE_IMAGE: BERTH_TEST_IMAGE } : {}),
        BERTH_HTTP_PORT: new URL(host.url).port,
        BERTH_HTTP_TOKEN: host.token,
      },
    });
    return stdout;
  };
  return { host, type };
}

/** The first block of a language under a heading of the page. */
function block(heading: string, language: string): string {
  const [, after = ''] = page.split(`\n## ${heading}\n`);
  const [, text] = new RegExp(`\`\`\`${language}\n(.*?)\`\`\``, 's').exec(after) ?? [];
  if (text === undefined) throw new Error(`docs/agents.md has no ${language} under "${heading}"`);
  return text;
}

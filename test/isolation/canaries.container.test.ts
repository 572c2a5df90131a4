import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { connectDocker } from '../../src/engines/docker-connection.ts';
import { containersOf } from '../fixtures/containers-of.ts';
import { type HostProcess, startHost } from '../fixtures/host-process.ts';
import { shell } from '../fixtures/shell-group.ts';

const planted: Record<string, string> = {};
/** A value that is nowhere else. */
function canary(kind: string): string {
  planted[kind] = `CANARY-${kind}-${randomBytes(8).toString('hex')}`;
  return planted[kind];
}

const search = readFileSync(new URL('../fixtures/bots/search.mjs', import.meta.url), 'utf8');
const ask = (group: string, chat: string, text: string) => host.ask(group, chat, text, 60_000);
const { docker, close } = connectDocker(process.env.DOCKER_HOST);

let host: HostProcess;
let home: string;

beforeAll(async () => {
  const env = {
    BERTH_HTTP_TOKEN: canary('token'),
    BERTH_LOG_LEVEL: 'trace',
    CANARY: canary('environment'),
    HANDED_KEY: canary('handed'),
    AWS_SECRET_ACCESS_KEY: canary('aws'),
  };
  const bot = (rest: string, env: string) => {
    const group = shell(rest, `env: { VALUE: ${env} }`);
    return { ...group, workspace: { ...group.workspace, 'search.mjs': search } };
  };
  host = await startHost({
    groups: {
      plain: bot('', canary('plain')),
      admin: bot('admin: true', canary('admin')),
      other: bot('', canary('other')),
      keyed: bot('credentials: { env: [HANDED_KEY] }', canary('keyed')),
      broken: 'name: Broken\nrunner: [node, -e, "console.log(process.env); process.exit(3)"]\n',
      refused: 'name: Refused\nmounts: [{host: /etc, name: etc}]\n',
    },
    env,
    start: false,
  });
  home = join(host.root, 'home');
  plant('.env', `ONECLI_API_KEY=${canary('onecli')}\nSOME_KEY=${canary('dotenv')}\n`);
  plant('home/.aws/credentials', canary('awsfile'));
  plant('home/.ssh/id_ed25519', canary('sshkey'));
  plant('home/.config/berth/mounts.yaml', `# ${canary('mounts')}\nroots: [{path: ${host.root}/shared}]\n`);
  plant('data/canary', canary('data'));
  plant('data/http-token', canary('tokenfile'));
  plant('groups/other/AGENTS.md', canary('instructions'));
  plant('groups/other/workspace/notes', canary('workspace'));
  mkdirSync(join(host.root, 'shared'));
  await host.start({ HOME: home });
  // Another group's and another session's words, files and memory; the ledger and the mailboxes have them too.
  await ask('keyed', 'one', 'test -n "$HANDED_KEY" && echo x');
  await ask('other', 'one', `echo ${canary('otherword')}; echo ${planted.otherword} > ~/memory`);
  await ask(
    'plain',
    'another',
    `echo ${canary('neighbour')}; echo ${planted.neighbour} > ~/memory; echo x > /tmp/${planted.neighbour}`,
  );
}, 120_000);

afterAll(async () => {
  await host.dispose();
  close();
});

function plant(path: string, text: string): void {
  mkdirSync(dirname(join(host.root, path)), { recursive: true });
  writeFileSync(join(host.root, path), text, { mode: 0o600 });
}

test.each(['plain', 'admin'])(
  'a program in a container of the group %s searches all that it sees',
  async (group) => {
    const own = canary('own');
    await ask(group, 'search', `echo ${own} > /home/agent/own`);
    const { text } = await ask(group, 'search', 'node /group/search.mjs');
    // It does find what is its own, in its files and in its environment: so it searches.
    expect(Object.keys(JSON.parse(text)).sort()).toEqual([own, planted[group]].sort());
  },
);

test('a program in a container that is handed a key finds that one, and no other', async () => {
  // What an agent says in a chat is its own to say; this one keeps the key to itself.
  const unsaid = `process.stdout.write(require("fs").readFileSync(0, "utf8").replaceAll(process.env.HANDED_KEY, "handed"))`;
  const { text } = await ask('keyed', 'one', `node /group/search.mjs | node -e '${unsaid}'`);
  expect(Object.keys(JSON.parse(text)).sort()).toEqual([planted.keyed, 'handed'].sort());
});

test('engine, logs, errors, crash reports, answers and the list of processes bear no secret', async () => {
  const secrets = [
    'token',
    'environment',
    'aws',
    'onecli',
    'dotenv',
    'handed',
    'awsfile',
    'sshkey',
    'mounts',
    'data',
    'tokenfile',
  ];
  await provokeFailures();
  const places = { ...(await ofEngine()), ...ofHost(), ...(await ofHttp()) };
  expect(Object.values(places).every((text) => text.length > 100)).toBe(true);
  const found = Object.entries(places).flatMap(([place, text]) =>
    secrets.filter((kind) => text.includes(planted[kind] ?? '')).map((kind) => `${kind} in ${place}`),
  );
  expect(found).toEqual([]);
});

/** A container that dies in a turn, one that does not start, one that prints what it has; and requests of all wrong kinds. */
async function provokeFailures(): Promise<void> {
  await host.request('GET', '/v1/groups/none/chats/x/messages');
  for (const group of ['broken', 'refused']) {
    expect((await host.post(group, 'fails', 'hello')).status).toBe(202);
  }
  await ask('plain', 'another', 'env; echo x');
  for (const group of ['broken', 'refused']) {
    const events = await host.waitForEvents(group, 'fails', (all) => all.length > 0, 60_000);
    expect(events[0]?.type).toBe('failure');
  }
  const wrong = await fetch(`${host.url}/v1/sessions`, {
    headers: { authorization: `Bearer ${planted.token}x` },
  });
  expect(wrong.status).toBe(401);
}

async function ofEngine(): Promise<Record<string, string>> {
  const names = await containersOf(host);
  const seen = (await Promise.all(names.map(seenByEngine))).filter((one) => one !== undefined);
  expect(seen.length).toBeGreaterThan(2);
  return {
    'docker inspect': JSON.stringify(seen.map(({ inspected }) => inspected)),
    'docker logs': `${seen.map(({ logs }) => logs).join('')}${'.'.repeat(101)}`,
  };
}

/** `undefined`: that of a group whose containers cannot start has just been removed. */
async function seenByEngine(name: string): Promise<{ inspected: object; logs: string } | undefined> {
  const container = docker.getContainer(name);
  try {
    const logs = String(await container.logs({ stdout: true, stderr: true }));
    return { inspected: await container.inspect(), logs };
  } catch (error) {
    // 409: it is just being removed.
    if ([404, 409].includes((error as { statusCode: number }).statusCode)) return undefined;
    throw error;
  }
}

function ofHost(): Record<string, string> {
  const processes = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  const read = (path: string) => {
    try {
      return readFileSync(path, 'latin1');
    } catch {
      return ''; // it has ended, or there are no reports
    }
  };
  const reports = readdirSync(host.dataDir, { recursive: true, encoding: 'utf8' }).filter((path) =>
    /^crashes\/.*\.json$/.test(path),
  );
  return {
    'the log': JSON.stringify(host.log),
    'the list of processes': processes.map((pid) => read(`/proc/${pid}/cmdline`)).join('\n'),
    'crash reports and stderr': `${reports.map((path) => read(join(host.dataDir, path))).join('\n')}${host.stderr()}${'.'.repeat(101)}`,
  };
}

async function ofHttp(): Promise<Record<string, string>> {
  const { body } = await host.request<{ sessions: { id: string; group: string; chat: string }[] }>(
    'GET',
    '/v1/sessions',
  );
  const paths = [
    ...['/healthz', '/readyz', '/v1/sessions', '/nothing/here'],
    ...body.sessions.map(({ id }) => `/v1/sessions/${id}`),
    ...body.sessions.map(({ group, chat }) => `/v1/groups/${group}/chats/${chat}/messages?after=0`),
  ];
  const answers = await Promise.all(paths.map((path) => host.request('GET', path)));
  return { 'HTTP answers': JSON.stringify(answers) };
}

import { randomBytes } from 'node:crypto';
import { existsSync, statfsSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type Docker from 'dockerode';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { connectDocker } from '../../src/engines/docker-connection.ts';
import { expectRefusal, runBerth } from '../fixtures/berth-command.ts';
import { makeCertificates } from '../fixtures/certificates.ts';
import { containersOf } from '../fixtures/containers-of.ts';
import { type FakeOneCli, openFakeOneCli } from '../fixtures/fake-onecli.ts';
import { type HostProcess, startHost, waitUntil } from '../fixtures/host-process.ts';
import { removeImagesOf } from '../fixtures/own-images.ts';
import { shell } from '../fixtures/shell-group.ts';
import { type NameServer, openNameServer } from './fixtures/name-server.ts';

/*
 * What containers get of credentials, from inside real ones. The gateway is one of ours on this machine, and answers itself
 * in the place of the hosts that are asked for: no packet is aimed at anybody else.
 */

const LISTED = 'network: { allow: [api.example.com] }';
/** What a shell, a list and a line could stumble over. */
const ODD_VALUE = `CANARY-key '"$(id)\n\`x\` \\ ${randomBytes(8).toString('hex')}`;
const PLAIN_VALUE = `CANARY-key-${randomBytes(8).toString('hex')}`;
const BUILD_MS = 300_000;
const HANDED = '/run/berth/handed';

vi.setConfig({ testTimeout: 240_000 }); // many a wake in one test, some of them after a host's start

let gateway: FakeOneCli;
let names: NameServer;
let host: HostProcess;
const { docker, close } = connectDocker(process.env.DOCKER_HOST);

beforeAll(async () => {
  gateway = await openFakeOneCli();
  names = await openNameServer(45_117, { 'api.example.com': ['203.0.113.10'] });
  const onecli = (...rest: string[]) => shell(LISTED, 'credentials: onecli', ...rest);
  host = await startHost({
    groups: {
      sales: onecli(),
      main: shell(LISTED, 'credentials: { onecli: required }', 'admin: true'),
      closed: shell('credentials: onecli'),
      open: shell('network: internet', 'credentials: onecli'),
      tools: onecli('image: { apt: [curl, python3] }'),
      down: onecli('idle: { freeze: off, stop: off }'),
      needs: shell(LISTED, 'credentials: { onecli: required }'),
      refused: onecli(),
      wrongca: onecli(),
      keyed: shell('credentials: { env: [ODD_KEY, PLAIN_KEY] }'),
      missing: shell('credentials: { env: [NOT_SET_ANYWHERE] }'),
      plain: shell(),
    },
    env: {
      ...{ ONECLI_URL: gateway.url, ONECLI_API_KEY: gateway.apiKey, BERTH_DNS: names.address },
      ...{ ODD_KEY: ODD_VALUE, BERTH_LOG_LEVEL: 'trace' },
    },
    start: false,
  });
  writeFileSync(join(host.root, '.env'), `PLAIN_KEY=${PLAIN_VALUE}\n`);
  await host.start();
}, 120_000);

afterAll(async () => {
  await host?.kill('SIGTERM');
  if (host) await removeImagesOf(host.dataDir);
  await host?.dispose();
  await names?.close();
  await gateway?.close();
  close();
}, 60_000);

const say = async (group: string, script: string) => {
  const { text, reason } = await host.ask(group, 'one', script, 120_000);
  return reason ? `failed: ${reason}` : text;
};
/** A script of Node for a shell. */
const node = (code: string) => `node --input-type=module -e '${code}' 2>&1`;
const fetchIt = (url: string) =>
  node(
    `console.log(await fetch("${url}").then((r) => r.text(), (e) => "error: " + (e.cause?.code ?? e.cause ?? e)))`,
  );

async function inspect(group: string): Promise<Docker.ContainerInspectInfo> {
  const all = await Promise.all(
    (await containersOf(host)).map((name) => docker.getContainer(name).inspect()),
  );
  const found = all.find(({ Config }) => Config.Labels['berth.group'] === group);
  if (!found) throw new Error(`there is no container of ${group}`);
  return found;
}

async function failureOf(group: string): Promise<{ code: string | null; reason: string | null }> {
  await host.post(group, 'fails', 'true');
  const [event] = await host.waitForEvents(group, 'fails', (all) => all.length > 0, 120_000);
  return { code: event?.code ?? null, reason: event?.reason ?? null };
}

const berth = (...words: string[]) =>
  runBerth(words, {
    limitMs: BUILD_MS,
    env: {
      ...{ BERTH_DATA_DIR: host.dataDir, BERTH_GROUPS_DIR: host.groupsDir },
      ...(process.env.DOCKER_HOST ? { DOCKER_HOST: process.env.DOCKER_HOST } : {}),
    },
  });

describe('through the gateway', () => {
  test('a request of the group is answered by it, as the agent that the group is', async () => {
    expect(await say('sales', fetchIt('https://api.example.com/v1/models'))).toBe(
      'gateway: sales asks api.example.com for /v1/models\n',
    );
    expect(await say('sales', fetchIt('http://api.example.com/plain'))).toBe(
      'gateway: sales asks api.example.com for /plain\n',
    );
    expect(await say('main', fetchIt('https://api.example.com/'))).toMatch(/^gateway: default asks/);
    expect(await say('open', fetchIt('https://api.example.com/'))).toMatch(/^gateway: open asks/);
  });

  test('what is not on the list does not even reach it', async () => {
    const before = gateway.passed.length;
    expect(await say('sales', fetchIt('https://other.example.com/'))).toMatch(/^error/);
    expect(await say('closed', fetchIt('https://api.example.com/'))).toMatch(/^error/);
    expect(gateway.passed.length).toBe(before);
  });

  test('the environment is as it said, the certificates in a file beside it', async () => {
    const script =
      'echo $ANTHROPIC_API_KEY $SSL_CERT_FILE; grep -c BEGIN $SSL_CERT_FILE; (echo x > $SSL_CERT_FILE) 2>&1';
    expect(await say('sales', script)).toMatch(
      /^placeholder \/run\/berth\/handed\/ca\.pem\n\d{2,}\n.*(Read-only|Permission denied)/,
    );
  });

  test('no token is in the container, in what the engine shows, or in the log', async () => {
    const script = 'env; cat /run/berth/handed/*; cat /proc/*/environ 2>/dev/null | tr "\\0" "\\n"; true';
    const places = {
      'the container': await say('sales', script),
      'docker inspect': JSON.stringify(await inspect('sales')),
      'the log': JSON.stringify(host.log) + host.stderr(),
      'HTTP answers': JSON.stringify((await host.request('GET', '/v1/sessions')).body),
    };
    expect([...gateway.tokens.keys()]).toContain('sales');
    for (const [place, text] of Object.entries(places))
      for (const secret of [...gateway.tokens.values(), gateway.apiKey])
        expect(text.includes(secret), place).toBe(false);
  });

  test("another group's token is of no use: the host says who asks", async () => {
    const proof = Buffer.from(`x:${gateway.tokens.get('default')}`).toString('base64');
    const ask = (line: string, then: string) =>
      node(
        `import net from "node:net"; const s = net.connect(3128, "127.0.0.1"); s.write("${line}\\r\\nHost: api.example.com\\r\\nProxy-Authorization: Basic ${proof}\\r\\nConnection: close\\r\\n\\r\\n"); ${then}`,
      );
    expect(
      await say('sales', ask('GET http://api.example.com/stolen HTTP/1.1', 's.pipe(process.stdout)')),
    ).toMatch(/gateway: sales asks api.example.com for \/stolen/);
    const { passed } = gateway;
    const before = passed.length;
    const once = 's.once("data", (d) => { process.stdout.write(d); process.exit() })';
    expect(await say('sales', ask('CONNECT api.example.com:443 HTTP/1.1', once))).toMatch(/^HTTP\/1.1 200/);
    expect(passed.slice(before).map(({ agent }) => agent)).toEqual(['sales']);
  });

  test("the gateway's own address is reached without a network, but not past the list, nor what is its operator's", async () => {
    const base = `http://host.docker.internal:${gateway.gatewayPort}`;
    expect(await say('closed', fetchIt(`${base}/healthz`))).toBe('gateway: well\n');
    for (const path of [
      '/v1/approvals/pending',
      '/v1/approvals/x/decision',
      '//v1/agents',
      '/%761/agents',
      '/api/x',
    ])
      expect(await say('closed', fetchIt(base + path))).toContain(
        'that part of the gateway is for its operator',
      );
    // As a proxy: a tunnel to it, and within that what the list does not allow.
    const before = gateway.passed.length;
    const within = node(
      `import net from "node:net"; const s = net.connect(3128, "127.0.0.1"); const to = "host.docker.internal:${gateway.gatewayPort}"; s.write("CONNECT " + to + " HTTP/1.1\\r\\nHost: " + to + "\\r\\n\\r\\n"); s.once("data", (d) => { process.stdout.write(d); s.write("CONNECT api.example.com:443 HTTP/1.1\\r\\nHost: api.example.com:443\\r\\n\\r\\n"); s.pipe(process.stdout); })`,
    );
    expect(await say('closed', within)).toMatch(
      /^HTTP\/1.1 200 .*HTTP\/1.1 403 Forbidden.*the group has no network/s,
    );
    expect(await say('plain', fetchIt(`${base}/healthz`))).toMatch(/^error/);
    expect(gateway.passed.length).toBe(before);
  });

  test(
    'curl, Python and git trust it as Node does',
    async () => {
      const built = await berth('build-image', 'tools');
      expect(built.code, built.stderr).toBe(0);
      const url = 'https://api.example.com/v1/x';
      const words = 'gateway: tools asks api.example.com for';
      expect(await say('tools', `curl -sS ${url} 2>&1`)).toContain(words);
      const python = `python3 -c 'import urllib.request as u; print(u.urlopen("${url}").read().decode())' 2>&1`;
      expect(await say('tools', python)).toContain(words);
      expect(await say('tools', fetchIt(url))).toContain(words);
      // No repository is there; but it came so far as to be told so.
      await say('tools', `git ls-remote ${url} 2>&1`);
      expect(gateway.passed.map(({ path }) => path)).toContain('/v1/x/info/refs?service=git-upload-pack');
    },
    BUILD_MS,
  );
});

describe('when it does not go well', () => {
  test('not there: the container works without, agent and sessions are told; back again, it is replaced', async () => {
    await gateway.shut();
    const notices = node(
      'import { DatabaseSync } from "node:sqlite"; const db = new DatabaseSync("/session/in/inbound.db", { readOnly: true }); console.log(JSON.parse(db.prepare("SELECT body FROM session").get().body).notices.join())',
    );
    expect(await say('down', notices)).toMatch(/OneCLI at http.*it works without credentials/);
    expect(await say('down', 'ls /run/berth/handed 2>&1; echo "key: $ANTHROPIC_API_KEY."')).toContain(
      'key: .',
    );
    const problem = async () => {
      const { body } = await host.request<{ sessions: { group: string; credentialsProblem: unknown }[] }>(
        'GET',
        '/v1/sessions',
      );
      return body.sessions.find(({ group }) => group === 'down')?.credentialsProblem;
    };
    expect(await problem()).toMatchObject({ code: 'E_CREDENTIALS_UNAVAILABLE', at: expect.any(Number) });
    expect(await failureOf('needs')).toMatchObject({ code: 'E_CREDENTIALS_UNAVAILABLE' });
    await gateway.open();
    // Another chat of the group is what finds it again.
    expect((await host.ask('down', 'two', fetchIt('https://api.example.com/'), 120_000)).text).toMatch(
      /^gateway: down asks/,
    );
    await waitUntil('the first container to be replaced', 120_000, async () =>
      (await say('down', fetchIt('https://api.example.com/'))).startsWith('gateway: down asks'),
    );
    expect(await problem()).toBeNull();
  });

  test('refused: the wake fails with the reason', async () => {
    gateway.failing.set('POST /v1/agents', 401);
    const failure = await failureOf('refused');
    gateway.failing.clear();
    expect(failure).toMatchObject({
      code: 'E_CREDENTIALS_REFUSED',
      reason: expect.stringContaining('answered 401 (making the agent refused)'),
    });
  });

  test('slow: it is waited for', async () => {
    gateway.delayMs = 1_000;
    expect(await say('refused', fetchIt('https://api.example.com/'))).toMatch(/^gateway: refused asks/);
    gateway.delayMs = 0;
  });

  test('a CA that is not the one it signs with: nobody in the container is deceived', async () => {
    const other = makeCertificates();
    gateway.ca = other.ca;
    expect(await say('wrongca', fetchIt('https://api.example.com/'))).toMatch(
      /^error: .*(UNABLE_TO_VERIFY|UNABLE_TO_GET_ISSUER|SIGNATURE)/,
    );
    gateway.ca = undefined;
    other.remove();
  });
});

describe('keys', () => {
  test('are in the environment of programs exactly as they are set, from the environment and from .env', async () => {
    const script = node('console.log(JSON.stringify([process.env.ODD_KEY, process.env.PLAIN_KEY]))');
    expect(JSON.parse(await say('keyed', script))).toEqual([ODD_VALUE, PLAIN_VALUE]);
  });

  test('and in nothing that the engine, the log, an answer or the list of processes shows', async () => {
    await say('keyed', 'true');
    const found = await inspect('keyed');
    const logs = await docker.getContainer(found.Id).logs({ stdout: true, stderr: true });
    const places = {
      'docker inspect': JSON.stringify(found),
      'docker logs': String(logs),
      'the log': JSON.stringify(host.log) + host.stderr(),
      'HTTP answers': JSON.stringify((await host.request('GET', '/v1/sessions')).body),
    };
    const last = ODD_VALUE.slice(-16);
    for (const [place, text] of Object.entries(places))
      for (const secret of [PLAIN_VALUE, last]) expect(text.includes(secret), place).toBe(false);
    const warned = host.log.filter(({ msg }) => /a key is handed/.test(String(msg)));
    expect(warned.map(({ group, name }) => `${group} ${name}`).sort()).toEqual([
      'keyed ODD_KEY',
      'keyed PLAIN_KEY',
    ]);
  });

  test('lie in memory, for the container alone, until it is gone; a host that comes after finds them as they are', async () => {
    expect(await say('keyed', 'ls -l /run/berth/handed; (echo x > /run/berth/handed/x) 2>&1')).toMatch(
      /-r-------- 1 agent .* keys\.sh\n.*Read-only file system/s,
    );
    const source = (await inspect('keyed')).Mounts.find(({ Destination: at }) => at === HANDED)?.Source ?? '';
    expect(statfsSync(source).type).toBe(0x01021994);
    expect(statSync(join(source, '..')).mode & 0o066).toBe(0);
    await host.kill('SIGUSR2');
    await host.start();
    expect(await say('keyed', 'echo $PLAIN_KEY')).toBe(`${PLAIN_VALUE}\n`);
    expect(existsSync(source)).toBe(true);
    await host.kill('SIGTERM');
    expect(existsSync(source)).toBe(false);
    await host.start();
  });

  test('and are gone with a container that vanished while no host ran', async () => {
    expect(await say('keyed', 'echo $PLAIN_KEY')).toBe(`${PLAIN_VALUE}\n`);
    const source = (await inspect('keyed')).Mounts.find(({ Destination: at }) => at === HANDED)?.Source ?? '';
    await host.kill('SIGKILL');
    for (const name of await containersOf(host)) await docker.getContainer(name).remove({ force: true });
    expect(existsSync(source)).toBe(true);
    await host.start();
    await waitUntil('the folder to be gone', 20_000, () => !existsSync(source));
  });

  test('one that is set nowhere fails the wake, and is named', async () => {
    expect(await failureOf('missing')).toMatchObject({
      code: 'E_CREDENTIALS_MISSING',
      reason: expect.stringContaining('NOT_SET_ANYWHERE'),
    });
  });
});

describe('approvals', () => {
  interface Listed {
    approvals: { id: string; group: string | null; status: string; url: string }[];
  }
  const listed = async (...words: string[]) => {
    const { stdout, stderr } = await berth('approvals', '--json', ...words);
    expect(stderr).toBe('');
    return (JSON.parse(stdout) as Listed).approvals;
  };
  const waitFor = (id: string) =>
    waitUntil('the request', 20_000, async () => (await listed()).some((one) => one.id === id));

  test('are listed, approved, denied and left to expire by the operator', async () => {
    await say('sales', 'true'); // the gateway is in use
    const [yes, no, late] = [
      gateway.hold('sales'),
      gateway.hold('sales'),
      gateway.hold('sales', { forMs: 20_000 }),
    ];
    for (const { id } of [yes, no, late]) await waitFor(id);
    expect((await listed())[0]).toMatchObject({
      group: 'sales',
      status: 'waiting',
      url: expect.stringContaining('/v1/pay'),
    });
    expect(await berth('approvals', 'approve', yes.id)).toMatchObject({
      code: 0,
      stdout: `${yes.id} is approved\n`,
    });
    expect(await berth('approvals', 'deny', no.id)).toMatchObject({
      code: 0,
      stdout: `${no.id} is denied\n`,
    });
    expect(await Promise.all([yes.decision, no.decision, late.decision])).toEqual([
      'approve',
      'deny',
      'deny',
    ]);
    expect(await listed()).toEqual([]);
    const statuses = new Map((await listed('--all')).map(({ id, status }) => [id, status]));
    expect([yes, no, late].map(({ id }) => statuses.get(id))).toEqual(['approved', 'denied', 'expired']);
    expectRefusal(await berth('approvals', 'approve', late.id), 'E_APPROVAL_OVER', 'is expired');
    expectRefusal(await berth('approvals', 'deny', 'nothing'), 'E_APPROVAL_UNKNOWN');
    expect((await berth('approvals')).stdout).toBe('ID\tSTATE\tAGE\tLEFT\tGROUP\tAGENT\tMETHOD\tURL\tBODY\n');
  });

  test('need a host', async () => {
    const env = { BERTH_DATA_DIR: join(host.root, 'nobody'), BERTH_GROUPS_DIR: host.groupsDir };
    for (const words of [
      ['approvals'],
      ['approvals', '--json'],
      ['approvals', 'approve', 'x'],
      ['approvals', 'deny', 'x'],
    ])
      expectRefusal(await runBerth(words, { env }), 'E_NO_HOST');
  });
});

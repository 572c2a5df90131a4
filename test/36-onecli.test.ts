import { readFileSync } from 'node:fs';
import { rootCertificates } from 'node:tls';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { CredentialsGroup } from '../src/credentials/access.ts';
import { agentIdentifier } from '../src/credentials/agent-identifier.ts';
import { createCredentials } from '../src/credentials/credentials.ts';
import { createOneCli } from '../src/credentials/onecli.ts';
import { readContainerConfig } from '../src/credentials/read-container-config.ts';
import { parseGroup } from '../src/groups/parse-group.ts';
import { hideSecrets } from '../src/secrets.ts';
import { judgeFor } from '../src/wire-network.ts';
import { makeCertificates } from './fixtures/certificates.ts';
import { silent } from './fixtures/engine-room.ts';
import { type FakeOneCli, openFakeOneCli } from './fixtures/fake-onecli.ts';

let gateway: FakeOneCli;
let now = 0;
const warnings: object[] = [];
const recovered: string[] = [];
const log = Object.assign(Object.create(silent), { warn: (line: object) => warnings.push(line) });
const clock = { now: () => now, monotonic: () => now };

beforeEach(async () => {
  gateway = await openFakeOneCli();
  now = 0;
  warnings.length = 0;
  recovered.length = 0;
});
afterEach(() => gateway.close());

const group = (folder: string, rest: Partial<CredentialsGroup> = {}): CredentialsGroup => ({
  ...{ folder, name: folder, admin: false, credentials: { onecli: 'wanted' } },
  ...rest,
});

function open(rest: { apiKey?: string; limitMs?: number; environment?: Record<string, string> } = {}) {
  const { environment = {}, ...settings } = rest;
  const onecli = createOneCli({ url: gateway.url, apiKey: gateway.apiKey, clock, log, ...settings });
  return createCredentials({
    ...{ onecli, clock, log, environment: () => environment },
    onGateway: () => undefined,
    onRecovered: (folder) => recovered.push(folder),
  });
}

describe('healthy', () => {
  test('the group becomes an agent, and gets its configuration: environment, certificates, the gateway', async () => {
    const access = await open().accessFor(group('sales'));
    expect(gateway.asked).toEqual(['POST /v1/agents', 'GET /v1/container-config?agent=sales']);
    const path = '/run/berth/handed/ca.pem';
    expect(access.environment).toMatchObject({
      ...{ ANTHROPIC_API_KEY: 'placeholder', SSL_CERT_FILE: path, NODE_EXTRA_CA_CERTS: path },
      ...{ REQUESTS_CA_BUNDLE: path, CURL_CA_BUNDLE: path, GIT_SSL_CAINFO: path },
    });
    // The address with its token stays with the host.
    expect(JSON.stringify(access.environment)).not.toMatch(/aoc_|https?_proxy|host\.docker/i);
    expect(access.gateway).toMatchObject({
      target: { host: 'host.docker.internal', port: gateway.gatewayPort },
      at: ['127.0.0.1', 'host.docker.internal'],
      authorization: `Basic ${Buffer.from(`x:${gateway.tokens.get('sales')}`).toString('base64')}`,
    });
    const list =
      readFileSync('/etc/ssl/certs/ca-certificates.crt', 'utf8').trim() || rootCertificates.join('\n');
    expect(access.files['ca.pem']?.startsWith(list)).toBe(true);
    expect(access.files['ca.pem']?.match(/BEGIN CERTIFICATE/g)?.length).toBe(
      1 + (list.match(/BEGIN CERTIFICATE/g)?.length ?? 0),
    );
  });

  test('an admin group is the default agent', async () => {
    await open().accessFor(group('main', { admin: true }));
    expect(gateway.asked).toEqual(['GET /v1/container-config']);
  });

  test('what it said is believed for a minute; wakes at once ask once', async () => {
    const credentials = open();
    await Promise.all([1, 2, 3].map(() => credentials.accessFor(group('sales'))));
    now += 59_000;
    await credentials.accessFor(group('sales'));
    expect(gateway.asked.length).toBe(2);
    now += 2_000;
    await credentials.accessFor(group('sales'));
    expect(gateway.asked.slice(2)).toEqual(['GET /v1/container-config?agent=sales']);
  });

  test('a group that is no admin any more is another agent at once, and the other way round', async () => {
    const credentials = open();
    const admin = group('sales', { admin: true });
    const tokens: unknown[] = [];
    for (const one of [admin, group('sales'), admin])
      tokens.push((await credentials.accessFor(one)).gateway?.authorization);
    expect(gateway.asked).toEqual([
      'GET /v1/container-config',
      'POST /v1/agents',
      'GET /v1/container-config?agent=sales',
    ]);
    expect(tokens[0]).toBe(tokens[2]);
    expect(tokens[0]).not.toBe(tokens[1]);
  });

  test('a wake that asks as another agent does not take the answer that is under way', async () => {
    const credentials = open();
    await Promise.all([
      credentials.accessFor(group('sales', { admin: true })),
      credentials.accessFor(group('sales')),
    ]);
    expect(gateway.asked.toSorted()).toEqual([
      'GET /v1/container-config',
      'GET /v1/container-config?agent=sales',
      'POST /v1/agents',
    ]);
  });

  test('an agent that somebody removed is made again', async () => {
    const credentials = open();
    await credentials.accessFor(group('sales'));
    now += 61_000;
    gateway.removeAgent('sales');
    const { gateway: address } = await credentials.accessFor(group('sales'));
    expect(address).toBeDefined();
    expect(gateway.asked.slice(2)).toEqual([
      'GET /v1/container-config?agent=sales',
      'POST /v1/agents',
      'GET /v1/container-config?agent=sales',
    ]);
  });

  test('its tokens are hidden in whatever is written', async () => {
    const { gateway: address } = await open().accessFor(group('sales'));
    const token = gateway.tokens.get('sales') ?? '';
    expect(hideSecrets(`${token} ${address?.authorization}`)).toBe('[secret] Basic [secret]');
  });
});

describe('slow', () => {
  test('it is waited for', async () => {
    gateway.delayMs = 300;
    expect((await open().accessFor(group('sales'))).problem).toBeUndefined();
  });

  test('but not for longer than is said', async () => {
    gateway.delayMs = 2_000;
    const credentials = open({ limitMs: 100 });
    expect(await credentials.accessFor(group('sales'))).toMatchObject({
      environment: {},
      files: {},
      problem: { code: 'E_CREDENTIALS_UNAVAILABLE', reason: expect.stringMatching(/timeout.*works without/) },
    });
  });
});

describe('not there', () => {
  test('the container starts without, with a warning; back again, its containers are replaced', async () => {
    await gateway.shut();
    const credentials = open();
    const access = await credentials.accessFor(group('sales'));
    expect(access).toMatchObject({ environment: {}, problem: { code: 'E_CREDENTIALS_UNAVAILABLE' } });
    expect(credentials.problemOf('sales')).toMatchObject({ code: 'E_CREDENTIALS_UNAVAILABLE', at: 0 });
    expect(warnings).toMatchObject([{ code: 'E_CREDENTIALS_UNAVAILABLE', group: 'sales' }]);
    await gateway.open();
    expect((await credentials.accessFor(group('sales'))).problem).toBeUndefined();
    expect(credentials.problemOf('sales')).toBeNull();
    expect(recovered).toEqual(['sales']);
  });

  test('a group that requires it does not start', async () => {
    await gateway.shut();
    const wanted = open().accessFor(group('sales', { credentials: { onecli: 'required' } }));
    await expect(wanted).rejects.toMatchObject({ code: 'E_CREDENTIALS_UNAVAILABLE' });
  });

  test.each([500, 502, 503, 429])('%d counts as not there', async (status) => {
    gateway.failing.set('GET /v1/container-config', status);
    expect((await open().accessFor(group('sales'))).problem?.reason).toContain(`answered ${status}`);
  });
});

describe('refused', () => {
  test.each(['wanted', 'required'] as const)('a wrong key fails the wake, %s or not', async (onecli) => {
    const answer = open({ apiKey: 'oc_wrong' }).accessFor(group('sales', { credentials: { onecli } }));
    await expect(answer).rejects.toMatchObject({
      code: 'E_CREDENTIALS_REFUSED',
      message: expect.stringContaining('answered 401 (making the agent sales)'),
    });
  });

  test('an agent that it does not know, and will not make', async () => {
    gateway.failing.set('GET /v1/container-config', 404);
    await expect(open().accessFor(group('sales'))).rejects.toMatchObject({
      code: 'E_CREDENTIALS_REFUSED',
      message: expect.stringContaining('answered 404 (the configuration of the agent sales)'),
    });
  });

  test('no key in the words of it', async () => {
    const error = (await open({ apiKey: 'oc_wrong_key' })
      .accessFor(group('sales'))
      .catch((thrown: unknown) => thrown)) as Error;
    expect(`${error.message} ${error.stack}`).not.toContain('oc_wrong_key');
  });

  test('without an address of a gateway', async () => {
    const credentials = createCredentials({
      ...{ onecli: undefined, clock, log, environment: () => ({}) },
      ...{ onGateway: () => undefined, onRecovered: () => undefined },
    });
    await expect(credentials.accessFor(group('sales'))).rejects.toMatchObject({
      code: 'E_CREDENTIALS_MISSING',
      message: expect.stringContaining('ONECLI_URL'),
    });
  });
});

describe('what it says cannot be used', () => {
  test('a wrong CA', async () => {
    gateway.ca = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n';
    const { problem } = await open().accessFor(group('sales'));
    expect(problem?.reason).toContain('its caCertificate is no certificate');
  });

  const { ca, remove } = makeCertificates();
  remove();
  const whole = {
    env: { HTTPS_PROXY: 'http://x:t@gw:1' },
    caCertificate: ca,
    caCertificateContainerPath: '/ca',
  };
  test.each([
    [null, 'no container configuration'],
    [{ ...whole, env: { 'A B': 'c' } }, 'no container configuration'],
    [{ ...whole, env: {} }, 'it names no proxy'],
    [{ ...whole, env: { HTTPS_PROXY: 'socks5://gw:1' } }, 'it names no proxy'],
    [{ ...whole, caCertificate: '' }, 'no certificate'],
  ])('%j', (answer, words) => expect(() => readContainerConfig(answer)).toThrow(words));

  test('what is the host to say is not taken from it', () => {
    const env = {
      ...whole.env,
      HOME: '/x',
      PATH: '/x',
      BERTH_EPOCH: '9',
      LD_PRELOAD: '/x',
      no_proxy: '*',
      OWN: 'a',
    };
    const { environment } = readContainerConfig({ ...whole, env });
    expect(Object.keys(environment).filter((name) => !/_CA|CERT/.test(name))).toEqual(['OWN']);
  });
});

test('identifiers are what the gateway takes, and never those of another group', () => {
  const of = (folder: string) => agentIdentifier({ folder, admin: false });
  expect(of('sales')).toBe('sales');
  const odd = ['default', 'a.b', 'a_b', 'a-b', `${'x'.repeat(55)}1`, `${'x'.repeat(55)}2`].map(of);
  expect(new Set(odd).size).toBe(odd.length);
  for (const identifier of odd) expect(identifier).toMatch(/^[a-z0-9][a-z0-9-]{0,49}$/);
  expect(odd).not.toContain('default');
});

describe('keys', () => {
  const keyed = (...env: string[]) => group('sales', { credentials: { env } });

  test('are handed over, with one warning for each', async () => {
    const credentials = open({ environment: { SOME_KEY: 'canary-key-1' } });
    for (let wakes = 0; wakes < 3; wakes++)
      expect(await credentials.accessFor(keyed('SOME_KEY'))).toEqual({
        environment: { SOME_KEY: 'canary-key-1' },
        files: {},
      });
    expect(warnings).toEqual([{ group: 'sales', name: 'SOME_KEY' }]);
    expect(hideSecrets('canary-key-1')).toBe('[secret]');
    expect(gateway.asked).toEqual([]);
  });

  test('that are set nowhere, or empty, fail the wake and are named', async () => {
    const answer = open({ environment: { EMPTY: '', THERE: 'x' } }).accessFor(
      keyed('GONE', 'EMPTY', 'THERE'),
    );
    await expect(answer).rejects.toMatchObject({
      code: 'E_CREDENTIALS_MISSING',
      message: expect.stringMatching(/^GONE, EMPTY are to be handed to the group sales/),
    });
  });
});

describe('where requests go', () => {
  const gw = { target: { host: 'host.docker.internal', port: 10255 }, secure: false };
  const way = (rest: string, host: string, port = 443, known: typeof gw | undefined = gw) => {
    const yaml = `name: A\n${rest}\n`;
    const parsed = parseGroup(yaml, { folder: 'a', file: 'group.yaml' });
    return judgeFor(parsed, { host, port }, known).way;
  };
  const listed = 'network: { allow: [api.example.com] }\n';

  test.each([
    [
      'the gateway itself, without a network',
      'credentials: onecli',
      'host.docker.internal',
      10255,
      'to-gateway',
    ],
    ['another port there', 'credentials: onecli', 'host.docker.internal', 10254, 'refused'],
    ['anything else without a network', 'credentials: onecli', 'api.example.com', 443, 'refused'],
    ['a listed host', `${listed}credentials: onecli`, 'api.example.com', 443, 'through-gateway'],
    ['a host that is not listed', `${listed}credentials: onecli`, 'other.example.com', 443, 'refused'],
    [
      'all of the internet',
      'network: internet\ncredentials: onecli',
      'x.example.com',
      443,
      'through-gateway',
    ],
    ['the gateway, of a group that does not use it', listed, 'host.docker.internal', 10255, 'refused'],
    ['a listed host, of a group that does not use it', listed, 'api.example.com', 443, 'direct'],
  ] as const)('%s', (_, rest, host, port, expected) => expect(way(rest, host, port)).toBe(expected));

  test('before the gateway is known: straight, unless it is required', () => {
    const judge = (credentials: string) => {
      const parsed = parseGroup(`name: A\n${listed}${credentials}\n`, { folder: 'a', file: 'group.yaml' });
      return judgeFor(parsed, { host: 'api.example.com', port: 443 }, undefined).way;
    };
    expect(judge('credentials: onecli')).toBe('direct');
    expect(judge('credentials: { onecli: required }')).toBe('refused');
  });
});

import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { CONTRACT_VARIABLES } from '../contract/environment.ts';
import { type Environment, loadConfig, readEnvironment } from '../src/config.ts';
import { type Setting, settings } from '../src/settings.ts';

let cwd: string;
beforeEach(() => {
  cwd = mkdtempSync(join(tmpdir(), 'berth-config-'));
});
afterEach(() => rmSync(cwd, { recursive: true }));

/** The message of the error; fails when there is none or it has another code. */
function refusal(env: Environment): string {
  try {
    loadConfig(env, cwd);
  } catch (error) {
    expect(error).toMatchObject({ code: 'E_CONFIG' });
    return (error as Error).message;
  }
  throw new Error('it was accepted');
}

describe('values', () => {
  test('everything has a default', () => {
    expect(loadConfig({}, cwd)).toEqual({
      dataDir: join(cwd, 'data'),
      groupsDir: join(cwd, 'groups'),
      engine: 'auto',
      httpHost: '127.0.0.1',
      httpPort: 8787,
      maxQueue: 1000,
      maxFileBytes: 25 * 1024 * 1024,
      uidBase: 100_000,
      wayOut: 'socket',
      baseImage: 'berth-base:latest',
      baseFrom: 'node:24-bookworm-slim',
      logLevel: 'info',
      startTimeoutMs: 30_000,
      stopGraceMs: 10_000,
      sendTimeoutMs: 60_000,
      sendRetryMs: 1000,
      sendGiveUpMs: 86_400_000,
      lookMs: 1000,
      onStop: 'stop',
      health: {
        heartbeatMs: 30_000,
        silenceMs: 300_000,
        nudgeMs: 120_000,
        abortMs: 10_000,
        turnGraceMs: 30_000,
      },
      restarts: { most: 3, windowMs: 1_800_000, pauseMs: 30_000, longestPauseMs: 1_800_000 },
      turnRetries: { pauseMs: 1000, rateLimitMs: 60_000 },
      keepMs: 30 * 86_400_000,
    });
  });

  test('every setting can be given', () => {
    const pem = join(cwd, 'ca.pem');
    writeFileSync(pem, '');
    const given = {
      BERTH_DATA_DIR: '/srv/data',
      BERTH_GROUPS_DIR: '~/groups',
      BERTH_ENGINE: 'docker',
      DOCKER_HOST: 'unix:///run/podman/podman.sock',
      BERTH_HTTP_HOST: '::1',
      BERTH_HTTP_PORT: '0',
      BERTH_HTTP_TOKEN: 't',
      BERTH_MAX_AWAKE: '3',
      BERTH_MAX_QUEUE: '5',
      BERTH_MAX_FILE: '1.5k',
      BERTH_UID_BASE: '2000',
      BERTH_RUNTIME: 'runsc',
      BERTH_WAY_OUT: 'network',
      BERTH_BASE_IMAGE: 'registry.example:5000/base:1',
      BERTH_BASE_FROM: 'node@sha256:abc',
      BERTH_CA_BUNDLE: 'ca.pem',
      ONECLI_URL: 'https://gateway.example:10255/api',
      ONECLI_API_KEY: 'key',
      BERTH_DNS: '[2001:db8::53]:5353',
      BERTH_LOG_LEVEL: 'silent',
      BERTH_START_TIMEOUT: '1h',
      BERTH_STOP_GRACE: '0s',
      BERTH_SEND_TIMEOUT: '5s',
      BERTH_SEND_RETRY: '20ms',
      BERTH_SEND_GIVE_UP: '2d',
      BERTH_LOOK_PERIOD: '50ms',
      BERTH_ON_STOP: 'keep',
      BERTH_HEARTBEAT_LIMIT: '8s',
      BERTH_SILENCE_LIMIT: '1s',
      BERTH_NUDGE_GRACE: '2s',
      BERTH_ABORT_GRACE: '3s',
      BERTH_TURN_GRACE: '4s',
      BERTH_MOST_RESTARTS: '0',
      BERTH_RESTART_WINDOW: '5s',
      BERTH_RETRY_PAUSE: '6s',
      BERTH_RETRY_PAUSE_LONGEST: '7s',
      BERTH_TURN_RETRY_PAUSE: '10ms',
      BERTH_RATE_LIMIT_PAUSE: '20ms',
      BERTH_KEEP_DAYS: '7',
    };
    expect(Object.keys(given)).toEqual(Object.keys(settings));
    expect(loadConfig(given, cwd)).toEqual({
      dataDir: '/srv/data',
      groupsDir: join(homedir(), 'groups'),
      engine: 'docker',
      dockerHost: 'unix:///run/podman/podman.sock',
      httpHost: '::1',
      httpPort: 0,
      httpToken: 't',
      maxAwake: 3,
      maxQueue: 5,
      maxFileBytes: 1536,
      uidBase: 2000,
      runtime: 'runsc',
      wayOut: 'network',
      baseImage: 'registry.example:5000/base:1',
      baseFrom: 'node@sha256:abc',
      caBundle: pem,
      onecliUrl: 'https://gateway.example:10255/api',
      onecliApiKey: 'key',
      dns: '[2001:db8::53]:5353',
      logLevel: 'silent',
      startTimeoutMs: 3_600_000,
      stopGraceMs: 0,
      sendTimeoutMs: 5000,
      sendRetryMs: 20,
      sendGiveUpMs: 172_800_000,
      lookMs: 50,
      onStop: 'keep',
      health: { heartbeatMs: 8000, silenceMs: 1000, nudgeMs: 2000, abortMs: 3000, turnGraceMs: 4000 },
      restarts: { most: 0, windowMs: 5000, pauseMs: 6000, longestPauseMs: 7000 },
      turnRetries: { pauseMs: 10, rateLimitMs: 20 },
      keepMs: 7 * 86_400_000,
    });
  });

  test('the result is frozen', () => {
    expect(() => Object.assign(loadConfig({}, cwd), { httpPort: 1 })).toThrow(TypeError);
  });

  test('the CA certificates of Node are taken if their file can be read', () => {
    const pem = join(cwd, 'node.pem');
    expect(loadConfig({ NODE_EXTRA_CA_CERTS: pem }, cwd).caBundle).toBeUndefined();
    writeFileSync(pem, '');
    expect(loadConfig({ NODE_EXTRA_CA_CERTS: pem }, cwd).caBundle).toBe(pem);
  });
});

describe('.env', () => {
  test('is read, and the environment wins', () => {
    writeFileSync(join(cwd, '.env'), '# a comment\nBERTH_HTTP_PORT=1\nBERTH_MAX_QUEUE="2"\nSOME_KEY=3\n');
    expect(loadConfig({ BERTH_HTTP_PORT: '4' }, cwd)).toMatchObject({ httpPort: 4, maxQueue: 2 });
    expect(readEnvironment({ BERTH_HTTP_PORT: '4' }, cwd)).toEqual({
      BERTH_HTTP_PORT: '4',
      BERTH_MAX_QUEUE: '2',
      SOME_KEY: '3',
    });
  });

  test('an empty value counts as absent', () => {
    writeFileSync(join(cwd, '.env'), 'BERTH_HTTP_PORT=\nBERTH_HTTP_TOKEN=\n');
    expect(loadConfig({}, cwd)).toMatchObject({ httpPort: 8787, httpToken: undefined });
  });

  test('its mistakes are mistakes as well', () => {
    writeFileSync(join(cwd, '.env'), 'BERTH_MAX_QEUE=1\n');
    expect(refusal({})).toContain('BERTH_MAX_QEUE is not a setting (did you mean BERTH_MAX_QUEUE?)');
  });

  test('one that cannot be read is an error', () => {
    symlinkSync(cwd, join(cwd, '.env'));
    expect(refusal({})).toContain(`${join(cwd, '.env')} cannot be read: EISDIR`);
  });
});

describe('wrong values', () => {
  test.each([
    ['BERTH_ENGINE', 'podman', '"podman"; allowed: `auto`, `docker`, `process`'],
    ['BERTH_ENGINE', ' docker', '" docker"'],
    ['DOCKER_HOST', 'ssh://me:pass@host', '"ssh://…@host"; allowed: `unix:///…`'],
    ['DOCKER_HOST', '/var/run/docker.sock', '"/var/run/docker.sock"'],
    ['DOCKER_HOST', 'https://127.0.0.1:2376', '"https://127.0.0.1:2376"; allowed: `unix:///…`'],
    ['BERTH_HTTP_HOST', 'a b', '"a b"'],
    ['BERTH_HTTP_PORT', '65536', '"65536"; allowed: a whole number from 0 to 65535'],
    ['BERTH_HTTP_PORT', '80.5', '"80.5"'],
    ['BERTH_HTTP_PORT', '0x50', '"0x50"'],
    ['BERTH_HTTP_PORT', '-1', '"-1"'],
    ['BERTH_MAX_AWAKE', '0', '"0"; allowed: a whole number from 1'],
    ['BERTH_MAX_QUEUE', 'many', '"many"'],
    ['BERTH_MAX_FILE', '25 apples', '"25 apples"; allowed: a size such as 512k'],
    ['BERTH_MAX_FILE', '0', '"0"'],
    ['BERTH_MAX_FILE', '2t', '"2t"'],
    ['BERTH_UID_BASE', '0', '"0"; allowed: a whole number from 1000'],
    ['BERTH_RUNTIME', '-v', '"-v"'],
    ['BERTH_WAY_OUT', 'bridge', '"bridge"'],
    ['BERTH_BASE_IMAGE', '-v', '"-v"'],
    ['BERTH_BASE_FROM', 'node 24', '"node 24"'],
    ['BERTH_CA_BUNDLE', 'none.pem', 'none.pem"; allowed: a readable PEM file'],
    ['ONECLI_URL', 'gateway:80', '"gateway:80"'],
    ['ONECLI_URL', 'https://me:pass@gateway', '"https://…@gateway"'],
    ['BERTH_LOG_LEVEL', 'loud', '"loud"; allowed: `fatal`'],
    ['BERTH_START_TIMEOUT', '30', '"30"; allowed: a duration such as 500ms, 30s, 5m, 1h, from 1s to 1h'],
    ['BERTH_START_TIMEOUT', '999ms', '"999ms"'],
    ['BERTH_STOP_GRACE', 'off', '"off"'],
    ['BERTH_LOOK_PERIOD', '1ms', '"1ms"'],
    ['BERTH_HTTP_PORT', 'a\u001b[2Jb', '"a\\u001b[2Jb"'],
  ])('%s=%s', (name, value, words) => {
    const message = refusal({ [name]: value });
    expect(message).toContain(`${name} is `);
    expect(message).toContain(words);
    expect(message).not.toContain('pass@');
  });

  test.each(['BERTH_HTTP_TOKEN', 'ONECLI_API_KEY'])('the value of %s is never shown', (name) => {
    const message = refusal({ [name]: 'hush hush' });
    expect(message).toContain(`${name} has a value that is not allowed (not shown); allowed: 1 to`);
    expect(message).not.toContain('hush');
  });

  test('a long value is cut', () => {
    expect(refusal({ BERTH_HTTP_PORT: 'x'.repeat(10_000) }).length).toBeLessThan(200);
  });

  test.each(['.', 'groups', 'groups/demo/workspace', 'elsewhere/../groups/x'])(
    'the data folder cannot be %s',
    (path) => {
      const groups = path === '.' ? '.' : 'groups';
      expect(refusal({ BERTH_DATA_DIR: path, BERTH_GROUPS_DIR: groups })).toContain(
        'allowed: a folder outside the groups folder',
      );
    },
  );

  test('the groups folder may lie in the data folder, and beside it under a like name', () => {
    expect(loadConfig({ BERTH_DATA_DIR: '.', BERTH_GROUPS_DIR: 'groups' }, cwd).dataDir).toBe(cwd);
    expect(loadConfig({ BERTH_DATA_DIR: 'groups-data' }, cwd).dataDir).toBe(join(cwd, 'groups-data'));
  });

  test('all of them stand in one message', () => {
    const message = refusal({
      BERTH_HTTP_PORT: 'x',
      BERTH_ENGINE: 'y',
      BERTH_HTPP_HOST: 'z',
      BERTH_DATA_DIR: 'groups',
    });
    for (const name of ['BERTH_HTTP_PORT', 'BERTH_ENGINE', 'BERTH_HTPP_HOST', 'BERTH_DATA_DIR'])
      expect(message).toContain(`${name} is `);
  });
});

describe('unknown names', () => {
  test('the nearest is named, the value is not', () => {
    const message = refusal({ BERTH_HTTP_TOKN: 'hush' });
    expect(message).toBe('BERTH_HTTP_TOKN is not a setting (did you mean BERTH_HTTP_TOKEN?)');
  });

  test('those of the tests, of CI and of the session contract are left alone', () => {
    // Another test compares these with the page of the contract.
    const contract = Object.fromEntries(CONTRACT_VARIABLES.map((name) => [name, '1']));
    expect(contract).toMatchObject({ BERTH_EPOCH: '1', BERTH_STOP_GRACE_MS: '1', BERTH_PROXY_SOCKET: '1' });
    expect(() =>
      loadConfig(
        {
          ...contract,
          BERTH_TEST_X: '1',
          BERTH_VITEST_X: '1',
          BERTH_CI_X: '1',
          BERTH_REQUIRE_ENGINE: '1',
          OTHER: '',
        },
        cwd,
      ),
    ).not.toThrow();
  });
});

test('docs/configuration.md and the settings agree', () => {
  const page = readFileSync(new URL('../docs/configuration.md', import.meta.url), 'utf8');
  const rows = page.split('\n').filter((line) => line.startsWith('| `'));
  const expected = Object.entries(settings as Record<string, Setting>).map(
    ([name, { default: value, allowed, does }]) =>
      `| \`${name}\` | ${value === undefined ? '—' : `\`${value}\``} | ${allowed} | ${does} |`,
  );
  expect(rows).toEqual(expected);
});

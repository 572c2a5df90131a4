import { accessSync, constants, readFileSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, relative, resolve, sep } from 'node:path';
import { parseEnv } from 'node:util';
import type { z } from 'zod';
import { CONTRACT_VARIABLES } from '../contract/environment.ts';
import { BerthError } from './errors.ts';
import { nearest } from './nearest.ts';
import { keepSecret } from './secrets.ts';
import { type Setting, type SettingName, settings } from './settings.ts';

/** The host's settings, checked and frozen. Paths are absolute, periods milliseconds, sizes bytes. */
export interface Config {
  dataDir: string;
  groupsDir: string;
  engine: 'auto' | 'docker' | 'process';
  /** `undefined`: the usual sockets are tried. */
  dockerHost?: string | undefined;
  httpHost: string;
  /** 0: no HTTP channel. */
  httpPort: number;
  /** `undefined`: the one that is kept in the data folder. */
  httpToken?: string | undefined;
  /** `undefined`: what the machine's memory and the groups' limits allow. */
  maxAwake?: number | undefined;
  /** Waiting messages a session. */
  maxQueue: number;
  maxFileBytes: number;
  uidBase: number;
  /** `undefined`: the engine's default. */
  runtime?: string | undefined;
  wayOut: 'socket' | 'network';
  baseImage: string;
  baseFrom: string;
  /** A readable PEM file. */
  caBundle?: string | undefined;
  onecliUrl?: string | undefined;
  onecliApiKey?: string | undefined;
  /** `undefined`: those of this machine, after its `/etc/hosts`. */
  dns?: string | undefined;
  logLevel: string;
  startTimeoutMs: number;
  stopGraceMs: number;
  sendTimeoutMs: number;
  sendRetryMs: number;
  sendGiveUpMs: number;
  lookMs: number;
  keepMs: number;
  onStop: 'stop' | 'keep';
  health: HealthPeriods;
  restarts: RestartPeriods;
  turnRetries: TurnRetryPeriods;
}

/** How long a runner may be silent, in milliseconds: see `recovery/judge-health.ts`. */
export interface HealthPeriods {
  heartbeatMs: number;
  silenceMs: number;
  nudgeMs: number;
  abortMs: number;
  /** Beyond the group's own limit of a turn. */
  turnGraceMs: number;
}

/** How often a container is started anew: see `recovery/restart-limit.ts`. */
export interface RestartPeriods {
  most: number;
  windowMs: number;
  pauseMs: number;
  longestPauseMs: number;
}

/** When a failed turn is tried again: see `delivery/claim-outcome.ts`. */
export interface TurnRetryPeriods {
  pauseMs: number;
  /** Where a rate limit names no time. */
  rateLimitMs: number;
}

/** An environment such as `process.env`. */
export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Settings from the environment and from `.env` in `cwd` (the environment wins; an empty value counts as absent).
 * @throws E_CONFIG naming every wrong variable, its value (never that of a secret) and what is allowed.
 */
export function loadConfig(env: Environment, cwd: string): Readonly<Config> {
  const given = readEnvironment(env, cwd);
  const problems = unknownNames(given);
  const values = readSettings(given, problems);
  const { NODE_EXTRA_CA_CERTS } = given;
  const config = toConfig(values, cwd, NODE_EXTRA_CA_CERTS);
  problems.push(...pathProblems(config, values));
  if (problems.length > 0) throw new BerthError('E_CONFIG', problems.join('; '));
  return Object.freeze(config);
}

/**
 * The environment with what `.env` in `cwd` adds to it: where a key that a group is handed comes from.
 * @throws E_CONFIG when there is a `.env` that cannot be read.
 */
export function readEnvironment(env: Environment, cwd: string): Environment {
  const file = join(cwd, '.env');
  try {
    return { ...parseEnv(readFileSync(file, 'utf8')), ...env };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return env;
    throw new BerthError('E_CONFIG', `${file} cannot be read: ${(error as Error).message}`, error);
  }
}

/** Of the tests and of CI. */
const foreign = /^BERTH_(TEST_|VITEST_|CI_|REQUIRE_ENGINE)/;

/** A mistyped name must not pass silently. The value may be a secret under a wrong name: it is not shown. */
function unknownNames(given: Environment): string[] {
  const known = Object.keys(settings);
  // The session contract's are set where the host itself runs in one of its containers.
  const left = new Set([...known, ...CONTRACT_VARIABLES]);
  return Object.keys(given)
    .filter((name) => name.startsWith('BERTH_') && !left.has(name) && !foreign.test(name))
    .map((name) => {
      const meant = nearest(name, known);
      return `${name} is not a setting${meant ? ` (did you mean ${meant}?)` : ''}`;
    });
}

type Values = { [Name in SettingName]: Value<(typeof settings)[Name]> };
type Value<S extends Setting> = S extends { default: string }
  ? z.output<S['form']>
  : z.output<S['form']> | undefined;

/** Each setting's value; what is wrong goes to `problems`, and its value is then not to be used. */
function readSettings(given: Environment, problems: string[]): Values {
  const entries = Object.entries(settings as Record<string, Setting>).map(([name, setting]) => {
    const text = given[name] || setting.default;
    if (text === undefined) return [name, undefined];
    if (setting.secret) keepSecret(text);
    const { success, data } = setting.form.safeParse(text);
    if (!success) problems.push(`${name} ${shown(text, setting)}; allowed: ${setting.allowed}`);
    return [name, data];
  });
  return Object.fromEntries(entries) as Values;
}

/** A value in an error message: without control characters, not endless, without a password in an address. */
function shown(text: string, setting: Setting): string {
  if (setting.secret) return 'has a value that is not allowed (not shown)';
  const whole = JSON.stringify(text.replace(/\/\/[^/]*@/, '//…@'));
  return `is ${whole.length > 80 ? `${whole.slice(0, 80)}…` : whole}`;
}

function toConfig(values: Values, cwd: string, nodeCaBundle: string | undefined): Config {
  const path = (text: string) => resolve(cwd, text.replace(/^~(?=\/|$)/, homedir()));
  return {
    dataDir: path(values.BERTH_DATA_DIR),
    groupsDir: path(values.BERTH_GROUPS_DIR),
    engine: values.BERTH_ENGINE,
    dockerHost: values.DOCKER_HOST,
    httpHost: values.BERTH_HTTP_HOST,
    httpPort: values.BERTH_HTTP_PORT,
    httpToken: values.BERTH_HTTP_TOKEN,
    maxAwake: values.BERTH_MAX_AWAKE,
    maxQueue: values.BERTH_MAX_QUEUE,
    maxFileBytes: values.BERTH_MAX_FILE,
    uidBase: values.BERTH_UID_BASE,
    runtime: values.BERTH_RUNTIME,
    wayOut: values.BERTH_WAY_OUT,
    baseImage: values.BERTH_BASE_IMAGE,
    baseFrom: values.BERTH_BASE_FROM,
    caBundle: caBundle(
      values.BERTH_CA_BUNDLE && path(values.BERTH_CA_BUNDLE),
      nodeCaBundle && path(nodeCaBundle),
    ),
    onecliUrl: values.ONECLI_URL,
    onecliApiKey: values.ONECLI_API_KEY,
    dns: values.BERTH_DNS,
    logLevel: values.BERTH_LOG_LEVEL,
    startTimeoutMs: values.BERTH_START_TIMEOUT,
    stopGraceMs: values.BERTH_STOP_GRACE,
    sendTimeoutMs: values.BERTH_SEND_TIMEOUT,
    sendRetryMs: values.BERTH_SEND_RETRY,
    sendGiveUpMs: values.BERTH_SEND_GIVE_UP,
    lookMs: values.BERTH_LOOK_PERIOD,
    keepMs: values.BERTH_KEEP_DAYS * 24 * 3_600_000,
    onStop: values.BERTH_ON_STOP,
    ...recoveryPeriods(values),
  };
}

function recoveryPeriods(values: Values): Pick<Config, 'health' | 'restarts' | 'turnRetries'> {
  return {
    health: {
      heartbeatMs: values.BERTH_HEARTBEAT_LIMIT,
      silenceMs: values.BERTH_SILENCE_LIMIT,
      nudgeMs: values.BERTH_NUDGE_GRACE,
      abortMs: values.BERTH_ABORT_GRACE,
      turnGraceMs: values.BERTH_TURN_GRACE,
    },
    restarts: {
      most: values.BERTH_MOST_RESTARTS,
      windowMs: values.BERTH_RESTART_WINDOW,
      pauseMs: values.BERTH_RETRY_PAUSE,
      longestPauseMs: values.BERTH_RETRY_PAUSE_LONGEST,
    },
    turnRetries: {
      pauseMs: values.BERTH_TURN_RETRY_PAUSE,
      rateLimitMs: values.BERTH_RATE_LIMIT_PAUSE,
    },
  };
}

/** Node itself only warns about a `NODE_EXTRA_CA_CERTS` that it cannot read; so it is left out here. */
function caBundle(own: string | undefined, ofNode: string | undefined): string | undefined {
  if (own) return own;
  return ofNode && isReadableFile(ofNode) ? ofNode : undefined;
}

function pathProblems(config: Config, values: Values): string[] {
  const problems: string[] = [];
  const fromGroups = relative(config.groupsDir, config.dataDir);
  if (fromGroups !== '..' && !fromGroups.startsWith(`..${sep}`)) {
    problems.push(
      `BERTH_DATA_DIR is ${JSON.stringify(config.dataDir)}; allowed: a folder outside the groups folder ${JSON.stringify(config.groupsDir)}, parts of which containers see`,
    );
  }
  if (values.BERTH_CA_BUNDLE && config.caBundle && !isReadableFile(config.caBundle)) {
    problems.push(
      `BERTH_CA_BUNDLE is ${JSON.stringify(config.caBundle)}; allowed: ${settings.BERTH_CA_BUNDLE.allowed}`,
    );
  }
  return problems;
}

function isReadableFile(path: string): boolean {
  try {
    accessSync(path, constants.R_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

import { CONTRACT_VERSION } from './version.ts';
import { WAY_OUT_VARIABLE } from './way-out.ts';

/** Set only where there is no container: where these folders of one are. */
export const FOLDER_VARIABLES: Readonly<Record<string, string>> = {
  BERTH_INSTRUCTIONS_DIR: '/instructions',
  BERTH_GLOBAL_DIR: '/global',
};

/** Every variable named after Berth that a runner may be given; `docs/contract.md` says what each is. */
export const CONTRACT_VARIABLES: readonly string[] = [
  'BERTH_IN_DIR',
  'BERTH_OUT_DIR',
  'BERTH_GROUP_DIR',
  'BERTH_CONTRACT',
  'BERTH_SESSION',
  'BERTH_GROUP',
  'BERTH_GROUP_NAME',
  'BERTH_ADMIN',
  'BERTH_EPOCH',
  'BERTH_PROVIDER',
  'BERTH_STOP_GRACE_MS',
  'BERTH_MAX_FILE',
  WAY_OUT_VARIABLE,
  ...Object.keys(FOLDER_VARIABLES),
];

/** What a runner is told by its environment; the names are the contract's. */
export interface RunnerEnvironment {
  inDir: string;
  outDir: string;
  groupDir: string;
  session: string;
  group: string;
  groupName: string;
  admin: boolean;
  epoch: number;
  provider: string;
}

/** Writes a {@link RunnerEnvironment} as environment variables. */
export function toEnvironment(env: RunnerEnvironment): Record<string, string> {
  return {
    BERTH_IN_DIR: env.inDir,
    BERTH_OUT_DIR: env.outDir,
    BERTH_GROUP_DIR: env.groupDir,
    BERTH_CONTRACT: String(CONTRACT_VERSION),
    BERTH_SESSION: env.session,
    BERTH_GROUP: env.group,
    BERTH_GROUP_NAME: env.groupName,
    BERTH_ADMIN: env.admin ? '1' : '0',
    BERTH_EPOCH: String(env.epoch),
    BERTH_PROVIDER: env.provider,
  };
}

/**
 * Reads the environment that the host gave.
 * @throws Error naming the variable that is missing or wrong, or the contract version that is not ours.
 */
export function fromEnvironment(env: NodeJS.ProcessEnv): RunnerEnvironment {
  const contract = required(env, 'BERTH_CONTRACT');
  if (contract !== String(CONTRACT_VERSION)) {
    throw new Error(
      `the host speaks session contract ${contract}, this runner ${CONTRACT_VERSION}: rebuild the image`,
    );
  }
  const epoch = Number(required(env, 'BERTH_EPOCH'));
  if (!Number.isSafeInteger(epoch) || epoch < 1) throw new Error(`BERTH_EPOCH is not a positive integer`);
  return {
    inDir: required(env, 'BERTH_IN_DIR'),
    outDir: required(env, 'BERTH_OUT_DIR'),
    groupDir: required(env, 'BERTH_GROUP_DIR'),
    session: required(env, 'BERTH_SESSION'),
    group: required(env, 'BERTH_GROUP'),
    groupName: env['BERTH_GROUP_NAME'] ?? required(env, 'BERTH_GROUP'),
    admin: env['BERTH_ADMIN'] === '1',
    epoch,
    provider: required(env, 'BERTH_PROVIDER'),
  };
}

function required(env: NodeJS.ProcessEnv, name: string): string {
  const value = env[name];
  if (!value) throw new Error(`${name} is not set: a runner is started by the host, see docs/contract.md`);
  return value;
}

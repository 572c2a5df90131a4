import { createHash } from 'node:crypto';
import { type RunnerEnvironment, toEnvironment } from '../../contract/environment.ts';
import type { Access } from '../credentials/access.ts';
import type { ContainerSpec, HandedOver, Mount } from '../engines/engine.ts';
import type { Group } from '../groups/group.ts';
import type { WayOut } from './way-out.ts';

interface SpecInput {
  install: string;
  group: Group;
  session: string;
  epoch: number;
  image: string;
  user: { uid: number; gid: number };
  mounts: Mount[];
  wayOut: WayOut;
  access: Access;
  stopGraceMs: number;
  maxFileBytes: number;
  /** The host's setting; a group's own goes before it. */
  runtime?: string | undefined;
}

const OPEN_FILES = 4096;

/**
 * What a session's container gets: the one place that decides it. Pure. Whatever is not listed here, the container
 * does not get; the engine adds that it may do nothing more (no capabilities, read-only root).
 */
export function containerSpec(input: SpecInput): ContainerSpec {
  const { group, session, epoch } = input;
  const runtime = group.runtime ?? input.runtime;
  const fixed = {
    image: input.image,
    ...(group.runner ? { command: group.runner } : {}),
    environment: {
      ...environmentOf(group, session),
      ...input.wayOut.environment,
      BERTH_STOP_GRACE_MS: String(input.stopGraceMs),
      BERTH_MAX_FILE: String(input.maxFileBytes),
    },
    user: input.user,
    mounts: [...input.mounts, ...input.wayOut.mounts],
    limits: {
      memoryBytes: group.limits.memoryBytes,
      cpus: group.limits.cpus,
      pids: group.limits.pids,
      openFiles: OPEN_FILES,
    },
    network: group.network === 'internet' ? ('internet' as const) : input.wayOut.network,
    ...(runtime === undefined ? {} : { runtime }),
    tmpfs: ['/tmp', '/run'],
  };
  return {
    ...fixed,
    ...handedOver(input),
    name: containerName(input.install, session),
    environment: { ...fixed.environment, BERTH_EPOCH: String(epoch) },
    labels: {
      install: input.install,
      group: group.folder,
      session,
      epoch,
      spec: hashOf({ ...fixed, credentials: group.credentials }),
    },
  };
}

/** The one name that a session's container can have: the engine itself refuses a second. */
export function containerName(install: string, session: string): string {
  return `berth-${install.slice(0, 8)}-${session}`;
}

function environmentOf(group: Group, session: string): Record<string, string> {
  const runner: RunnerEnvironment = {
    inDir: '/session/in',
    outDir: '/session/out',
    groupDir: '/group',
    session,
    group: group.folder,
    groupName: group.name,
    admin: group.admin,
    epoch: 0,
    provider: group.agent.provider,
  };
  return { ...group.env, ...toEnvironment(runner), HOME: '/home/agent', TZ: group.timezone };
}

/** Kept out of the hash, because it is kept out of all that an engine shows. What the group itself sets goes before it. */
function handedOver({ group, access }: SpecInput): { handed?: HandedOver } {
  const { files } = access;
  const own = Object.entries(access.environment).filter(([name]) => !Object.hasOwn(group.env, name));
  const environment = Object.fromEntries(own);
  const isNothing = own.length + Object.keys(files).length === 0;
  return isNothing ? {} : { handed: { environment, files } };
}

/** Two specs of the same hash differ in nothing but their epoch, and what is handed over. */
function hashOf(fixed: object): string {
  return createHash('sha256').update(JSON.stringify(fixed)).digest('hex').slice(0, 16);
}

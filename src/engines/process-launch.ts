import { delimiter, dirname } from 'node:path';
import { WAY_OUT_ENVIRONMENT, WAY_OUT_VARIABLE } from '../../contract/way-out.ts';
import { BerthError } from '../errors.ts';
import { passwdFor, roomArguments } from './bubblewrap.ts';
import type { ContainerSpec } from './engine.ts';
import { partEnvironment } from './privileged-variables.ts';
import type { Isolation } from './process-isolation.ts';
import { toHostEnvironment, toHostPath } from './process-paths.ts';
import { canReach } from './reach.ts';
import { type RunnerHome, SANDBOX_BIN } from './runner-home.ts';

/** How a runner's process is started. */
export interface Launch {
  program: string;
  args: string[];
  env: Record<string, string>;
  cwd: string;
  /** Set only where the process is to change its user by itself. */
  user?: { uid: number; gid: number };
  /** In bubblewrap: the content of `/etc/passwd`, which is handed over by a descriptor. */
  passwd?: string;
}

/**
 * Plans the process of a spec.
 * @throws E_RUNTIME_UNKNOWN when its spec asks for one; E_ENGINE_REFUSED when it would run as root, or when its user cannot reach a folder that it needs.
 */
export async function planLaunch(
  spec: ContainerSpec,
  isolation: Isolation,
  home: RunnerHome,
): Promise<Launch> {
  if (spec.user.uid === 0)
    throw new BerthError('E_ENGINE_REFUSED', `${spec.name}: a runner is never run as root`);
  if (spec.runtime !== undefined)
    throw new BerthError(
      'E_RUNTIME_UNKNOWN',
      `${spec.name}: a child process has no runtime, and ${spec.runtime} is asked for`,
    );
  return isolation.kind === 'bubblewrap'
    ? await planWithWalls(spec, isolation.program, home)
    : await planBare(spec, isolation.setpriv, home);
}

async function planWithWalls(spec: ContainerSpec, program: string, home: RunnerHome): Promise<Launch> {
  const { mounts, command, forwarder } = await home.inSandbox(spec.user);
  const hasWayOut = spec.environment[WAY_OUT_VARIABLE] !== undefined;
  const own = spec.command && [...(hasWayOut ? forwarder : []), ...spec.command];
  const workingDir = spec.mounts.some(({ target }) => target === '/group') ? '/group' : '/';
  const { harmless, onlyAsUser } = partEnvironment(spec.environment);
  const late = onlyAsUser.length > 0 ? ['env', ...onlyAsUser] : [];
  return {
    program,
    args: [...roomArguments(spec, [...mounts, ...spec.mounts], workingDir), ...late, ...(own ?? command)],
    env: { ...harmless, PATH: `${SANDBOX_BIN}:/usr/local/bin:/usr/bin:/bin` },
    cwd: '/',
    passwd: passwdFor(spec.user),
  };
}

async function planBare(spec: ContainerSpec, setpriv: string | undefined, home: RunnerHome): Promise<Launch> {
  const changesUser = process.getuid?.() === 0;
  if (changesUser) await checkMounts(spec);
  const runner = await home.onHost(spec.user);
  const command = (spec.command ?? runner).map((word) => toHostPath(word, spec.mounts));
  const launch = {
    env: {
      ...toHostEnvironment(withoutWayOut(spec.environment), spec.mounts),
      PATH: [dirname(runner[0] ?? process.execPath), process.env.PATH].join(delimiter),
    },
    cwd: spec.mounts.find(({ target }) => target === '/group')?.source ?? '/',
  };
  // The kernel changes the user, before the first program that sees this environment: the agent may have put libraries there.
  const user = changesUser ? { user: spec.user } : {};
  const within = setpriv ? [setpriv, '--pdeathsig', 'KILL', '--no-new-privs', '--inh-caps=-all', '--'] : [];
  const [program = '', ...args] = [...within, ...command];
  return { ...launch, ...user, program, args };
}

/** Without walls there is nothing to find a way out of, and one machine's ports are not each runner's own. */
function withoutWayOut(environment: Record<string, string>): Record<string, string> {
  if (environment[WAY_OUT_VARIABLE] === undefined) return environment;
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !(name in WAY_OUT_ENVIRONMENT)));
}

async function checkMounts(spec: ContainerSpec): Promise<void> {
  for (const { source } of spec.mounts) {
    if (await canReach(source, spec.user)) continue;
    throw new BerthError(
      'E_ENGINE_REFUSED',
      `${spec.name}: user ${spec.user.uid} cannot reach ${source}, and a runner is never run as root: install bubblewrap, or keep data and groups folders where others may look`,
    );
  }
}

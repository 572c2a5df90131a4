import { asBerthError, BerthError } from '../errors.ts';
import type { Logger } from '../log.ts';
import { keepSecret } from '../secrets.ts';
import type { Access, AccessProblem, CredentialsGroup, GatewayAddress } from './access.ts';
import type { OneCli } from './onecli.ts';

interface Dependencies {
  /** `undefined`: the host knows of no gateway. */
  onecli: OneCli | undefined;
  /** The host's environment with `.env`, as they are now. */
  environment(): Readonly<Record<string, string | undefined>>;
  clock: { now(): number };
  log: Logger;
  /** The gateway has answered for a group. */
  onGateway(): void;
  /** The gateway answers again for a group whose containers may have started without credentials. */
  onRecovered(folder: string): void;
}

/** Where containers get access from, each group as its `group.yaml` says. */
export interface Credentials {
  /**
   * @throws E_CREDENTIALS_MISSING, E_CREDENTIALS_REFUSED; E_CREDENTIALS_UNAVAILABLE where the group requires a gateway that
   * does not answer.
   */
  accessFor(group: CredentialsGroup): Promise<Access>;
  /** The gateway that the group's requests go through, as far as it is known. */
  gatewayOf(folder: string): GatewayAddress | undefined;
  /** Why the group works without credentials now. */
  problemOf(folder: string): (AccessProblem & { at: number }) | null;
}

const NOTHING: Access = { environment: {}, files: {} };

export function createCredentials(deps: Dependencies): Credentials {
  const gateways = new Map<string, GatewayAddress>();
  const problems = new Map<string, AccessProblem & { at: number }>();
  const warned = new Set<string>();

  return {
    async accessFor(group) {
      const { credentials } = group;
      if (credentials === 'none') return NOTHING;
      if ('env' in credentials) return { ...NOTHING, environment: keysFor(group.folder, credentials.env) };
      return await throughGateway(group, credentials.onecli === 'required');
    },
    gatewayOf: (folder) => gateways.get(folder),
    problemOf: (folder) => problems.get(folder) ?? null,
  };

  function keysFor(folder: string, names: string[]): Record<string, string> {
    const given = deps.environment();
    const missing = names.filter((name) => !given[name]);
    if (missing.length > 0)
      throw new BerthError(
        'E_CREDENTIALS_MISSING',
        `${missing.join(', ')} ${missing.length > 1 ? 'are' : 'is'} to be handed to the group ${folder}, and set neither in the host's environment nor in .env`,
      );
    for (const name of names) {
      keepSecret(given[name]);
      const once = `${folder}/${name}`;
      if (warned.has(once)) continue;
      warned.add(once);
      deps.log.warn(
        { group: folder, name },
        'a key is handed to containers: whatever runs in them can read it and send it where their network leads',
      );
    }
    return Object.fromEntries(names.map((name) => [name, given[name] ?? '']));
  }

  async function throughGateway(group: CredentialsGroup, required: boolean): Promise<Access> {
    const { folder } = group;
    if (!deps.onecli)
      throw new BerthError(
        'E_CREDENTIALS_MISSING',
        `the group ${folder} has \`credentials: onecli\`, and ONECLI_URL is not set`,
      );
    try {
      const access = await deps.onecli.accessOf(group);
      if (access.gateway) gateways.set(folder, access.gateway);
      deps.onGateway();
      if (problems.delete(folder)) deps.onRecovered(folder);
      return access;
    } catch (error) {
      const { code, message } = asBerthError(error);
      if (required || code !== 'E_CREDENTIALS_UNAVAILABLE') throw error;
      const problem = { code, reason: `${message}: it works without credentials` };
      problems.set(folder, { ...problem, at: deps.clock.now() });
      deps.log.warn({ code, group: folder, reason: message }, 'a container starts without credentials');
      return { ...NOTHING, problem };
    }
  }
}

import { OneCLI, OneCLIRequestError } from '@onecli-sh/sdk';
import { CA_FILE } from '../../contract/handed-over.ts';
import { BerthError } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { Access, CredentialsGroup } from './access.ts';
import { agentIdentifier } from './agent-identifier.ts';
import { type ContainerConfig, readContainerConfig } from './read-container-config.ts';
import { trustBundle, trustedCertificates } from './trusted-certificates.ts';

interface Dependencies {
  /** `undefined`: the gateway of OneCLI's own cloud. */
  url?: string | undefined;
  apiKey?: string | undefined;
  /** PEM file with certificates that containers, and this host towards the gateway, trust beside the system's. */
  caBundle?: string | undefined;
  clock: { monotonic(): number };
  log: Logger;
  /** How long one answer may take, in milliseconds. */
  limitMs?: number;
}

/** How long what the gateway said is believed, in milliseconds. */
const REMEMBERED_MS = 60_000;
const LIMIT_MS = 5_000;

/** Asks the gateway for what a group's containers need. */
export interface OneCli {
  /**
   * What it said less than a minute ago, else what it says now; wakes of one group that ask together ask once.
   * @throws E_CREDENTIALS_REFUSED when it says no, E_CREDENTIALS_UNAVAILABLE when it says nothing that can be used.
   */
  accessOf(group: CredentialsGroup): Promise<Access>;
}

export function createOneCli(deps: Dependencies): OneCli {
  const { url, apiKey = '', clock, log } = deps;
  const place = url === undefined ? 'OneCLI' : `OneCLI at ${url}`;
  // An empty key and not none: it would look into the environment by itself.
  const client = new OneCLI({
    apiKey,
    timeout: deps.limitMs ?? LIMIT_MS,
    ...(url === undefined ? {} : { url }),
  });
  const remembered = new Map<string, { access: Access; at: number }>();
  const underWay = new Map<string, Promise<Access>>();
  const ensured = new Set<string>();
  let trusting: Promise<void> | undefined;

  return {
    async accessOf(group) {
      const key = keyOf(group);
      const known = remembered.get(key);
      if (known && clock.monotonic() - known.at < REMEMBERED_MS) return known.access;
      const asked = underWay.get(key) ?? ask(group, key).finally(() => underWay.delete(key));
      underWay.set(key, asked);
      return await asked;
    },
  };

  async function ask(group: CredentialsGroup, key: string): Promise<Access> {
    await trustGateway();
    const { environment, ca, gateway, stubs } = await fetchConfig(group);
    if (stubs.length > 0)
      log.warn({ group: group.folder, stubs }, 'files that OneCLI wants in containers are left out');
    const files = { [CA_FILE]: await trustedCertificates(ca, deps.caBundle) };
    const access = { environment, files, gateway };
    remembered.set(key, { access, at: clock.monotonic() });
    return access;
  }

  function trustGateway(): Promise<void> {
    const bundle = url?.startsWith('http:') ? undefined : deps.caBundle;
    trusting ??= bundle === undefined ? Promise.resolve() : trustBundle(bundle);
    return trusting;
  }

  async function fetchConfig(group: CredentialsGroup): Promise<ContainerConfig> {
    const agent = agentIdentifier(group);
    if (agent === undefined) return await configOf(undefined);
    const isKnown = ensured.has(agent);
    await ensure(group, agent);
    try {
      return await configOf(agent);
    } catch (error) {
      // Somebody has removed the agent since.
      if (!isKnown || statusOf((error as Error).cause) !== 404) throw error;
      ensured.delete(agent);
      await ensure(group, agent);
      return await configOf(agent);
    }
  }

  async function ensure({ name }: CredentialsGroup, identifier: string): Promise<void> {
    if (ensured.has(identifier)) return;
    await asking(`making the agent ${identifier}`, () => client.ensureAgent({ name, identifier }));
    ensured.add(identifier);
  }

  async function configOf(agent: string | undefined): Promise<ContainerConfig> {
    const what = `the configuration of ${agent === undefined ? 'the default agent' : `the agent ${agent}`}`;
    const answer = await asking(what, () => client.getContainerConfig(agent === undefined ? {} : { agent }));
    try {
      return readContainerConfig(answer);
    } catch (error) {
      const words = `${place}: its answer cannot be used: ${(error as Error).message}`;
      throw new BerthError('E_CREDENTIALS_UNAVAILABLE', words, error);
    }
  }

  async function asking<Answer>(what: string, call: () => Promise<Answer>): Promise<Answer> {
    try {
      return await call();
    } catch (error) {
      const status = statusOf(error);
      if (status === undefined)
        throw new BerthError('E_CREDENTIALS_UNAVAILABLE', `${place}: ${(error as Error).message}`, error);
      const code = isRefusal(status) ? 'E_CREDENTIALS_REFUSED' : 'E_CREDENTIALS_UNAVAILABLE';
      throw new BerthError(code, `${place} answered ${status} (${what})`, error);
    }
  }
}

/** A group that is no admin any more is another agent, and what was said to the one is not the other's. */
function keyOf(group: CredentialsGroup): string {
  return JSON.stringify([group.folder, agentIdentifier(group) ?? null]);
}

function statusOf(error: unknown): number | undefined {
  return error instanceof OneCLIRequestError ? error.statusCode : undefined;
}

/** What will not be otherwise by itself. */
function isRefusal(status: number): boolean {
  return status >= 400 && status < 500 && status !== 408 && status !== 429;
}

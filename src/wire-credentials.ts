import { createHeldRequests, type HeldRequests } from './approvals/hold-requests.ts';
import type { AwakeSessions } from './awake/awake-session.ts';
import type { Clock } from './clock.ts';
import { type Config, readEnvironment } from './config.ts';
import { agentIdentifier } from './credentials/agent-identifier.ts';
import { type Credentials, createCredentials } from './credentials/credentials.ts';
import { createOneCli } from './credentials/onecli.ts';
import { watchApprovals } from './credentials/watch-approvals.ts';
import type { GroupRegistry } from './groups/group-registry.ts';
import type { LedgerReads } from './ledger/ledger-reads.ts';
import type { Logger } from './log.ts';
import type { Release, ReleaseStack } from './release-stack.ts';
import type { Writer } from './writer/writer.ts';

interface Dependencies {
  config: Readonly<Config>;
  groups: GroupRegistry;
  writer: Writer;
  reads: LedgerReads;
  awake: AwakeSessions;
  clock: Clock;
  log: Logger;
  releases: ReleaseStack;
}

/** Where containers get access from, and the requests that wait for a person because of it. */
export function wireCredentials(deps: Dependencies): { credentials: Credentials; approvals: HeldRequests } {
  const { config, groups, awake, log, releases } = deps;
  const gateway = { url: config.onecliUrl, apiKey: config.onecliApiKey };
  const isNamed = gateway.url !== undefined || gateway.apiKey !== undefined;
  const approvals = createHeldRequests({ ...deps, groupOf });
  let watching: Release | undefined;
  const credentials = createCredentials({
    ...deps,
    onecli: isNamed ? createOneCli({ ...deps, ...gateway, caBundle: config.caBundle }) : undefined,
    environment: () => readEnvironment(process.env, process.cwd()),
    onGateway() {
      // Not before a group uses it: a gateway that nobody needs is not spoken to.
      watching ??= watchApprovals({ ...gateway, log, decide: approvals.hold });
    },
    onRecovered(folder) {
      for (const session of awake.all()) session.outdated ||= session.group.folder === folder;
    },
  });
  releases.add('approvals', async () => {
    await watching?.();
    approvals.close();
  });
  return { credentials, approvals };

  /** The default agent is that of the admin groups: with several of them it is none in particular. */
  function groupOf(given: string | null): string | null {
    const identifier = given === 'default' ? null : given;
    const found = groups.list().filter(({ folder, group }) => {
      if (!group || typeof group.credentials !== 'object' || !('onecli' in group.credentials)) return false;
      return (agentIdentifier({ folder, admin: group.admin }) ?? null) === identifier;
    });
    return found.length === 1 ? (found[0]?.folder ?? null) : null;
  }
}

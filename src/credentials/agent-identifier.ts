import { createHash } from 'node:crypto';

/** What the gateway takes as the identifier of an agent. */
const FORM = /^[a-z0-9][a-z0-9-]{0,49}$/;
/** The gateway's own name for the agent that an admin group uses. */
const DEFAULT_AGENT = 'default';

/**
 * The agent that a group is at the gateway; `undefined`: the default agent, which admin groups share. Names that the
 * gateway would not take, or would take for that agent's, are told apart by a hash. Pure.
 */
export function agentIdentifier({ folder, admin }: { folder: string; admin: boolean }): string | undefined {
  if (admin) return undefined;
  if (FORM.test(folder) && folder !== DEFAULT_AGENT) return folder;
  const hash = createHash('sha256').update(folder).digest('hex').slice(0, 8);
  return `${folder.replace(/[^a-z0-9-]/g, '-').slice(0, 41)}-${hash}`;
}

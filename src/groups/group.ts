import type { McpProgram } from '../../contract/bodies.ts';

/** A group as its `group.yaml` declares it, with every default filled in. Durations are milliseconds, sizes bytes. */
export interface Group {
  /** Name of its folder under the groups folder. */
  folder: string;
  name: string;
  admin: boolean;
  agent: {
    provider: string;
    command?: string[] | undefined;
    model?: string | undefined;
    options: Record<string, unknown>;
  };
  /** Further servers of tools for the agent, by name. */
  mcp: Record<string, McpProgram>;
  /** The group's own runner; ours when absent. */
  runner?: string[] | undefined;
  /** OCI runtime; the host's setting when absent. */
  runtime?: string | undefined;
  image: { apt: string[]; npm: string[]; scripts: string[] };
  limits: { memoryBytes: number; cpus: number; pids: number; turnMs: number; diskBytes: number };
  /** `null`: off. */
  idle: { freezeMs: number | null; stopMs: number | null };
  network: 'none' | 'internet' | { allow: string[] };
  mounts: { host: string; name: string; readonly: boolean }[];
  env: Record<string, string>;
  credentials: 'none' | { onecli: 'wanted' | 'required' } | { env: string[] };
  session: 'per-chat' | 'per-thread' | 'shared';
  /** IANA name. */
  timezone: string;
}

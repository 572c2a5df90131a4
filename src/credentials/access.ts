/** The proxy that a group's requests are handed on to, and as whom. */
export interface GatewayAddress {
  target: { host: string; port: number };
  /** Whether it is spoken to over TLS. */
  secure: boolean;
  /** What it wants to see as `Proxy-Authorization`: the host says it, no container knows it. */
  authorization?: string | undefined;
  /** Where it is, seen from the host, where containers know it by another name. */
  at?: string[] | undefined;
}

/** What a container is given of access to elsewhere. */
export interface Access {
  /** Handed over in memory, never in the container's configuration. */
  environment: Record<string, string>;
  files: Record<string, string>;
  gateway?: GatewayAddress | undefined;
  /** It works without credentials, and why; in words for the agent and for people. */
  problem?: AccessProblem | undefined;
}

export interface AccessProblem {
  code: string;
  reason: string;
}

/** What has to be known of a group. */
export interface CredentialsGroup {
  folder: string;
  name: string;
  admin: boolean;
  credentials: 'none' | { onecli: 'wanted' | 'required' } | { env: string[] };
}

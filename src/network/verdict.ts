import type { Target } from './target.ts';

/** Another proxy that a group's requests go through: the credentials gateway. */
export interface Gateway {
  target: Target;
  /** Whether it is spoken to over TLS. */
  secure: boolean;
  /** What it wants to see as `Proxy-Authorization`. */
  authorization?: string | undefined;
  /** Where it is, seen from this host, where containers know it by another name; tried in order. */
  at?: string[] | undefined;
}

/** What becomes of a request: connected at once, handed on to the gateway, or refused with the reason in words. */
export type Verdict =
  | { way: 'direct' }
  /** The gateway's own address, wherever that is: the operator named it. */
  | { way: 'to-gateway'; gateway: Gateway }
  | { way: 'through-gateway'; gateway: Gateway }
  | { way: 'refused'; reason: string };

/** What a container asked for and what became of it. */
export interface Passage {
  host: string;
  /** 0: the request names no target that could be read. */
  port: number;
  outcome: 'allowed' | 'refused' | 'failed';
  reason: string | null;
}

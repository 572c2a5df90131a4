import { setTimeout as sleep } from 'node:timers/promises';
import { ApprovalClient } from '@onecli-sh/sdk';
import { z } from 'zod';
import type { Logger } from '../log.ts';
import type { Release } from '../release-stack.ts';

/** A request of an agent that the gateway holds until somebody has decided. Times are Unix milliseconds. */
export interface HeldRequest {
  id: string;
  method: string;
  url: string;
  bodyPreview: string | null;
  /** The agent's name and identifier at the gateway; `null`: the default agent. */
  agent: { name: string; identifier: string | null };
  createdAt: number;
  expiresAt: number;
}

interface Dependencies {
  /** `undefined`: OneCLI's own cloud. */
  url?: string | undefined;
  apiKey?: string | undefined;
  log: Logger;
  /** Resolves with the decision, whenever there is one; a request may come again, with the same id. */
  decide(request: HeldRequest): Promise<'approve' | 'deny'>;
}

const CLOUD = 'https://api.onecli.sh';
/** The pause before a gateway that could not be asked where it is, is asked again, in milliseconds. */
const AGAIN_MS = 5_000;

const instant = z.iso.datetime({ offset: true }).transform((text) => Date.parse(text));
const shape = z.object({
  id: z.string().regex(/^[\x21-\x7e]{1,200}$/),
  method: z.string().max(40),
  url: z.string().max(8_192),
  bodyPreview: z.string().max(65_536).nullish(),
  agent: z.object({ name: z.string().max(200), externalId: z.string().max(200).nullish() }),
  createdAt: instant,
  expiresAt: instant,
});

/** Waits for requests that want somebody's approval, as `configureManualApproval` does, and does not give up. */
export function watchApprovals({ url = CLOUD, apiKey = '', log, decide }: Dependencies): Release {
  const stopped = new AbortController();
  let client: ApprovalClient | undefined;
  void poll();
  return () => {
    stopped.abort();
    client?.stop();
  };

  /** `configureManualApproval` would end in silence where the gateway does not answer its first question. */
  async function poll(): Promise<void> {
    while (!stopped.signal.aborted) {
      client = new ApprovalClient(url, apiKey, null, null);
      // Its pause after a failed poll would keep a host that ends from ending.
      Object.assign(client, { sleep: pause });
      await client
        .start((request) => answer(request))
        .catch((error: Error) => {
          log.warn({ reason: error.message }, 'approvals: the gateway does not answer; it is asked again');
        });
      await pause(AGAIN_MS);
    }
  }

  async function pause(ms: number): Promise<void> {
    await sleep(ms, undefined, { ref: false, signal: stopped.signal }).catch(() => undefined);
  }

  function answer(request: unknown): Promise<'approve' | 'deny'> {
    const { success, data } = shape.safeParse(request);
    if (success) {
      const { bodyPreview = null, agent, ...rest } = data;
      return decide({
        ...rest,
        bodyPreview,
        agent: { name: agent.name, identifier: agent.externalId ?? null },
      });
    }
    log.warn('approvals: a request that cannot be read is left to expire');
    // Nothing is said of it: as long as it is not answered, it is not asked again.
    return new Promise(() => undefined);
  }
}

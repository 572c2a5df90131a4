import { setTimeout as sleep } from 'node:timers/promises';
import type { Clock } from '../clock.ts';
import type { HeldRequest } from '../credentials/watch-approvals.ts';
import type { ApprovalsDoor } from '../ledger/approvals.ts';
import type { LedgerReads } from '../ledger/ledger-reads.ts';
import type { Logger } from '../log.ts';
import type { Writer } from '../writer/writer.ts';

interface Dependencies {
  writer: Writer;
  reads: LedgerReads;
  clock: Clock;
  log: Logger;
  /** The group that is that agent at the gateway. */
  groupOf(identifier: string | null): string | null;
}

type Decision = 'approve' | 'deny';

/** The pause before a decision is said again that the gateway did not take, in milliseconds. */
const AGAIN_MS = 1_000;
/** What a timer can wait at most, in milliseconds. */
const LONGEST_MS = 2 ** 31 - 1;

/** Requests that wait for a person: rows first, so that a decision outlives this host; then whoever waits is told. */
export interface HeldRequests extends ApprovalsDoor {
  /** Resolves with the decision; a request that expires is denied. */
  hold(request: HeldRequest): Promise<Decision>;
  close(): void;
}

export function createHeldRequests(deps: Dependencies): HeldRequests {
  const { writer, reads, clock, log } = deps;
  const waiting = new Map<string, { resolve(decision: Decision): void; timer: NodeJS.Timeout }>();

  return {
    async hold(request) {
      const { agent, bodyPreview: preview, ...rest } = request;
      const group = deps.groupOf(agent.identifier);
      const now = clock.now();
      const row = { ...rest, group, agent: agent.name, preview, now };
      const status = await writer.run('noteApproval', row);
      if (status !== 'waiting') {
        await sleep(AGAIN_MS, undefined, { ref: false });
        return status === 'approved' ? 'approve' : 'deny';
      }
      const { id, method, url } = rest;
      log.info({ approval: id, group, method, url: withoutQuery(url) }, 'a request waits for an approval');
      return await decisionOn(request, now);
    },

    list: ({ all }) => reads.approvals({ now: clock.now(), all }),

    async decide(id, status) {
      await writer.run('decideApproval', { id, status, now: clock.now() });
      log.info({ approval: id, status }, 'a request was decided');
      settle(id, status === 'approved' ? 'approve' : 'deny');
    },

    close() {
      for (const { timer } of waiting.values()) clearTimeout(timer);
      waiting.clear();
    },
  };

  function decisionOn({ id, expiresAt }: HeldRequest, now: number): Promise<Decision> {
    return new Promise((resolve) => {
      const left = Math.min(Math.max(expiresAt - now, 0), LONGEST_MS);
      const timer = setTimeout(() => void expire(id), left);
      clearTimeout(waiting.get(id)?.timer);
      waiting.set(id, { resolve, timer });
    });
  }

  async function expire(id: string): Promise<void> {
    try {
      await writer.run('expireApproval', { id, now: clock.now() });
    } catch (error) {
      log.error({ err: error, approval: id }, 'an expired request could not be recorded');
    }
    log.info({ approval: id }, 'a request expired without a decision');
    settle(id, 'deny');
  }

  function settle(id: string, decision: Decision): void {
    const held = waiting.get(id);
    waiting.delete(id);
    clearTimeout(held?.timer);
    held?.resolve(decision);
  }
}

/** A query may hold what the agent searches for, or worse. */
function withoutQuery(url: string): string {
  return url.replace(/[?#].*$/s, '').slice(0, 200);
}

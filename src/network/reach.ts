import type { Socket } from 'node:net';
import { admittedAddresses, connectTo, NoConnection, refuseInward } from './dial.ts';
import { connectToGateway } from './gateway.ts';
import type { LimitConnections } from './limit-connections.ts';
import type { ResolveName } from './resolve-name.ts';
import type { Target } from './target.ts';
import type { Gateway, Verdict } from './verdict.ts';

/** A connection towards a target; with `gateway` it ends there, and the gateway is still to be asked. */
export interface Reached {
  connection: Socket;
  gateway?: Gateway | undefined;
}

interface Means {
  resolve: ResolveName;
  limit: LimitConnections;
  /** The end of what the connection is for, and of the connection. */
  signal: AbortSignal;
}

/** Connects to a target in the way that the verdict on it says. @throws NoConnection. */
export async function reach(
  { resolve, limit, signal }: Means,
  target: Target,
  verdict: Verdict,
): Promise<Reached> {
  switch (verdict.way) {
    case 'refused':
      throw new NoConnection('refused', verdict.reason);
    case 'direct': {
      const addresses = await admittedAddresses(resolve, target);
      return { connection: await limit(() => connectTo(addresses, target.port, signal)) };
    }
    case 'to-gateway': {
      const plain = { ...verdict.gateway, secure: false };
      return { connection: await limit(() => connectToGateway(plain, signal)) };
    }
    case 'through-gateway': {
      const { gateway } = verdict;
      // It resolves the name by itself, and anew: what this host cannot judge does not get that far.
      await refuseInward(resolve, target);
      return { connection: await limit(() => connectToGateway(gateway, signal)), gateway };
    }
  }
}

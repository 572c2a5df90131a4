import type { Socket } from 'node:net';
import { admittedAddresses, connectTo, NoConnection, refuseInward } from './dial.ts';
import { connectToGateway } from './gateway.ts';
import type { ResolveName } from './resolve-name.ts';
import type { Target } from './target.ts';
import type { Gateway, Verdict } from './verdict.ts';

/** A connection towards a target; with `gateway` it ends there, and the gateway is still to be asked. */
export interface Reached {
  connection: Socket;
  gateway?: Gateway | undefined;
}

/** Connects to a target in the way that the verdict on it says. @throws NoConnection. */
export async function reach(resolve: ResolveName, target: Target, verdict: Verdict): Promise<Reached> {
  switch (verdict.way) {
    case 'refused':
      throw new NoConnection('refused', verdict.reason);
    case 'direct':
      return { connection: await connectTo(await admittedAddresses(resolve, target), target.port) };
    case 'to-gateway':
      return { connection: await connectToGateway({ ...verdict.gateway, secure: false }) };
    case 'through-gateway':
      // It resolves the name by itself, and anew: what this host cannot judge does not get that far.
      await refuseInward(resolve, target);
      return { connection: await connectToGateway(verdict.gateway), gateway: verdict.gateway };
  }
}

import { connect, type Socket } from 'node:net';
import { addAbortSignal } from 'node:stream';
import { refusalOf } from './judge-address.ts';
import type { ResolveName } from './resolve-name.ts';
import type { Target } from './target.ts';

/** Why a connection did not come about. `refused`: it may not; `failed`: it could not. */
export class NoConnection extends Error {
  readonly kind: 'refused' | 'failed';
  /** What a client is answered. */
  readonly status: number;

  constructor(kind: 'refused' | 'failed', message: string, status = kind === 'refused' ? 403 : 502) {
    super(message);
    this.kind = kind;
    this.status = status;
  }
}

const LIMIT_MS = 10_000;
const MOST_ADDRESSES = 4;

/**
 * The addresses of a target that may be connected to.
 * @throws NoConnection when it has none, or none that may.
 */
export async function admittedAddresses(resolve: ResolveName, target: Target): Promise<string[]> {
  const judged = await judgedAddresses(resolve, target);
  const admitted = judged.filter(({ refusal }) => refusal === undefined).map(({ address }) => address);
  if (admitted.length === 0) throw inward(target, judged[0]);
  return admitted;
}

/** @throws NoConnection when a target has no address that this host can find, or any that may not be connected to. */
export async function refuseInward(resolve: ResolveName, target: Target): Promise<void> {
  const judged = await judgedAddresses(resolve, target);
  const first = judged.find(({ refusal }) => refusal !== undefined);
  if (first) throw inward(target, first);
}

interface Judged {
  address: string;
  refusal: string | undefined;
}

/** At least one. */
async function judgedAddresses(resolve: ResolveName, { host }: Target): Promise<Judged[]> {
  const found = await resolve(host).catch((error: NodeJS.ErrnoException) => {
    if (error instanceof NoConnection) throw error;
    throw new NoConnection('failed', `${host} has no address (${error.code ?? error.message})`);
  });
  if (found.length === 0) throw new NoConnection('failed', `${host} has no address`);
  return found.map((address) => ({ address, refusal: refusalOf(address) }));
}

function inward({ host }: Target, judged: Judged | undefined): NoConnection {
  return new NoConnection('refused', `${host} is at ${judged?.address}, a ${judged?.refusal} address`);
}

/**
 * Connects to the first of exactly these addresses that answers. Whatever comes of it is closed when the signal is given, be it
 * then that it still tries or long after.
 * @throws NoConnection of kind `failed`.
 */
export async function connectTo(addresses: string[], port: number, signal: AbortSignal): Promise<Socket> {
  let reason = 'no address';
  for (const address of addresses.slice(0, MOST_ADDRESSES)) {
    if (signal.aborted) break;
    try {
      return await connectOnce(address, port, signal);
    } catch (error) {
      reason = `${address} port ${port}: ${(error as NodeJS.ErrnoException).code ?? (error as Error).message}`;
    }
  }
  throw new NoConnection('failed', `no connection to ${reason}`);
}

function connectOnce(host: string, port: number, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    // Half-open: one side may have said all it has to say and still listen.
    const socket = addAbortSignal(signal, connect({ host, port, allowHalfOpen: true }));
    const timer = setTimeout(() => socket.destroy(new Error('no answer in time')), LIMIT_MS);
    // Never taken off: an error that nobody listens for would end the host, whoever holds the socket by then.
    socket.on('error', reject);
    socket.once('close', () => clearTimeout(timer));
    socket.once('connect', () => {
      clearTimeout(timer);
      socket.setNoDelay(true);
      resolve(socket);
    });
  });
}

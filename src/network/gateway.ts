import type { Socket } from 'node:net';
import { connect as connectSecurely } from 'node:tls';
import { connectTo, NoConnection } from './dial.ts';
import { authorityOf, type Target } from './target.ts';
import type { Gateway } from './verdict.ts';

const LONGEST_ANSWER = 16 * 1024;
const LIMIT_MS = 30_000;

/** The operator named it: it may be anywhere, this machine included. @throws NoConnection. */
export async function connectToGateway(
  { target, secure, at = [target.host] }: Gateway,
  signal: AbortSignal,
): Promise<Socket> {
  const socket = await connectTo(at, target.port, signal);
  if (!secure) return socket;
  const secured = connectSecurely({ socket, servername: target.host });
  return await new Promise((resolve, reject) => {
    const fail = (what: string) => reject(new NoConnection('failed', `the gateway's TLS: ${what}`));
    const timer = setTimeout(() => secured.destroy(new Error('no answer in time')), LIMIT_MS);
    // Never taken off, as with the connection below it; with that one it is closed.
    secured.on('error', ({ message }) => fail(message));
    secured.once('close', () => {
      clearTimeout(timer);
      fail('the connection was closed');
    });
    secured.once('secureConnect', () => {
      clearTimeout(timer);
      resolve(secured);
    });
  });
}

/** Asks the gateway for a tunnel to the target. @throws NoConnection with the gateway's status when it says no. */
export function askForTunnel(connection: Socket, { authorization }: Gateway, target: Target): Promise<void> {
  return new Promise((resolve, reject) => {
    let answer = Buffer.alloc(0);
    const timer = setTimeout(() => fail('gave no answer in time'), LIMIT_MS);
    connection.on('data', listen);
    connection.once('error', broke);
    connection.once('end', broke);
    connection.once('close', broke);
    const authority = authorityOf(target);
    const proof = authorization === undefined ? '' : `Proxy-Authorization: ${authorization}\r\n`;
    connection.write(`CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n${proof}\r\n`);

    function listen(chunk: Buffer): void {
      answer = Buffer.concat([answer, chunk]);
      const end = answer.indexOf('\r\n\r\n');
      if (end < 0) return void (answer.length > LONGEST_ANSWER && fail('gave an answer without end'));
      const status = /^HTTP\/1\.[01] (\d{3})/.exec(answer.toString('latin1', 0, 64))?.[1];
      if (status !== '200') return void fail(`answered ${status ?? 'what is no HTTP'}`);
      settle();
      // Paused first: what is put back must wait for whoever listens next.
      connection.pause();
      const rest = answer.subarray(end + 4);
      if (rest.length > 0) connection.unshift(rest);
      resolve();
    }

    function broke(): void {
      fail('closed the connection');
    }

    function fail(what: string): void {
      settle();
      connection.destroy();
      reject(new NoConnection('failed', `the credentials gateway ${what}`));
    }

    function settle(): void {
      clearTimeout(timer);
      connection.off('data', listen).off('error', broke).off('end', broke).off('close', broke);
    }
  });
}

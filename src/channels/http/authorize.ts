import { createHash, timingSafeEqual } from 'node:crypto';
import { BerthError } from '../../errors.ts';

/**
 * A check of the `Authorization` header. It throws `E_UNAUTHORIZED`, and takes the same time however much of
 * the token was right: hashes of equal length are compared, not the tokens.
 */
export function createAuthorizer(token: string): (header: string | undefined) => void {
  const expected = sha256(Buffer.from(token, 'utf8'));

  return (header) => {
    const presented = /^Bearer +(\S+) *$/i.exec(header ?? '')?.[1];
    if (presented === undefined) throw new BerthError('E_UNAUTHORIZED', 'the request bears no bearer token');
    // Node hands header bytes on as latin1.
    if (!timingSafeEqual(sha256(Buffer.from(presented, 'latin1')), expected)) {
      throw new BerthError('E_UNAUTHORIZED', 'the bearer token is wrong');
    }
  };
}

function sha256(bytes: Buffer): Buffer {
  return createHash('sha256').update(bytes).digest();
}

import type { IncomingMessage } from 'node:http';
import { type Readable, Transform } from 'node:stream';
import { BerthError } from '../../errors.ts';

/**
 * The body of a request as a stream that fails with `E_TOO_LARGE` past `maxBytes`, and with `E_BAD_REQUEST`
 * when the caller breaks off. The request itself stays open, so that the failure can be answered.
 */
export function limitBody(request: IncomingMessage, maxBytes: number): Readable {
  const declared = Number(request.headers['content-length'] ?? 0);
  if (declared > maxBytes) throw tooLarge(maxBytes);

  let received = 0;
  const limited = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      received += chunk.length;
      if (received > maxBytes) done(tooLarge(maxBytes));
      else done(null, chunk);
    },
  });
  // Who reads the stream sees its errors; this keeps one that comes after that from ending the process.
  limited.on('error', () => {});
  request.once('error', () => limited.destroy(brokenOff()));
  request.once('close', () => {
    if (!request.complete) limited.destroy(brokenOff());
  });
  // Not `pipeline`: it would destroy the request together with the connection that the answer needs.
  return request.pipe(limited);
}

function tooLarge(maxBytes: number): BerthError {
  return new BerthError('E_TOO_LARGE', `the file is larger than ${maxBytes} bytes`);
}

function brokenOff(): BerthError {
  return new BerthError('E_BAD_REQUEST', 'the caller broke off in the middle of the body');
}

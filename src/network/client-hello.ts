/** What the first bytes of a client in a tunnel say: `more` is wanted, no TLS at all, or TLS with or without a server name. */
export type FirstWords = 'more' | 'plain' | 'malformed' | { serverName: string | undefined };

const RECORD_HANDSHAKE = 22;
const CLIENT_HELLO = 1;
const SERVER_NAME = 0;

/** The most that a ClientHello may take, in bytes. */
export const LONGEST_HELLO = 64 * 1024;

/** Reads the server name out of a TLS ClientHello, which may come in several records. */
export function readFirstWords(bytes: Buffer): FirstWords {
  if (bytes.length === 0) return 'more';
  if (bytes[0] !== RECORD_HANDSHAKE) return 'plain';
  const handshake = joinRecords(bytes);
  if (handshake === 'malformed') return 'malformed';
  if (handshake.length < 4) return 'more';
  if (handshake[0] !== CLIENT_HELLO) return 'malformed';
  const length = handshake.readUIntBE(1, 3);
  if (length > LONGEST_HELLO) return 'malformed';
  if (handshake.length < 4 + length) return 'more';
  try {
    return { serverName: serverNameOf(handshake.subarray(4, 4 + length)) };
  } catch {
    return 'malformed'; // a length that points past the end
  }
}

/** What is there of the handshake, without the records' heads. */
function joinRecords(bytes: Buffer): Buffer | 'malformed' {
  const parts: Buffer[] = [];
  for (let at = 0; at + 5 <= bytes.length; ) {
    // What follows the one message that is wanted may be of any kind; until then it is all of this one.
    if (bytes[at] !== RECORD_HANDSHAKE) return isWhole(parts) ? Buffer.concat(parts) : 'malformed';
    const length = bytes.readUInt16BE(at + 3);
    if (bytes[at + 1] !== 3 || length === 0) return 'malformed';
    parts.push(bytes.subarray(at + 5, at + 5 + length));
    at += 5 + length;
  }
  return Buffer.concat(parts);
}

function isWhole(parts: Buffer[]): boolean {
  const joined = Buffer.concat(parts);
  return joined.length >= 4 && joined.length >= 4 + joined.readUIntBE(1, 3);
}

/** @throws RangeError when a length in it is wrong. */
function serverNameOf(hello: Buffer): string | undefined {
  const reader = new Reader(hello);
  reader.skip(2 + 32); // version, random
  reader.take(1); // session id
  reader.take(2); // cipher suites
  reader.take(1); // compression methods
  if (reader.atEnd) return undefined;
  const extensions = new Reader(reader.take(2));
  let found: string | undefined;
  while (!extensions.atEnd) {
    const type = extensions.number(2);
    const body = extensions.take(2);
    if (type !== SERVER_NAME) continue;
    const names = new Reader(new Reader(body).take(2));
    while (!names.atEnd) {
      const kind = names.number(1);
      const name = names.take(2).toString('latin1').toLowerCase();
      // A second one would leave open which of them the server takes.
      if (kind !== 0 || found !== undefined) throw new RangeError('more than one server name');
      found = name;
    }
  }
  return found;
}

class Reader {
  #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get atEnd(): boolean {
    return this.#at >= this.#bytes.length;
  }

  skip(count: number): void {
    this.#need(count);
    this.#at += count;
  }

  number(width: number): number {
    this.#need(width);
    const value = this.#bytes.readUIntBE(this.#at, width);
    this.#at += width;
    return value;
  }

  /** A field whose length stands before it in `width` bytes. */
  take(width: number): Buffer {
    const length = this.number(width);
    this.#need(length);
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  #need(count: number): void {
    if (this.#at + count > this.#bytes.length) throw new RangeError('past the end');
  }
}

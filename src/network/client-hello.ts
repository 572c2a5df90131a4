/** What the first bytes of a client in a tunnel say: `more` is wanted, no TLS at all, or TLS with or without a server name. */
export type FirstWords = 'more' | 'plain' | 'malformed' | { serverName: string | undefined };

const RECORD_HANDSHAKE = 22;
const TLS_MAJOR = 3;
const CLIENT_HELLO = 1;
const SERVER_NAME = 0;

/** The most that a ClientHello may take, in bytes; usual are less than 2 KiB. */
const LONGEST_HELLO = 16 * 1024;

/** Reads the server name out of a TLS ClientHello, which may come in several records and in any pieces: each byte once. */
export class HelloReader {
  /** Of the record that is being read. */
  #head: number[] = [];
  /** Bytes of its body that are still to come. */
  #left = 0;
  /** What is there of the handshake, without the records' heads. */
  #message: number[] = [];
  #found: FirstWords = 'more';

  /** Takes what has come since. Whatever is not `more` stays. */
  read(piece: Buffer): FirstWords {
    for (const byte of piece) {
      if (this.#found !== 'more') break;
      this.#found = this.#left > 0 ? this.#takeBody(byte) : this.#takeHead(byte);
    }
    return this.#found;
  }

  #takeHead(byte: number): FirstWords {
    this.#head.push(byte);
    const [type, major, , high = 0, low] = this.#head;
    // Until the one message that is wanted is whole, all is of it.
    if (type !== RECORD_HANDSHAKE) return this.#message.length > 0 ? 'malformed' : nameOther(this.#head);
    if (major !== undefined && major !== TLS_MAJOR) return 'malformed';
    if (low === undefined) return 'more';
    this.#left = high * 256 + low;
    this.#head = [];
    return this.#left === 0 ? 'malformed' : 'more';
  }

  #takeBody(byte: number): FirstWords {
    this.#left -= 1;
    const there = this.#message.push(byte);
    const [type, a = 0, b = 0, c = 0] = this.#message;
    if (type !== CLIENT_HELLO) return 'malformed';
    if (there < 4) return 'more';
    const whole = 4 + a * 65_536 + b * 256 + c;
    if (whole > LONGEST_HELLO) return 'malformed';
    return there < whole ? 'more' : readName(Buffer.from(this.#message.slice(4)));
  }
}

/**
 * What does not begin with a handshake. Servers take more for TLS than that: a warning before the greeting, which some drop,
 * and the greeting of SSLv2 with its length before it, the topmost bit set. From 0xf0 on that would be too long for any.
 */
function nameOther([first = 0, second, third]: number[]): FirstWords {
  if (first >= 20 && first <= 24) return second === undefined ? 'more' : isTls(second === TLS_MAJOR);
  if (first >= 0x80 && first < 0xf0) return third === undefined ? 'more' : isTls(third === CLIENT_HELLO);
  return 'plain';
}

function isTls(is: boolean): FirstWords {
  return is ? 'malformed' : 'plain';
}

function readName(hello: Buffer): FirstWords {
  try {
    return { serverName: serverNameOf(hello) };
  } catch {
    return 'malformed'; // a length that points past the end
  }
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

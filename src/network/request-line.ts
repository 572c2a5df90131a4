/*
 * What a client says first, where it is no TLS: HTTP/1 or something else. Read as widely as any server does, not as RFC 9112
 * has it: white space before it and any method, white space that only some know, and requests of before HTTP/1.
 */

/**
 * - `open`: it may become the line of a request as clients make them.
 * - `odd`: that no longer, but still one that some server takes. It has not named HTTP yet.
 * - `request`, `odd-request`: a line that some server takes for a request's.
 * - `ssh`: the line with which SSH begins.
 * - `other`: something else.
 */
export type FirstLine = 'open' | 'odd' | 'request' | 'odd-request' | 'ssh' | 'other';

const LF = 10;
const METHOD = /[!#$%&'*+.^_`|~0-9A-Za-z-]/;
const NAME = 'http/';
/** A request of HTTP/0.9, which does not bear its name: a path or an address comes second. */
const NAMELESS = /^[!-~]+[^!-~]+(\/|[a-z][a-z\d+.-]*:\/\/)/;
/** More than any server takes of a line that is not as it should be, in bytes. */
const LONGEST_ODD_LINE = 64 * 1024;

/** Reads the first line that is not empty, in any pieces: each byte once. */
export class FirstLineReader {
  /** In lower case, without the white space before it. */
  #line = '';
  #isMethod = true;
  #isOdd = false;
  #namesHttp = false;
  /** Its end, in which the name may have begun. */
  #tail = '';
  #found: FirstLine = 'open';

  /** Takes what has come since. `open` and `odd` may become something else; the others stay. */
  read(piece: Buffer): FirstLine {
    if (this.#isSettled()) return this.#found;
    const from = this.#line === '' ? piece.findIndex((byte) => !isSpace(byte)) : 0;
    if (from < 0) return this.#found;
    const end = piece.indexOf(LF, from);
    this.#found = this.#take(piece.subarray(from, end < 0 ? piece.length : end));
    return end < 0 ? this.#found : this.end();
  }

  /** What it is if nothing more comes. */
  end(): FirstLine {
    if (!this.#isSettled()) this.#found = this.#judge();
    return this.#found;
  }

  #take(part: Buffer): FirstLine {
    const text = part.toString('latin1').toLowerCase();
    this.#line += text;
    this.#namesHttp ||= (this.#tail + text).includes(NAME);
    this.#tail = (this.#tail + text).slice(1 - NAME.length);
    for (const byte of part) {
      if (isSpace(byte)) this.#isMethod = false;
      // No server takes these for a method: so begin most protocols that are no text, and whoever speaks them waits for an answer.
      else if (isControl(byte) && this.#isMethod) return 'other';
      else if (isControl(byte) || (this.#isMethod && !METHOD.test(String.fromCharCode(byte))))
        this.#isOdd = true;
    }
    if (!this.#isOdd) return 'open';
    if (this.#namesHttp) return 'odd-request';
    return this.#line.length > LONGEST_ODD_LINE ? 'other' : 'odd';
  }

  #judge(): FirstLine {
    // Of odd lines git's begin like this as well; no server takes those but with GET.
    const mayBeNameless = !this.#isOdd || this.#line.startsWith('get');
    if (this.#namesHttp || (mayBeNameless && NAMELESS.test(this.#line)))
      return this.#isOdd ? 'odd-request' : 'request';
    return /^ssh-\d/.test(this.#line) ? 'ssh' : 'other';
  }

  #isSettled(): boolean {
    return this.#found !== 'open' && this.#found !== 'odd';
  }
}

/** Python's `str.split` knows the most kinds of it. */
function isSpace(byte: number): boolean {
  return (byte >= 9 && byte <= 13) || (byte >= 0x1c && byte <= 0x20) || byte === 0x85 || byte === 0xa0;
}

function isControl(byte: number): boolean {
  return byte < 0x20 || byte === 0x7f;
}

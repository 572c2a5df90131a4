import { isIP } from 'node:net';
import { type FirstWords, HelloReader } from './client-hello.ts';
import { type FirstLine, FirstLineReader } from './request-line.ts';
import type { Target } from './target.ts';

/**
 * What becomes of what a client in a tunnel says: held until there is more of it; sent on, while what follows is judged as
 * well; sent on with all that follows; judged request by request, as HTTP; or refused.
 */
type GreetingVerdict = 'hold' | 'watch' | 'pass' | 'as-requests' | { refused: string };

/** Where servers of many hosts listen: nothing but TLS and HTTP gets there; and SSH, which some offer on 443. */
const WEB_PORTS = [80, 443];

/**
 * Judges a client's first words piece by piece. Behind one address many hosts may live: TLS has to name the one that the tunnel
 * was opened to, and every request of HTTP names one. Other protocols name none, and many do not end a line before they wait for
 * an answer. So what begins like nothing that a server takes for a request passes at once; and what some server might take for
 * one goes on up to where it names HTTP or the line ends: without that no such server does anything.
 */
export class GreetingJudge {
  readonly #target: Target;
  #hasBegun = false;
  readonly #hello = new HelloReader();
  readonly #line = new FirstLineReader();

  constructor(target: Target) {
    this.#target = target;
  }

  /** Takes what has come since. Anything but `hold` and `watch` is final. */
  read(piece: Buffer): GreetingVerdict {
    this.#hasBegun = true;
    const words = this.#hello.read(piece);
    const line = this.#line.read(piece);
    if (words === 'more') return 'hold';
    return words === 'plain' ? judgeLine(line, this.#target) : judgeHello(words, this.#target);
  }

  /** Whether what is held may go on though nothing follows it. */
  mayEnd(): boolean {
    if (!this.#hasBegun) return true;
    const isPlain = this.#hello.read(Buffer.alloc(0)) === 'plain';
    return isPlain && judgeLine(this.#line.end(), this.#target) === 'pass';
  }
}

function judgeHello(words: FirstWords, { host }: Target): GreetingVerdict {
  if (typeof words === 'string') return { refused: 'a TLS greeting that cannot be read' };
  const { serverName } = words;
  if (serverName === undefined) return isIP(host) === 0 ? { refused: 'TLS that names no host' } : 'pass';
  const isSame = serverName.replace(/\.$/, '') === host;
  return isSame ? 'pass' : { refused: `TLS for another host, ${serverName.slice(0, 253)}` };
}

function judgeLine(line: FirstLine, { port }: Target): GreetingVerdict {
  const isWeb = WEB_PORTS.includes(port);
  switch (line) {
    case 'open':
      return 'hold';
    case 'odd':
      return isWeb ? 'hold' : 'watch';
    case 'request':
      return 'as-requests';
    case 'odd-request':
      return { refused: 'HTTP in a form that cannot be judged' };
    case 'ssh':
      return 'pass';
    case 'other':
      return isWeb ? { refused: `what is neither TLS nor HTTP, on port ${port}` } : 'pass';
  }
}

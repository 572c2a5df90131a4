import type { ServerResponse } from 'node:http';

/** A reader that has more than this many bytes unread when the next event comes is closed. */
const MAX_BEHIND_BYTES = 1024 * 1024;

/** Server-sent events on a response. */
export interface SseWriter {
  /** Sends the headers. */
  begin(): void;
  /** Sends an event at once; without an id it leaves the reader's place where it was. */
  event(name: string, data: unknown, id?: number): void;
  ping(): void;
  end(): void;
  /** Resolves once the reader has taken what was written, or is gone. */
  drained(): Promise<void>;
  isTooFarBehind(): boolean;
  /** The reader has not yet taken all that was written. */
  isBehind(): boolean;
  isClosed(): boolean;
}

/** Writes to the response and never waits: who writes more than the reader takes has to look at `isTooFarBehind`. */
export function createSseWriter(response: ServerResponse): SseWriter {
  // A reader that goes away in the middle of a write is no error of ours; `close` follows.
  response.on('error', () => {});

  function write(text: string): void {
    if (isClosed()) return;
    response.write(text);
    // Node holds writes back until the tick is over; a reply has to leave before the host does anything else.
    response.socket?.uncork();
  }

  function isClosed(): boolean {
    return response.destroyed || response.writableEnded;
  }

  return {
    begin() {
      response.writeHead(200, {
        'content-type': 'text/event-stream; charset=utf-8',
        connection: 'close', // the stream ends with its connection, so that closing waits for no idle one
        'cache-control': 'no-store',
        'x-accel-buffering': 'no', // nginx would collect events
        'x-content-type-options': 'nosniff',
      });
      response.flushHeaders();
    },
    event(name, data, id) {
      const idLine = id === undefined ? '' : `id: ${id}\n`;
      write(`event: ${name}\n${idLine}data: ${oneLine(data)}\n\n`);
    },
    ping() {
      // A reader that has not taken the last bytes gets no more: then silence ends the connection.
      if (response.writableLength === 0) write(': ping\n\n');
    },
    end() {
      if (!isClosed()) response.end();
    },
    drained() {
      if (isClosed() || !response.writableNeedDrain) return Promise.resolve();
      return new Promise((resolve) => {
        const done = () => {
          response.off('drain', done).off('close', done);
          resolve();
        };
        response.on('drain', done).on('close', done);
      });
    },
    isBehind: () => response.writableLength > 0,
    isTooFarBehind: () => response.writableLength > MAX_BEHIND_BYTES,
    isClosed,
  };
}

/** JSON without what some readers (Python's `splitlines` among them) take for the end of a line. */
function oneLine(data: unknown): string {
  return JSON.stringify(data).replace(
    /[\u0085\u2028\u2029]/g,
    (end) => `\\u${end.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

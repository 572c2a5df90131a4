import type { Readable } from 'node:stream';
import type { Release } from '../release-stack.ts';
import { isGone } from './docker-call.ts';
import type { DockerConnection } from './docker-connection.ts';
import { LineSplitter } from './line-splitter.ts';

/** The last lines of stdout and stderr together, in the order in which they were printed; empty when the container is gone. */
export async function tailContainer(
  connection: DockerConnection,
  name: string,
  lines: number,
): Promise<string> {
  const found: string[] = [];
  const output = createDemultiplexer((line) => found.push(line));
  try {
    const raw = await connection.call(`reading the log of container ${name}`, (abortSignal) =>
      connection.docker
        .getContainer(name)
        .logs({ stdout: true, stderr: true, follow: false, tail: lines, abortSignal }),
    );
    output.push(raw);
  } catch (error) {
    if (isGone(error)) return '';
    throw error;
  }
  output.end();
  return found.slice(-lines).join('\n');
}

/** Hands out what the container prints, line by line, from its last `lines` lines on. `onEnd` is called once, unless released. */
export async function followContainer(
  connection: DockerConnection,
  name: string,
  lines: number,
  onLine: (line: string) => void,
  onEnd: () => void,
): Promise<Release> {
  const stream = (await connection.call(`following the log of container ${name}`, (abortSignal) =>
    connection.docker
      .getContainer(name)
      .logs({ stdout: true, stderr: true, follow: true, tail: lines, abortSignal }),
  )) as Readable;
  let released = false;
  const output = createDemultiplexer((line) => {
    if (!released) onLine(line);
  });
  stream.on('data', (chunk: Buffer) => output.push(chunk));
  stream.on('error', () => stream.destroy()); // an engine that goes away ends the log, nothing more
  stream.once('close', () => {
    output.end();
    if (!released) onEnd();
  });
  return () => {
    released = true;
    stream.destroy();
  };
}

/** Bytes of the frame's head: the stream's number, three zeros, the length in four. */
const HEAD = 8;

/** Takes the engine's frames apart; stdout and stderr have a splitter each, so that half lines do not mix. */
function createDemultiplexer(onLine: (line: string) => void): { push(chunk: Buffer): void; end(): void } {
  const splitters = [new LineSplitter(onLine), new LineSplitter(onLine)];
  let head = Buffer.alloc(0);
  let left = 0;
  let current = splitters[0];
  return {
    push(chunk) {
      for (let rest = chunk; rest.length > 0; ) {
        if (left > 0) {
          const part = rest.subarray(0, left);
          left -= part.length;
          rest = rest.subarray(part.length);
          current?.push(part);
          continue;
        }
        const missing = HEAD - head.length;
        head = Buffer.concat([head, rest.subarray(0, missing)]);
        rest = rest.subarray(missing);
        if (head.length < HEAD) return;
        current = splitters[head[0] === 2 ? 1 : 0];
        left = head.readUInt32BE(4);
        head = Buffer.alloc(0);
      }
    },
    end() {
      for (const splitter of splitters) splitter.end();
    },
  };
}

import { closeSync, fstatSync, openSync, readFileSync, watch } from 'node:fs';
import { dirname } from 'node:path';
import { demand } from './broken.ts';
import type { Check } from './check.ts';
import type { SessionRoom } from './session-room.ts';
import { statusOf } from './turn-checks.ts';

const MOST_BYTES = 64 * 1024;
const MOST_A_SECOND = 10;
/** A version at either end of the time that was watched. */
const SLACK = 3;

/** What a runner shows of a turn while it works, if it does. "What a runner does", 8. */
export const draftChecks: Check[] = [
  {
    name: 'draft/kept',
    rule: 'a draft, where one is shown, is {"message_id", "text", "tool"} in 64 KiB, of a claimed message, replaced by rename at most 10 times a second, and gone after its turn',
    needsSlow: true,
    async run(room) {
      await room.start();
      room.put({ id: 'slow', text: room.options.slow ?? '' });
      const began = performance.now();
      const seen = new DraftWatch(room);
      try {
        await room.until('the end of the turn', () => {
          seen.look();
          return /done|failed/.test(statusOf(room, 'slow') ?? '');
        });
      } finally {
        seen.close();
      }
      const most = MOST_A_SECOND * ((performance.now() - began) / 1000) + SLACK;
      demand(seen.versions <= most, `it changed ${seen.versions} times, more than ten a second`);
      await room.until('no draft after the turn', () => room.touchedAt(room.draft) === 0, 2_000);
      room.note = seen.versions === 0 ? 'it showed none' : `it changed ${seen.versions} times`;
    },
  },
];

/** Looks at the draft again and again, and keeps the version that it saw last open: so one that is written in place shows. */
class DraftWatch {
  /** How often it was put there or taken away: a look at a busy machine misses some, the kernel none. */
  versions = 0;
  readonly #room: SessionRoom;
  #held: { fd: number; mark: string } | undefined;

  readonly #watcher;

  constructor(room: SessionRoom) {
    this.#room = room;
    this.#watcher = watch(dirname(room.draft), (event, name) => {
      if (event === 'rename' && name === 'draft.json') this.versions += 1;
    });
  }

  look(): void {
    if (this.#held)
      demand(markOf(this.#held.fd) === this.#held.mark, 'it was written in place, not replaced by rename');
    const fd = open(this.#room.draft);
    if (fd === undefined) return;
    const mark = markOf(fd);
    if (mark === this.#held?.mark) {
      closeSync(fd);
      return;
    }
    this.#letGo();
    this.#held = { fd, mark };
    this.#judge(readFileSync(fd));
  }

  close(): void {
    this.#watcher.close();
    this.#letGo();
  }

  #letGo(): void {
    if (this.#held) closeSync(this.#held.fd);
    this.#held = undefined;
  }

  #judge(content: Buffer): void {
    demand(content.length <= MOST_BYTES, `it has ${content.length} bytes, ${MOST_BYTES} are allowed`);
    const { message_id, text, tool } = parse(content.toString());
    demand(typeof text === 'string', 'its "text" is no text');
    demand(
      tool === undefined || tool === null || typeof tool === 'string',
      'its "tool" is no text and not null',
    );
    const claimed = this.#room.look()?.claims.some(({ message }) => message === message_id);
    demand(claimed !== false, `it names the message ${JSON.stringify(message_id)}, which is not claimed`);
  }
}

function open(path: string): number | undefined {
  try {
    return openSync(path, 'r');
  } catch {
    return undefined; // there is none
  }
}

function markOf(fd: number): string {
  const { ino, mtimeNs, size } = fstatSync(fd, { bigint: true });
  return `${ino} ${mtimeNs} ${size}`;
}

function parse(json: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    // Said below.
  }
  demand(typeof value === 'object' && value !== null, `it is no JSON object: ${json.slice(0, 100)}`);
  return { ...(value as object) };
}

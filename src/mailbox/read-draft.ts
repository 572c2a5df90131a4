import { closeSync, fstatSync, readSync } from 'node:fs';
import { z } from 'zod';
import { openBeneath } from './open-beneath.ts';
import { OutboundInvalid } from './outbound-invalid.ts';

/** What a running turn has said so far. */
interface Draft {
  message: string;
  text: string;
  tool: string | null;
}

/** What a look at a draft found; `mark` differs for every version of the file. */
export interface DraftLook {
  mark: string;
  /** Absent: it is the version that was seen. */
  draft?: Draft;
}

const FILE = 'draft.json';
const MOST_BYTES = 64 * 1024;
const buffer = Buffer.alloc(MOST_BYTES + 1);

const shape = z.object({
  message_id: z.string().min(1).max(64),
  text: z.string(),
  tool: z
    .string()
    .transform((name) => name.slice(0, 200))
    .nullish()
    .transform((name) => name ?? null),
});

/**
 * Reads `out/draft.json`, which may be anything: by a descriptor that was judged after the open, and never more than the
 * contract allows. It waits for nothing.
 *
 * @param out the session's folder `out/`.
 * @param seen the mark of the version that is known.
 * @returns `undefined` where there is none.
 * @throws OutboundInvalid when it is no draft. Its words tell nothing of what it holds.
 */
export function readDraft(out: string, seen: string | undefined): DraftLook | undefined {
  const fd = open(out);
  if (fd === undefined) return undefined;
  try {
    const stat = fstatSync(fd, { bigint: true });
    if (!stat.isFile()) throw new OutboundInvalid(`${FILE} is not a regular file`);
    if (stat.nlink === 0n) return undefined;
    if (stat.nlink > 1n) throw new OutboundInvalid(`${FILE} has more than one link`);
    const mark = `${stat.ino} ${stat.mtimeNs} ${stat.size}`;
    if (mark === seen) return { mark };
    if (stat.size > MOST_BYTES) throw tooLarge();
    return { mark, draft: parse(fd) };
  } finally {
    closeSync(fd);
  }
}

function open(out: string): number | undefined {
  try {
    return openBeneath(out, [FILE]);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return undefined;
    throw new OutboundInvalid(`${FILE} cannot be opened (${code})`, { cause: error });
  }
}

function parse(fd: number): Draft {
  let length = 0;
  for (let read = -1; read !== 0 && length < buffer.length; length += read)
    read = readSync(fd, buffer, length, buffer.length - length, length);
  if (length > MOST_BYTES) throw tooLarge(); // it has grown since
  const { success, data } = shape.safeParse(toJson(buffer.toString('utf8', 0, length)));
  if (!success) throw new OutboundInvalid(`${FILE} is not {"message_id", "text", "tool"}`);
  return { message: data.message_id, text: data.text, tool: data.tool };
}

function toJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function tooLarge(): OutboundInvalid {
  return new OutboundInvalid(`${FILE} is larger than ${MOST_BYTES} bytes`);
}

import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import { OUT } from './lawful.mjs';

/* What may stand in the place of a draft. They answer in the end: a draft is no reason to fail anybody. */

const DRAFT = `${OUT}/draft.json`;
const SHOWN_MS = 2500;

/** Leaves it there for a while, in which the host may look. */
async function shown(text) {
  await new Promise((resolve) => setTimeout(resolve, SHOWN_MS));
  return text;
}

function put(draft) {
  fs.writeFileSync(`${DRAFT}.new`, typeof draft === 'string' ? draft : JSON.stringify(draft));
  fs.renameSync(`${DRAFT}.new`, DRAFT);
}

export function draftLink({ args }) {
  fs.symlinkSync(args.goodOutbound.replace('outbound.db', 'draft.json'), DRAFT);
  return shown('linked');
}

export function draftLinkToCanary({ args }) {
  fs.symlinkSync(args.canary, DRAFT);
  return shown('linked');
}

export function draftSecondName() {
  put({ message_id: 'm', text: 'x', tool: null });
  fs.linkSync(DRAFT, `${OUT}/other.json`);
  return shown('linked');
}

export function draftFifo() {
  execFileSync('mkfifo', [DRAFT]);
  return shown('a FIFO');
}

export function draftSparse() {
  fs.writeFileSync(DRAFT, '');
  fs.truncateSync(DRAFT, 10e9);
  return shown('large');
}

export function draftGarbage() {
  put('['.repeat(65_000));
  return shown('garbage');
}

/** Under a message of another session, and under none. */
export async function draftForeign({ args }) {
  put({ message_id: args.goodMessage, text: 'a foreign draft', tool: null });
  await shown();
  put({ message_id: 'nobody', text: 'a foreign draft', tool: null });
  return shown('foreign');
}

/** As fast as it can, as large as it may, of several kinds. */
export function draftFlood({ message }) {
  const text = 'x'.repeat(60_000);
  let number = 0;
  setInterval(() => {
    for (let round = 0; round < 50; round++) {
      number += 1;
      put(
        number % 3 === 0
          ? '{'.repeat(60_000)
          : { message_id: message.id, text: `${number} ${text}`, tool: 'flood' },
      );
    }
  }, 1);
  return shown('flooded');
}

import { utimesSync, writeFileSync } from 'node:fs';
import { answer, Database, INBOUND, PATH } from './lawful.mjs';

/* Locks that are never given back, and journals that say a commit runs. */

export function lockOutbound({ close }) {
  close();
  const locked = new Database(PATH);
  locked.exec('BEGIN EXCLUSIVE');
  globalThis.locked = locked;
  console.log('locked');
  drawLooks();
}

/** Answers, and then reads on and on. */
export function lockInbound() {
  const reading = new Database(INBOUND, { readonly: true });
  reading.exec('BEGIN');
  reading.prepare('SELECT count(*) FROM messages').get();
  globalThis.reading = reading;
  return 'locked';
}

/** A commit that has begun to write the file, and then nothing more. */
export function hotJournal({ db }) {
  spill(db);
}

export function hotJournalAndDeath({ db }) {
  spill(db);
  process.kill(process.pid, 'SIGKILL');
}

/** Answers, and leaves a journal when it ends: what it committed can be read by its successor alone. */
export function answerAndDeath({ db, message }) {
  answer(db, message, 'my last words');
  spill(db);
  process.kill(process.pid, 'SIGKILL');
}

function spill(db) {
  db.pragma('cache_size = 1');
  db.pragma('cache_spill = 1');
  db.exec('BEGIN IMMEDIATE');
  const put = db.prepare('INSERT INTO memory (key, value) VALUES (?, hex(randomblob(2000)))');
  for (let i = 0; i < 200; i++) put.run(`spilled ${i} ${Math.random()}`);
}

/** A journal that names a file of the host: whoever rolls it back deletes that file. */
export function journalOfHostFile({ close, args }) {
  close();
  const name = Buffer.from(args.canary);
  const magic = Buffer.from('d9d505f920a163d7', 'hex');
  const header = Buffer.alloc(512);
  magic.copy(header);
  header.writeUInt32BE(512, 20);
  header.writeUInt32BE(4096, 24);
  const end = Buffer.alloc(16);
  end.writeUInt32BE(name.length, 0);
  end.writeUInt32BE(
    name.reduce((sum, byte) => sum + byte, 0),
    4,
  );
  magic.copy(end, 8);
  writeFileSync(`${PATH}-journal`, Buffer.concat([header, Buffer.alloc(4), name, end]));
  drawLooks();
}

/** The host looks at a file that changes; without this, only one that has not yet looked would meet the lock. */
function drawLooks() {
  setInterval(() => utimesSync(PATH, new Date(), new Date()), 100);
}

/** To be paused by somebody else meanwhile, as the next one is. */
export const lockInboundPaused = () => lockInbound();
export const lockOutboundPaused = (tools) => lockOutbound(tools);

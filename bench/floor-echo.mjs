// The container's half of the floor: echoes each row of inbound.db into outbound.db, with a claim commit and a reply
// commit, both FULL, and nothing else. It knows no ledger, no epochs, no turns.
import { watch } from 'node:fs';
import { createRequire } from 'node:module';

const Database = createRequire('/opt/berth/runner/main.cjs')('better-sqlite3');
const out = new Database('/session/out/outbound.db', { timeout: 5000 });
out.pragma('journal_mode = PERSIST');
out.pragma('synchronous = FULL');
out.exec(
  'CREATE TABLE claims (id INTEGER PRIMARY KEY, status TEXT); CREATE TABLE messages (seq INTEGER PRIMARY KEY, body TEXT)',
);
const inbound = new Database('/session/in/inbound.db', { readonly: true, timeout: 0 });
const next = inbound.prepare('SELECT seq, body FROM messages WHERE seq > ? ORDER BY seq');
const claim = out.prepare("INSERT INTO claims VALUES (?, 'processing')");
const done = out.prepare("UPDATE claims SET status = 'done' WHERE id = ?");
const reply = out.prepare('INSERT INTO messages VALUES (?, ?)');
const answer = out.transaction((row) => {
  reply.run(row.seq, row.body);
  done.run(row.seq);
});
let last = 0;

function look() {
  let rows;
  try {
    rows = next.all(last);
  } catch (error) {
    if (!error.code?.startsWith('SQLITE_')) throw error;
    setImmediate(look);
    return;
  }
  for (const row of rows) {
    claim.run(row.seq);
    answer(row);
    last = row.seq;
  }
}

watch('/session/in', look);
look();
console.log('ready');

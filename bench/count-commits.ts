import { closeSync, openSync, readFileSync, readSync } from 'node:fs';

/*
 * Counts the durable commits that database files have seen, from the files' own bytes. A process of its own, because
 * opening and closing a live database beside SQLite in one process drops SQLite's locks.
 *
 *   rollback journal  the change counter in the header (bytes 24 to 27): one more with each commit
 *   WAL               frames that end a transaction (their "size after commit" is not 0) under the present salt
 *
 * Source: https://www.sqlite.org/fileformat2.html
 */

const counts = process.argv
  .slice(2)
  .map((path) => (path.endsWith('-wal') ? countWal(path) : changeCounter(path)));
console.log(JSON.stringify(counts));

function changeCounter(path: string): { commits: number; era: string } {
  const file = openSync(path, 'r');
  const header = Buffer.alloc(4);
  readSync(file, header, 0, 4, 24);
  closeSync(file);
  return { commits: header.readUInt32BE(0), era: '' };
}

function countWal(path: string): { commits: number; era: string } {
  const wal = readFileSync(path);
  const pageSize = wal.readUInt32BE(8);
  const salt = wal.toString('hex', 16, 24);
  let commits = 0;
  for (let at = 32; at + 24 <= wal.length; at += 24 + pageSize) {
    if (wal.toString('hex', at + 8, at + 16) !== salt) break;
    if (wal.readUInt32BE(at + 4) !== 0) commits += 1;
  }
  return { commits, era: salt };
}

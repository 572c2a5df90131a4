import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import { OUT, PATH } from './lawful.mjs';

/* What may stand in the place of a file. */

function replace({ close }, make) {
  close();
  fs.rmSync(PATH);
  make();
}

function rewrite({ close }, how) {
  close();
  const bytes = fs.readFileSync(PATH);
  fs.writeFileSync(PATH, how(bytes) ?? bytes);
}

export const linkToSession = (tools) => replace(tools, () => fs.symlinkSync(tools.args.goodOutbound, PATH));
export const linkToPasswd = (tools) => replace(tools, () => fs.symlinkSync('/etc/passwd', PATH));
export const linkToCanary = (tools) => replace(tools, () => fs.symlinkSync(tools.args.canary, PATH));
export const fifo = (tools) => replace(tools, () => execFileSync('mkfifo', [PATH]));
export const folder = (tools) => replace(tools, () => fs.mkdirSync(PATH));
export const text = (tools) => replace(tools, () => fs.writeFileSync(PATH, 'not a database\n'.repeat(5000)));
export const sparse = (tools) => fs.truncateSync(PATH, 10e9) ?? tools.close();
export const truncated = (tools) => rewrite(tools, (bytes) => bytes.subarray(0, 3 * 4096 + 77));
export const secondName = () => fs.linkSync(PATH, `${OUT}/other.db`);

export function flipped(tools) {
  rewrite(tools, (bytes) => {
    for (let at = 100; at < bytes.length; at += 61) bytes[at] ^= 0x55;
  });
}

export function journalIsFifo({ close }) {
  close();
  fs.rmSync(`${PATH}-journal`, { force: true });
  execFileSync('mkfifo', [`${PATH}-journal`]);
  fs.utimesSync(PATH, 1, 1);
}

/** Now the file, now a FIFO: between a look at the path and the open of it. */
export function fileOrFifo({ close }) {
  close();
  execFileSync('mkfifo', [`${PATH}.fifo`]);
  fs.copyFileSync(PATH, `${PATH}.good`);
  setInterval(() => {
    for (let round = 0; round < 200; round++) {
      for (const kind of ['fifo', 'good']) {
        fs.renameSync(`${PATH}.${kind}`, PATH);
        fs.renameSync(PATH, `${PATH}.${kind}`);
      }
    }
  }, 1);
}

/** The database is gone in mid-session. */
export const deleted = ({ close }) => {
  close();
  fs.rmSync(PATH);
};

/** All that is in the folder. (The folder itself is where a mount ends.) */
export function deletedFolder({ close }) {
  close();
  for (const name of fs.readdirSync(OUT)) fs.rmSync(`${OUT}/${name}`, { recursive: true, force: true });
}

/** A header that says WAL, and the shared memory cut off under whoever maps it. */
export function wal({ db, message }) {
  db.pragma('journal_mode = WAL');
  db.prepare('UPDATE runner SET activity_at = 1').run();
  setInterval(() => fs.truncateSync(`${PATH}-shm`, 0), 1);
  return `in WAL mode: ${message.id}`;
}

import { setTimeout as pause } from 'node:timers/promises';
import Database from 'better-sqlite3';
import type { OutboundLook } from '../src/mailbox/read-rows.ts';
import { demand } from './broken.ts';
import type { Check } from './check.ts';
import type { SessionRoom } from './session-room.ts';

const MESSAGES = 40;
/** After so many milliseconds of work the runner is killed, several times over. */
const KILLS_AFTER_MS = [3, 25, 60, 110];

/** Crashes, and the locks of the host. */
export const crashChecks: Check[] = [
  {
    name: 'crash/each-once',
    rule: 'whenever it is killed, each message is answered once in the end: none is lost, none doubled',
    async run(room) {
      const ids = Array.from({ length: MESSAGES }, (_, index) => `m${index}`);
      room.put(...ids.map((id) => ({ id, chat: `chat-${id}` })));
      for (const ms of KILLS_AFTER_MS) {
        await room.start();
        await pause(ms);
        await room.runner.end('SIGKILL');
      }
      await room.start();
      demandOneReplyEach(room, await room.finished(...ids), ids);
    },
  },
  {
    name: 'crash/no-repeat',
    rule: 'what is done stays done: a new start answers nothing again',
    async run(room) {
      await room.start();
      room.put({ id: 'm1' }, { id: 'm2', chat: 'other' });
      await room.finished('m1', 'm2');
      await room.runner.end('SIGKILL');
      await room.start();
      room.put({ id: 'm3' });
      // Of each, not in sum: one reply may answer m1 again together with m3.
      demandOneReplyEach(room, await room.finished('m3'), ['m1', 'm2', 'm3']);
    },
  },
  {
    name: 'lock/inbound-held',
    rule: 'an inbound.db that the host holds means "look again shortly": nothing ends, nothing is lost',
    async run(room) {
      await room.start();
      room.put({ id: 'm1' });
      room.inbound.exec('BEGIN EXCLUSIVE');
      await pause(800);
      demand(!room.runner.hasEnded, `it ended ${room.runner.ending()}`);
      room.inbound.exec('COMMIT');
      room.put({ id: 'm2' });
      await room.finished('m1', 'm2');
    },
  },
  {
    name: 'lock/inbound-left',
    rule: 'no transaction stays open between looks: the host can always write within half a second',
    async run(room) {
      await room.start();
      room.inbound.pragma('busy_timeout = 0');
      for (let round = 0; round < 20; round += 1) {
        const end = performance.now() + 500;
        while (!tryToLock(room.inbound)) {
          demand(performance.now() < end, 'it keeps a lock on inbound.db');
          await pause(1);
        }
        // In the same transaction: on its own it might meet a look.
        room.put({ id: `m${round}` });
        room.inbound.exec('COMMIT');
        await room.finished(`m${round}`);
      }
    },
  },
  {
    name: 'lock/outbound-read',
    rule: 'a host that reads outbound.db for a moment makes the runner wait, not fail',
    async run(room) {
      await room.start();
      room.put({ id: 'm1' });
      await room.finished('m1');
      const db = new Database(room.outboundPath, { readonly: true });
      try {
        db.exec('BEGIN');
        db.prepare('SELECT count(*) FROM messages').get();
        room.put({ id: 'm2' });
        await pause(2_500);
        db.exec('COMMIT');
      } finally {
        db.close();
      }
      demand(!room.runner.hasEnded, `it ended ${room.runner.ending()}`);
      const look = await room.finished('m2');
      demand(
        look.claims.every(({ status }) => status === 'done'),
        'a turn failed because of it',
      );
    },
  },
];

function demandOneReplyEach(room: SessionRoom, look: OutboundLook, ids: readonly string[]): void {
  for (const id of ids) {
    const replies = room.repliesTo(look, id).length;
    demand(replies === 1, `message ${id} has ${replies} replies`);
  }
}

function tryToLock(db: Database.Database): boolean {
  try {
    db.exec('BEGIN EXCLUSIVE');
    return true;
  } catch {
    return false;
  }
}

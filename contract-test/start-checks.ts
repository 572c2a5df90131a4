import Database from 'better-sqlite3';
import { CONTAINER_ID_PATTERN } from '../contract/ids.ts';
import { demand } from './broken.ts';
import type { Check } from './check.ts';

/** "What a runner does", 1 and 2, and "Both files". */
export const startChecks: Check[] = [
  {
    name: 'start/tables',
    rule: 'all tables of outbound.db are made, and the row `runner` bears this session and epoch, unparked',
    async run(room) {
      await room.start();
      const look = await room.seen();
      demand(CONTAINER_ID_PATTERN.test(look.file), `runner.file_id "${look.file}" is no id`);
      demand(look.controlSeq === 0, `runner.control_seq is ${look.controlSeq}, 0 is expected`);
      demand(!look.parked, 'runner.parked is 1 at the start');
      const tables = withDatabase(room.outboundPath, (db) =>
        db.prepare<[], string>("SELECT name FROM sqlite_schema WHERE type = 'table'").pluck().all(),
      );
      demand(tables.includes('memory'), 'the table `memory` is missing');
    },
  },
  {
    name: 'start/journal',
    rule: 'outbound.db has a rollback journal, not WAL, and `PRAGMA user_version=1`',
    async run(room) {
      await room.start();
      const header = room.outboundHeader();
      demand(header[18] === 1 && header[19] === 1, 'the header of outbound.db says WAL');
      demand(header.readUInt32BE(60) === 1, `user_version is ${header.readUInt32BE(60)}`);
    },
  },
  {
    name: 'start/again',
    rule: 'a later start keeps `file_id`, takes the new epoch and resets control_seq and parked',
    async run(room) {
      await room.start();
      const first = await room.seen();
      await room.runner.end('SIGKILL');
      room.prepareOutbound((db) => db.exec('UPDATE runner SET control_seq = 7, parked = 1'));
      await room.start();
      const second = await room.seen();
      demand(second.file === first.file, `file_id changed from ${first.file} to ${second.file}`);
      demand(second.controlSeq === 0 && !second.parked, 'control_seq and parked are of the earlier start');
    },
  },
  {
    name: 'start/drops-processing',
    rule: 'a claim that a crash left `processing` is dropped and its message answered; one that is `done` is not touched',
    async run(room) {
      await room.start();
      await room.runner.end('SIGKILL');
      room.prepareOutbound((db) => {
        const insert = db.prepare(
          'INSERT INTO claims (message_id, attempt, epoch, status, at) VALUES (?, 1, 1, ?, 0)',
        );
        insert.run('crashed', 'processing');
        insert.run('finished', 'done');
      });
      room.put({ id: 'finished' }, { id: 'crashed' });
      await room.start();
      room.put({ id: 'next' });
      const look = await room.finished('crashed', 'next');
      demand(room.repliesTo(look, 'crashed').length === 1, 'the crashed message has no reply');
      demand(room.repliesTo(look, 'finished').length === 0, 'the message that was done was answered again');
    },
  },
  {
    name: 'start/prunes',
    rule: 'rows up to settled_seq of this file are removed, others are not, and no seq is used twice',
    async run(room) {
      await room.start();
      const settle = room.inbound.prepare('UPDATE session SET settled_file = ?, settled_seq = ?');
      room.put({ id: 'one' });
      const { file, messages } = await room.finished('one');
      const first = messages.at(-1)?.seq ?? 0;
      room.inbound.exec("DELETE FROM messages WHERE id = 'one'");
      settle.run('another', first);
      await restart(room);
      room.put({ id: 'two' });
      const two = await room.finished('two');
      demand(seqs(two).includes(first), 'rows were pruned for the cursor of another file');
      settle.run(file, first);
      // Mostly somebody waits when a container is started.
      room.put({ id: 'three', text: room.options.slow ?? room.options.text });
      await restart(room);
      await room.finished('three');
      await room.until('the settled row to be gone', () => {
        const look = room.look();
        return look !== undefined && !seqs(look).includes(first);
      });
      const left = seqs(await room.seen());
      demand(left.includes(seqs(two).at(-1) ?? 0), 'a row that is not settled was pruned');
      const last = left.at(-1) ?? 0;
      settle.run(file, last);
      await restart(room);
      await room.until('the settled rows to be gone', () => room.look()?.messages.length === 0);
      room.put({ id: 'four' });
      const [fourth = 0] = seqs(await room.finished('four'));
      demand(fourth > last, `seq ${fourth} was given again after pruning`);
    },
  },
  {
    name: 'start/heartbeat',
    rule: 'out/heartbeat is touched every 5 s',
    async run(room) {
      await room.start();
      await room.until('out/heartbeat', () => room.touchedAt(room.heartbeat) > 0);
      const first = room.touchedAt(room.heartbeat);
      await room.until(
        'out/heartbeat to be touched again',
        () => room.touchedAt(room.heartbeat) > first,
        8_000,
      );
    },
  },
];

function seqs({ messages }: { messages: { seq: number }[] }): number[] {
  return messages.map(({ seq }) => seq);
}

async function restart(room: Parameters<Check['run']>[0]): Promise<void> {
  await room.runner.end('SIGKILL');
  await room.start();
}

function withDatabase<T>(path: string, work: (db: Database.Database) => T): T {
  const db = new Database(path, { readonly: true, timeout: 5000 });
  try {
    return work(db);
  } finally {
    db.close();
  }
}

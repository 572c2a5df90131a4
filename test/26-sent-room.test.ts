import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { openMailboxFile } from '../contract/open-mailbox-file.ts';
import type { CollectableSession } from '../src/awake/awake-session.ts';
import { createCollect } from '../src/delivery/collect-outbound.ts';
import { LookPace } from '../src/delivery/look-pace.ts';
import { noQuota } from '../src/mailbox/disk-quota.ts';
import { makeSessionFolders, sessionFolders } from '../src/mailbox/session-folders.ts';
import { createSlowLooks } from '../src/mailbox/slow-looks.ts';
import { openLedgerRoom } from './fixtures/ledger-room.ts';

const KIB = 1024;
const MIB = 1024 * KIB;

/** What stands in a row's body beside its text. */
interface Row {
  answers?: string[];
  silent?: boolean;
  destination?: string;
  /** Bytes of its one file; none: it has no file. */
  bytes?: number;
}

/** A session with a message that waits, what its container writes, and looks of the host at it. */
async function openSentRoom(limitBytes = 10 * MIB) {
  const ledger = await openLedgerRoom();
  onTestFinished(() => ledger.close());
  const { session: id, message } = await ledger.accept('hello');
  const ticket = await ledger.wake(id);
  const folders = sessionFolders(ledger.folder, 'echo', id);
  await makeSessionFolders(folders, null, noQuota);
  const session: CollectableSession = {
    ...{ id, folders, epoch: 1, cursor: ticket?.cursor ?? { file: null, seq: 0, usage: 0, epoch: 0 } },
    open: new Map(ticket?.waiting.map((open) => [open.id, open])),
    ...{ early: new Set<string>(), processing: new Set<string>(), activeAt: 0 },
    ...{ life: { activityAt: null, toolUntil: null }, started: Promise.withResolvers<void>() },
  };
  let aheadMs = 0;
  const clock = { now: () => 1_000_000, monotonic: () => performance.now() + aheadMs };
  const slowLooks = createSlowLooks();
  onTestFinished(() => slowLooks.close());
  const events: { type: string; code: string | null; reason: string | null; files: string[] }[] = [];
  const look = createCollect({
    ...{ writer: ledger.writer, reads: ledger.reads, clock, slowLooks, keyless: [] },
    ...{ maxFileBytes: 25 * MIB, turnRetries: {} as never, diskLimitOf: () => limitBytes },
    judge: () => expect.unreachable(),
    marks: { take: () => [], giveBack: () => undefined } as never,
    onCollected: (_, result) =>
      void events.push(
        ...result.events.map(({ type, code, reason, body }) => ({
          ...{ type, code, reason },
          files: body.files.map(({ name }) => name),
        })),
      ),
    ...{ onUnread: () => undefined, onRead: () => undefined },
    ...{ onInvalid: (_, error) => expect.unreachable(String(error)) },
    onTrouble: (_, error) => expect.unreachable(String(error)),
  });
  write((db) =>
    db
      .prepare("INSERT INTO runner (only_row, file_id, session, epoch, activity_at) VALUES (1, 'f', ?, 1, 0)")
      .run(id),
  );

  function write(how: (db: ReturnType<typeof openMailboxFile>) => void): void {
    const db = openMailboxFile(folders.outbound, 'outbound', 1000);
    try {
      how(db);
    } finally {
      db.close();
    }
  }

  return {
    ...{ message, events, write, sent: folders.sent },
    /** The container writes these rows, and the host looks. */
    async say(rows: Record<string, Row>, inReplyTo: string | null = message) {
      write((db) => {
        const insert = db.prepare(
          'INSERT INTO messages (id, epoch, kind, in_reply_to, destination, body, created_at) VALUES (?, 1, ?, ?, ?, ?, 0)',
        );
        db.transaction(() => {
          for (const [rowId, { bytes, destination = null, ...rest }] of Object.entries(rows)) {
            const files = bytes === undefined ? [] : [{ name: 'a.bin', path: `files/${rowId}` }];
            if (bytes !== undefined) {
              mkdirSync(join(folders.out, 'files'), { recursive: true });
              writeFileSync(join(folders.out, 'files', rowId), Buffer.alloc(bytes, rowId));
            }
            const body = JSON.stringify({ text: rowId, files, ...rest });
            insert.run(rowId, 'chat', inReplyTo, destination, body);
          }
        })();
      });
      // Between two looks there is time enough for whoever is to wait.
      aheadMs += 3_600_000;
      await look(session);
    },
    kept: () => readdirSync(folders.sent).toSorted(),
    keptBytes: () =>
      readdirSync(folders.sent).reduce(
        (sum, row) =>
          sum + (statSync(join(folders.sent, row, 'a.bin'), { throwIfNoEntry: false })?.size ?? 0),
        0,
      ),
  };
}

test('a row that reaches no chat leaves no copy of its files', async () => {
  const room = await openSentRoom();
  const bytes = 10 * KIB;

  await room.say({
    nowhere: { destination: 'http:nobody', bytes },
    silent: { silent: true, answers: [room.message], bytes },
    shown: { answers: [room.message], bytes },
  });

  expect(room.kept()).toEqual(['shown']);
  expect(room.events).toMatchObject([{ type: 'message', files: ['a.bin'] }]);
});

test('nor does one that is refused because there were too many', async () => {
  const room = await openSentRoom();
  const many = Object.fromEntries(Array.from({ length: 600 }, (_, n) => [`row${n}`, {}]));

  await room.say({ ...many, last: { bytes: 10 * KIB } });

  expect(room.events).toHaveLength(600);
  expect(room.kept()).toEqual([]);
});

test('what was shown once is not copied over by another row of the same id', async () => {
  const room = await openSentRoom();
  await room.say({ twice: { answers: [room.message], bytes: 5 } });
  const file = join(room.sent, 'twice', 'a.bin');
  const before = readFileSync(file);
  room.write((db) => db.exec("DELETE FROM messages; UPDATE runner SET file_id = 'another'"));

  await room.say({ twice: { answers: [room.message], bytes: 6 } });

  expect(readFileSync(file)).toEqual(before);
  expect(room.events).toHaveLength(1);
});

test('past limits.disk no file is kept, the text goes all the same, and room that is made is used', async () => {
  const room = await openSentRoom(MIB);
  const rows = Object.fromEntries(
    Array.from({ length: 12 }, (_, n) => [`row${n}`, { answers: [room.message], bytes: 200 * KIB }]),
  );

  await room.say(rows);

  expect(room.keptBytes()).toBeGreaterThan(0.7 * MIB);
  expect(room.keptBytes()).toBeLessThanOrEqual(MIB + 200 * KIB);
  expect(room.events.filter(({ type }) => type === 'message')).toHaveLength(12);
  expect(room.events.at(-1)).toMatchObject({
    code: 'E_FILE_REFUSED',
    reason: expect.stringMatching(/sent before take .* and limits\.disk allows 1 MiB/),
  });

  // As pruning does.
  for (const row of room.kept()) rmSync(join(room.sent, row), { recursive: true });
  await room.say({ later: { answers: [room.message], bytes: 200 * KIB } });
  expect(existsSync(join(room.sent, 'later', 'a.bin'))).toBe(true);
});

test('copies for rows that nobody asked for use up the share of their session', () => {
  const pace = new LookPace(0);
  expect(pace.charge(1, [['m'], [], ['m']], new Map([['m', 1]]))).toEqual([true, false, false]);
  pace.spend(300);
  expect(pace.delay(0)).toBeGreaterThan(1900);
});

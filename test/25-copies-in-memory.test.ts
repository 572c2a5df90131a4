import { readdirSync } from 'node:fs';
import { expect, test } from 'vitest';
import { openOutboundRoom, say } from './fixtures/outbound-room.ts';

/** Where SQLite says how often a file was committed to: equal bytes make two files look like one that nobody touched. */
const COMMIT_COUNTER = 24;

function texts(room: ReturnType<typeof openOutboundRoom>): unknown {
  const { found } = room.look();
  return typeof found === 'string' ? found : found.messages.map(({ text }) => text);
}

test('two sessions that are looked at in turn never see what the other one wrote', () => {
  const [one, other] = [openOutboundRoom(), openOutboundRoom()];
  other.write((db) => void db.prepare('DELETE FROM messages').run());
  other.write((db) => say(db, 'r2'));
  for (const room of [one, other])
    room.patch((bytes) => {
      bytes.writeUInt32BE(7, COMMIT_COUNTER);
      return bytes;
    });
  for (let round = 0; round < 3; round++) {
    expect(texts(one)).toEqual(['text of r1']);
    expect(texts(other)).toEqual(['text of r2']);
  }
});

test('a file that has grown and shrunk again is read as it is', () => {
  const room = openOutboundRoom();
  expect(texts(room)).toEqual(['text of r1']);
  room.write((db) => {
    for (let i = 2; i <= 60; i++) say(db, `r${i}`, { body: JSON.stringify({ text: 'x'.repeat(900) }) });
  });
  expect(texts(room)).toHaveLength(60);
  room.write((db) => {
    db.prepare('DELETE FROM messages WHERE seq > 1').run();
    db.exec('VACUUM');
  });
  expect(texts(room)).toEqual(['text of r1']);
});

test('a broken page is refused, and the next session is read all the same', () => {
  const [broken, sound] = [openOutboundRoom(), openOutboundRoom()];
  expect(texts(sound)).toEqual(['text of r1']);
  broken.patch((bytes) => bytes.fill(0xff, 4096));
  expect(() => broken.look()).toThrow('outbound.db cannot be read');
  expect(texts(sound)).toEqual(['text of r1']);
});

test('other tables under a known name are not read with the statements of the known ones', () => {
  const [known, other] = [openOutboundRoom(), openOutboundRoom()];
  expect(texts(known)).toEqual(['text of r1']);
  other.write((db) => {
    db.exec('ALTER TABLE messages RENAME TO old; DROP TABLE old');
    db.exec("CREATE VIEW messages AS SELECT 'r9' AS id");
  });
  expect(() => other.look()).toThrow('messages is not an ordinary table');
  expect(texts(known)).toEqual(['text of r1']);
});

test('nothing of a copy is left under a name', () => {
  expect(texts(openOutboundRoom())).toEqual(['text of r1']);
  expect(texts(openOutboundRoom())).toEqual(['text of r1']);
  expect(readdirSync('/dev/shm').filter((name) => name.startsWith(`berth-look-${process.pid}-`))).toEqual([]);
});

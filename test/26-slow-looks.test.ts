import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { OutboundInvalid } from '../src/mailbox/outbound-invalid.ts';
import { createSlowLooks } from '../src/mailbox/slow-looks.ts';
import { openOutboundRoom, say } from './fixtures/outbound-room.ts';
import { bombSchema } from './hostile/runners/tree-bomb.ts';

function slowLooks(limitMs: number) {
  const looks = createSlowLooks(limitMs);
  onTestFinished(looks.close);
  return looks;
}

/** Ids of the processes that look, the newest last. */
function children(): string[] {
  return readFileSync(`/proc/${process.pid}/task/${process.pid}/children`, 'utf8').trim().split(' ');
}

test('what a quick look leaves is read, with large bodies and in a large file', async () => {
  const room = openOutboundRoom();
  room.write((db) => {
    say(db, 'r2', { body: JSON.stringify({ text: 'x'.repeat(1_000_000) }) });
    db.exec('CREATE TABLE own AS SELECT zeroblob(5e6) AS x; ANALYZE');
  });
  expect(room.look().found).toBe('exceeds');
  const looks = slowLooks(5000);
  expect(await looks.look(room.options)).toMatchObject({
    found: { messages: [{ id: 'r1' }], more: true, claims: [] },
  });
  const { found } = await looks.look({ ...room.options, cursor: { file: 'f', seq: 1, usage: 0, epoch: 0 } });
  if (typeof found === 'string') throw new Error(found);
  expect(found.messages[0]?.text).toHaveLength(1_000_000);
});

test('a look that never ends is killed; the next one works; another session is looked at meanwhile', async () => {
  const bomb = openOutboundRoom();
  bomb.patch((bytes) => bombSchema(bytes, (cell) => cell.includes('sqlite_autoindex_messages_1')));
  const good = openOutboundRoom();
  const looks = slowLooks(1500);

  const endless = looks.look(bomb.options);
  endless.catch(() => undefined);
  expect(await looks.look(good.options)).toMatchObject({ found: { messages: [{ id: 'r1' }] } });
  await expect(endless).rejects.toThrow('looking at outbound.db took longer than 1500 ms');
  expect(await looks.look(good.options)).toMatchObject({ found: { messages: [{ id: 'r1' }] } });
});

test('a broken file is refused in the words of the process that looked', async () => {
  const room = openOutboundRoom();
  room.write((db) => say(db, 'r2', { body: JSON.stringify({ text: 'x'.repeat(2_000_000) }) }));
  const looks = slowLooks(5000);
  const cursor = { file: 'f', seq: 1, usage: 0, epoch: 0 };
  await expect(looks.look({ ...room.options, cursor })).rejects.toThrow(/body is no text or too long/);
});

test('the process has nothing of the host in its environment', async () => {
  process.env.BERTH_CANARY_SECRET = 'canary';
  onTestFinished(() => void delete process.env.BERTH_CANARY_SECRET);
  const bomb = openOutboundRoom();
  bomb.patch((bytes) => bombSchema(bytes, (cell) => cell.includes('sqlite_autoindex_messages_1')));
  const looks = slowLooks(3000);
  const endless = looks.look(bomb.options);
  endless.catch(() => undefined);
  const child = children().at(-1);
  expect(child).toBeTruthy();
  expect(readFileSync(`/proc/${child}/environ`, 'utf8')).not.toContain('canary');
  looks.close();
  await expect(endless).rejects.toThrow(/stopping|ended/);
});

test("a process that dies for a reason of its own is nobody's fault: another one looks", async () => {
  const room = openOutboundRoom();
  const looks = slowLooks(5000);
  await looks.look(room.options);
  const child = Number(children().at(-1));
  // It has been told to look, and never will.
  process.kill(child, 'SIGSTOP');
  const look = looks.look(room.options);
  process.kill(child, 'SIGKILL');
  expect(await look).toMatchObject({ found: { messages: [{ id: 'r1' }] } });
});

test('a file that brings down a new process as well is refused', async () => {
  const bomb = openOutboundRoom();
  bomb.patch((bytes) => bombSchema(bytes, (cell) => cell.includes('sqlite_autoindex_messages_1')));
  const looks = slowLooks(10_000);
  const look = looks.look(bomb.options).catch((error: unknown) => error);
  const killed = new Set<string>();
  for (let times = 0; times < 2; times++) {
    const next = await vi.waitUntil(
      () => children().find((child) => !killed.has(child) && looksAt(child, bomb.path)),
      { timeout: 5000 },
    );
    killed.add(next);
    process.kill(Number(next), 'SIGKILL');
  }
  const error = await look;
  expect(error).toBeInstanceOf(OutboundInvalid);
  expect(String(error)).toContain('brought down the process that looked at it (SIGKILL)');
});

/** It has that file open. */
function looksAt(child: string, path: string): boolean {
  try {
    const folder = `/proc/${child}/fd`;
    return readdirSync(folder).some((fd) => readlinkSync(join(folder, fd)) === path);
  } catch {
    return false; // it is just being started, or has just ended
  }
}

import { execFileSync } from 'node:child_process';
import {
  linkSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { readDraft } from '../src/mailbox/read-draft.ts';

const SECRET = 'of another session';

function room() {
  const root = mkdtempSync(join(tmpdir(), 'berth-draft-'));
  onTestFinished(() => rmSync(root, { recursive: true }));
  const out = join(root, 'out');
  mkdirSync(out);
  const other = join(root, 'other.json');
  writeFileSync(other, JSON.stringify({ message_id: 'm1', text: SECRET, tool: null }));
  return { root, out, other, path: join(out, 'draft.json') };
}

test('a draft is read once for each version of it; where there is none, there is none', () => {
  const { out, path } = room();
  expect(readDraft(out, undefined)).toBeUndefined();
  writeFileSync(path, '{"message_id":"m1","text":"so far","tool":"search","later":1}');
  const first = readDraft(out, undefined);
  expect(first?.draft).toEqual({ message: 'm1', text: 'so far', tool: 'search' });
  expect(readDraft(out, first?.mark)).toEqual({ mark: first?.mark });
  writeFileSync(`${path}.new`, '{"message_id":"m1","text":"so far, so good"}');
  renameSync(`${path}.new`, path);
  expect(readDraft(out, first?.mark)?.draft).toEqual({ message: 'm1', text: 'so far, so good', tool: null });
});

type Room = ReturnType<typeof room>;
const content =
  (text: string) =>
  ({ path }: Room): void =>
    writeFileSync(path, text);

test.each<[what: string, spoil: (place: Room) => void, reason: RegExp]>([
  ['a link to another session', ({ other, path }) => symlinkSync(other, path), /cannot be opened \(ELOOP\)/],
  ['a second name of another file', ({ other, path }) => linkSync(other, path), /more than one link/],
  ['a link for out/', ({ root, out }) => swap(out, root), /cannot be opened/],
  ['a FIFO', ({ path }) => execFileSync('mkfifo', [path]), /not a regular file/],
  ['a folder', ({ path }) => mkdirSync(path), /not a regular file/],
  ['10 GB', ({ path }) => makeSparse(path), /larger than 65536 bytes/],
  ['a byte too much', content(JSON.stringify({ message_id: 'm', text: 'x'.repeat(65_536) })), /larger/],
  ['garbage', content(`{"message_id": "m1", "text": "${SECRET}`), /is not \{"message_id"/],
  ['nothing', content(''), /is not \{"message_id"/],
  ['brackets without end', content('['.repeat(65_000)), /is not \{"message_id"/],
  ['a list', content('[]'), /is not/],
  ['a text that is none', content('{"message_id": "m1", "text": 1}'), /is not/],
  ['an id that is none', content(`{"message_id": "${'m'.repeat(65)}", "text": ""}`), /is not/],
])('%s is no draft, and its refusal tells nothing of what it holds', (_what, spoil, reason) => {
  const place = room();
  spoil(place);
  expect(() => readDraft(place.out, undefined)).toThrow(reason);
  expect(() => readDraft(place.out, undefined)).not.toThrow(new RegExp(SECRET));
});

function swap(folder: string, target: string): void {
  rmSync(folder, { recursive: true });
  symlinkSync(target, folder);
}

function makeSparse(path: string): void {
  writeFileSync(path, '');
  truncateSync(path, 10e9);
}

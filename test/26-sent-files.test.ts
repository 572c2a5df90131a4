import { execFileSync } from 'node:child_process';
import {
  existsSync,
  linkSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { keepSentFile, safeName } from '../src/mailbox/keep-sent-file.ts';
import { openOutboundRoom } from './fixtures/outbound-room.ts';

function room() {
  const { root, out } = openOutboundRoom();
  const other = join(root, 'other', 'files');
  mkdirSync(other, { recursive: true });
  writeFileSync(join(other, 'secret.txt'), 'of another session');
  const files = join(out, 'files');
  const keep = (path: string, name = 'a.txt') =>
    keepSentFile(out, { name, path }, join(root, 'sent', 'r1'), 1000);
  return { root, out, files, other, keep };
}

test('a file is copied out of reach', async () => {
  const { files, keep, root } = room();
  mkdirSync(join(files, 'r1'));
  writeFileSync(join(files, 'r1', 'a.txt'), 'hello');
  expect(await keep('files/r1/a.txt')).toEqual({ name: 'a.txt', bytes: 5 });
  writeFileSync(join(files, 'r1', 'a.txt'), 'changed');
  expect(readFileSync(join(root, 'sent', 'r1', 'a.txt'), 'utf8')).toBe('hello');
  expect(await keep('./files//r1/a.txt', '../../b/../c.txt')).toEqual({ name: 'c.txt', bytes: 7 });
});

describe('refused, and nothing is kept', () => {
  type Room = ReturnType<typeof room>;
  const link = (to: string) => (place: Room) => symlinkSync(to, join(place.files, 'x'));
  const nothing = () => undefined;

  test.each<[what: string, path: string, spoil: (place: Room) => void, reason: RegExp]>([
    ['a link', 'files/x', (place) => link(join(place.other, 'secret.txt'))(place), /plain/],
    ['a link to /etc/passwd', 'files/x', link('/etc/passwd'), /plain/],
    ['a folder that is a link', 'files/x/secret.txt', (place) => link(place.other)(place), /plain/],
    ['a folder of devices', 'files/x/zero', link('/dev'), /plain/],
    ['a link for the folder of files', 'files/secret.txt', ({ files, other }) => swap(files, other), /plain/],
    ['a link for out/', 'files/secret.txt', ({ root, out }) => swap(out, join(root, 'other')), /plain/],
    [
      'a second name',
      'files/x',
      ({ files, other }) => linkSync(join(other, 'secret.txt'), join(files, 'x')),
      /one link/,
    ],
    ['a FIFO', 'files/x', ({ files }) => execFileSync('mkfifo', [join(files, 'x')]), /not a regular file/],
    ['a folder', 'files/x', ({ files }) => mkdirSync(join(files, 'x')), /not a regular file/],
    ['10 GB', 'files/x', ({ files }) => makeSparse(join(files, 'x')), /1000 are allowed/],
    ['..', 'files/../../other/files/secret.txt', nothing, /does not lie/],
    ['an absolute path', '/etc/passwd', nothing, /does not lie/],
    ['the database', 'outbound.db', nothing, /does not lie/],
    ['the database by a way round', 'files/../outbound.db', nothing, /does not lie/],
    ['a NUL', 'files/a\0b', nothing, /plain/],
    ['a name that is too long', `files/${'x'.repeat(300)}`, nothing, /ENAMETOOLONG/],
    ['nothing', 'files/nothing', nothing, /does not exist/],
  ])('%s', async (_, path, spoil, reason) => {
    const place = room();
    spoil(place);
    const error: Error = await place.keep(path).then(
      () => expect.unreachable(),
      (thrown) => thrown,
    );
    expect(error.message).toMatch(reason);
    expect(error.message).not.toContain(place.root);
    expect(existsSync(join(place.root, 'sent', 'r1', 'a.txt'))).toBe(false);
  });

  test('a copy that fails says so without naming folders of the host', async () => {
    const { files, keep, root } = room();
    writeFileSync(join(files, 'x'), 'hello');
    mkdirSync(join(root, 'sent', 'r1', 'a.txt', 'in the way'), { recursive: true });
    const error = await keep('files/x').catch((thrown: Error) => thrown.message);
    expect(error).toMatch(/^the file "a\.txt" cannot be kept \(E[A-Z]+\)$/);
  });
});

test('names are short enough for any file system, and plain', () => {
  expect(safeName('../../etc/passwd')).toBe('passwd');
  expect(safeName('a\u202etxt.exe\u0000')).toBe('atxt.exe');
  expect(safeName('...')).toBe('file');
  expect(safeName('\ud800')).toBe('\ufffd');
  const long = safeName(`${'€'.repeat(300)}.pdf`);
  expect(Buffer.byteLength(long)).toBeLessThanOrEqual(200);
  expect(long).toMatch(/^€+\.pdf$/);
});

function swap(folder: string, target: string): void {
  rmSync(folder, { recursive: true });
  symlinkSync(target, folder);
}

function makeSparse(path: string): void {
  writeFileSync(path, '');
  truncateSync(path, 10e9);
}

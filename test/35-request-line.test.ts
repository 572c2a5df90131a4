import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type FirstLine, FirstLineReader } from '../src/network/request-line.ts';
import { growthOf } from './fixtures/growth-of.ts';

const bytes = (text: string) => Buffer.from(text, 'latin1');

/** What is found after each piece. */
function readAll(pieces: string[]): FirstLine[] {
  const reader = new FirstLineReader();
  return pieces.map((piece) => reader.read(bytes(piece)));
}

/** A text at once, cut in two at each place, and byte by byte. */
function cuts(text: string): string[][] {
  const inTwo = Array.from(text.slice(1), (_, at) => [text.slice(0, at + 1), text.slice(at + 1)]);
  return [[text], ...inTwo, [...text]];
}

describe('however it is cut', () => {
  test.each([
    'GET / HTTP/1.1\r\n',
    'GET / HTTP/1.0\nHost: other.example\n',
    '\r\n\r\nGET / HTTP/1.1\r\nHost: other.example\r\n',
    'get\t/  HTTP/1.1\r\n',
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    'GET http://other.example/ http/1.1\r\n',
    `${'A'.repeat(41)} / HTTP/1.1\r\nHost: a\r\n\r\n`,
    ' GET / HTTP/1.1\r\n',
    '\r\n\t GET / HTTP/1.1\r\n',
    'GET http://other.example/x?data\r\n',
    'get x+1://other.example/x?data\n',
    'GET /x?data\r\n',
    'POST /x\r\nHost: other.example\r\n\r\n',
    'GET\xa0/\xa0HTTP/1.1\r\n',
    'GET\x1c/\x1cHTTP/1.1\r\n',
  ])('%j is a request, and until its line ends it could be one', (text) => {
    const start = text.search(/\w/);
    const line = text.slice(0, text.indexOf('\n', start));
    for (const pieces of cuts(text)) {
      const found = readAll(pieces);
      expect(found.at(-1)).toBe('request');
      for (const [at, kind] of found.entries())
        expect(kind).toBe(pieces.slice(0, at + 1).join('').length > line.length ? 'request' : 'open');
    }
  });

  test.each([
    'G( / HTTP/1.1\r\n',
    '(/ HTTP/1.1\r\n',
    'GET /\x01 HTTP/1.1\r\n',
    'GET /\xe9\0 HTTP/1.1\r\n',
    'GET / HTTP/1.1\0\r\n',
    'GET /\x01\r\n',
    '"GET" / hTTp/1.1\n',
  ])('%j is one that only some servers take, and is known before what makes it one goes on', (text) => {
    for (const pieces of cuts(text)) {
      const found = readAll(pieces);
      expect(found.at(-1)).toBe('odd-request');
      const goneOn = pieces.slice(0, found.lastIndexOf('odd') + 1).join('');
      expect(goneOn).not.toMatch(/http\/|\n/i);
      expect(found.filter((kind) => !['open', 'odd', 'odd-request'].includes(kind))).toEqual([]);
    }
  });

  test.each([
    ['SSH-2.0-OpenSSH_9.2\r\n', 'ssh'],
    ['EHLO mail.example\r\n', 'other'],
    ['NICK somebody\r\nUSER a b c d\r\n', 'other'],
    ['*1\r\n$4\r\nPING\r\n', 'other'],
    ['get key\r\n', 'other'],
    ['0032git-upload-pack /project.git\0host=git.example\0', 'odd'],
    ['0032git-upload-pack /project.git\0host=git.example\x000014command=ls-refs\n', 'other'],
    ["<?xml version='1.0'?><stream:stream xmlns:stream='http://etherx.jabber.org/streams'>", 'odd'],
    ['{"id":1,"method":"subscribe","params":["https://a.example/"]}\n', 'other'],
    ['0\x0c\x02\x01\x01`\x07\x02\x01\x03\x04\x00\x80\x00', 'odd'],
    ['\x00\x00\x00\x08\x04\xd2\x16\x2f', 'other'],
    ['\x10\x10\x00\x04MQTT\x04\x02\x00\x3c\x00\x04name', 'other'],
    ['\x20\x00\x00\x01\x85\xa6\x3f\x20', 'other'],
    ['\x3f\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\xd4\x07\x00\x00', 'other'],
  ] as const)('%j is none', (text, kind) => {
    for (const pieces of cuts(text)) expect(readAll(pieces).at(-1)).toBe(kind);
  });
});

test('whatever precedes it on its line, a line that ends in HTTP/1.1 is one', () => {
  const method = fc.stringMatching(/^[A-Za-z-]{1,400}$/);
  const target = fc.stringMatching(/^[!-~]{1,80}$/);
  const isOne = (verb: string, path: string) => readAll([`${verb} ${path} HTTP/1.1\r\n`])[0] === 'request';
  fc.assert(fc.property(method, target, isOne));
});

test('with nothing more to come, a line is what it is without its end', () => {
  for (const [text, kind] of [
    ['', 'other'],
    ['ruok', 'other'],
    ['GET / HTTP/1.1', 'request'],
    ['G( /', 'other'],
  ] as const) {
    const reader = new FirstLineReader();
    reader.read(bytes(text));
    expect(reader.end()).toBe(kind);
  }
});

test.each([
  ['names of HTTP without an end', (size: number) => `A ${'HTTP/1'.repeat(size / 6)}\0`],
  ['white space', (size: number) => ' '.repeat(size)],
  ['GET and white space', (size: number) => `GET${' '.repeat(size)}\n`],
  ['a scheme without an end', (size: number) => `GET ${'a'.repeat(size)}\n`],
  ['an odd line', (size: number) => `A \0${'HTTP'.repeat(size / 4)}`],
])('the work grows with the length alone: %s', (_, textOf) => {
  for (const pieceBytes of [Number.POSITIVE_INFINITY, 1]) {
    const work = (size: number) => {
      const whole = bytes(textOf(size));
      const step = Math.min(pieceBytes, whole.length);
      const pieces = Array.from({ length: Math.ceil(whole.length / step) }, (_, at) =>
        whole.subarray(at * step, (at + 1) * step),
      );
      return () => {
        const reader = new FirstLineReader();
        for (const piece of pieces) reader.read(piece);
        reader.end();
      };
    };
    expect(growthOf(work, 8 * 1024, 64 * 1024)).toBeLessThan(32);
  }
});

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { couldBeRequest, isRequest } from '../src/network/request-line.ts';

const bytes = (text: string) => Buffer.from(text, 'latin1');

test.each([
  'GET / HTTP/1.1\r\n',
  'GET / HTTP/1.0\nHost: other.example\n',
  '\r\n\r\nGET / HTTP/1.1\r\nHost: other.example\r\n',
  'get\t/  HTTP/1.1\r\n',
  'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  'GET http://other.example/ http/1.1\r\n',
])('%j is a request, and each beginning of its line could be one', (text) => {
  expect(isRequest(bytes(text))).toBe(true);
  const line = text.slice(0, text.search(/\w/) + text.trimStart().indexOf('\n'));
  for (let end = 1; end <= line.length; end++) {
    expect(isRequest(bytes(line.slice(0, end)))).toBe(false);
    expect(couldBeRequest(bytes(line.slice(0, end)))).toBe(true);
  }
});

test.each([
  'SSH-2.0-OpenSSH_9.2\r\n',
  'EHLO mail.example\r\n',
  'NICK somebody\r\nUSER a b c d\r\n',
  '*1\r\n$4\r\nPING\r\n',
  '0032git-upload-pack /project.git\0host=git.example\0',
  '\x00\x00\x00\x08\x04\xd2\x16\x2f',
])('%j is none', (text) => {
  expect(isRequest(bytes(text))).toBe(false);
  expect(couldBeRequest(bytes(text))).toBe(false);
});

test('whatever precedes it on its line, a line that ends in HTTP/1.1 is one', () => {
  const method = fc.stringMatching(/^[A-Za-z-]{1,40}$/);
  const target = fc.stringMatching(/^[!-~]{1,80}$/);
  fc.assert(fc.property(method, target, (verb, path) => isRequest(bytes(`${verb} ${path} HTTP/1.1\r\n`))));
});

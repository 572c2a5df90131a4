import { mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { describe, expect, test } from 'vitest';
import { CHAT, DEMO, startHttp, TOKEN } from './fixtures/http-client.ts';

const UPLOADS = `${CHAT}/uploads`;
const LIMIT = 1024 * 1024;

describe('POST uploads', () => {
  test.each([
    undefined,
    'application/json',
    'image/png',
    'application/x-www-form-urlencoded',
    'nonsense',
    'text/plain; =',
  ])('a body of type %s is stored as it is', async (type) => {
    const { request, host } = await startHttp();
    const body = Buffer.from([0, 255, 10, 13, 123]);
    const answer = await request('POST', `${UPLOADS}?name=${encodeURIComponent('é ?.bin')}`, {
      body,
      headers: type ? { 'content-type': type } : {},
    });
    expect(answer.status).toBe(201);
    expect(answer.json).toEqual({ upload: expect.any(String) });
    expect(host.uploads(DEMO)).toEqual([{ name: 'é ?.bin', content: body }]);
  });

  test('an empty file is a file', async () => {
    const { request, host } = await startHttp();
    expect((await request('POST', `${UPLOADS}?name=a`)).status).toBe(201);
    expect(host.uploads(DEMO)).toEqual([{ name: 'a', content: Buffer.alloc(0) }]);
  });

  test('as large as the limit: stored; one byte more: 413 and nothing left behind', async () => {
    const { request, host } = await startHttp({ maxFileBytes: LIMIT });
    const headers = { 'transfer-encoding': 'chunked' };
    expect((await request('POST', `${UPLOADS}?name=a`, { body: Buffer.alloc(LIMIT), headers })).status).toBe(
      201,
    );
    expect((await request('POST', `${UPLOADS}?name=a`, { body: Buffer.alloc(LIMIT) })).status).toBe(201);
    const answers = [
      await request('POST', `${UPLOADS}?name=b`, { body: Buffer.alloc(LIMIT + 1), headers }),
      await request('POST', `${UPLOADS}?name=b`, { body: Buffer.alloc(LIMIT + 1) }),
      await request('POST', `${UPLOADS}?name=b`, { body: Buffer.alloc(40 * LIMIT), headers }),
      await request('POST', `${UPLOADS}?name=b`, { body: Buffer.alloc(40 * LIMIT) }),
      await request('POST', `${UPLOADS}?name=b`, {
        body: Buffer.alloc(40 * LIMIT),
        headers: { connection: 'keep-alive' },
      }),
    ];
    for (const answer of answers)
      expect([answer.status, answer.json.error.code]).toEqual([413, 'E_TOO_LARGE']);
    expect(host.uploads(DEMO).map(({ name }) => name)).toEqual(['a', 'a']);
  });

  test('a caller that breaks off leaves nothing behind', async () => {
    const { port, host } = await startHttp();
    const outcome = new Promise((resolve) => {
      const real = host.upload;
      host.upload = (...args) => {
        const upload = real(...args);
        upload.then(resolve, resolve);
        return upload;
      };
    });
    const socket = connect(port, '127.0.0.1');
    socket.write(
      `POST ${UPLOADS}?name=a HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${TOKEN}\r\nContent-Length: 1000\r\n\r\npart`,
      () => socket.destroy(),
    );
    expect(await outcome).toMatchObject({ code: 'E_BAD_REQUEST' });
    expect(host.uploads(DEMO)).toEqual([]);
  });

  test.each([
    ['', 400, 'E_BAD_REQUEST'],
    ['?name=a&name=b', 400, 'E_BAD_REQUEST'],
    ['?name=', 400, 'E_BAD_NAME'],
    ['?name=..', 400, 'E_BAD_NAME'],
    ['?name=a%2Fb', 400, 'E_BAD_NAME'],
    ['?name=a%00b', 400, 'E_BAD_NAME'],
    [`?name=${'a'.repeat(10_240)}`, 400, 'E_BAD_NAME'],
  ])('%.20s: %i %s', async (query, status, code) => {
    const { request, host } = await startHttp();
    const answer = await request('POST', UPLOADS + query, { body: 'x' });
    expect([answer.status, answer.json.error.code]).toEqual([status, code]);
    expect(host.uploads(DEMO)).toEqual([]);
  });

  test('what the host refuses before it reads is answered without delay', { timeout: 4000 }, async () => {
    const { request, host } = await startHttp();
    const body = Buffer.alloc(LIMIT);
    const badName = await request('POST', `${UPLOADS}?name=..`, { body });
    expect([badName.status, badName.json.error.code]).toEqual([400, 'E_BAD_NAME']);
    host.fail('upload', 'E_DISK_FULL');
    const full = await request('POST', `${UPLOADS}?name=a`, { body });
    expect([full.status, full.json.error.code]).toEqual([507, 'E_DISK_FULL']);
    host.upload = () => expect.fail('a length past the limit is refused at once');
    expect((await request('POST', `${UPLOADS}?name=a`, { body: Buffer.alloc(LIMIT + 1) })).status).toBe(413);
  });

  test('a caller that sends everything before it reads, and wants the connection closed, gets the answer', async () => {
    const { port } = await startHttp();
    const socket = connect(port, '127.0.0.1').pause();
    const length = 40 * LIMIT;
    const head = `Host: x\r\nAuthorization: Bearer ${TOKEN}\r\nConnection: close\r\nContent-Length: ${length}\r\n\r\n`;
    socket.write(`POST ${UPLOADS}?name=a HTTP/1.1\r\n${head}`);
    const failure = await new Promise((resolve) => socket.write(Buffer.alloc(length), resolve));
    expect(failure).toBeFalsy();
    expect(await text(socket)).toMatch(/^HTTP\/1.1 413 .*"code":"E_TOO_LARGE"/s);
  });

  test('an upload that was used, or never was: 400', async () => {
    const { request } = await startHttp();
    const { upload } = (await request('POST', `${UPLOADS}?name=a`, { body: 'x' })).json;
    const body = { text: 'look', files: [{ upload, name: 'a' }] };
    expect((await request('POST', `${CHAT}/messages`, { body })).status).toBe(202);
    const answer = await request('POST', `${CHAT}/messages`, { body });
    expect([answer.status, answer.json.error.code]).toEqual([400, 'E_UPLOAD_UNKNOWN']);
  });
});

describe('GET files', () => {
  test.each([
    ['plain.txt', 'plain.txt', 'plain.txt'],
    ['two words.txt', 'two words.txt', 'two%20words.txt'],
    ['say "hi"; x=1.txt', 'say _hi_; x=1.txt', 'say%20%22hi%22%3B%20x%3D1.txt'],
    ["it's (a) *.txt", "it's (a) *.txt", 'it%27s%20%28a%29%20%2A.txt'],
    ['%41%0d%0aX: y', '_41_0d_0aX: y', '%2541%250d%250aX%3A%20y'],
    ['Zoë 日本 👋.pdf', 'Zo_ __ __.pdf', 'Zo%C3%AB%20%E6%97%A5%E6%9C%AC%20%F0%9F%91%8B.pdf'],
    ['page.html', 'page.html', 'page.html'],
    ['...', '...', '...'],
  ])('%s comes as an attachment of that name', async (name, plain, extended) => {
    const { request, host } = await startHttp();
    host.putFile(DEMO, 'o_1', name, '<b>content</b>');
    const answer = await request('GET', `${CHAT}/files/o_1/${encodeURIComponent(name)}`);
    expect(answer.status).toBe(200);
    expect(answer.body.toString()).toBe('<b>content</b>');
    expect(answer.headers).toMatchObject({
      'content-type': 'application/octet-stream',
      'content-length': '14',
      'content-disposition': `attachment; filename="${plain}"; filename*=UTF-8''${extended}`,
      'x-content-type-options': 'nosniff',
    });
  });

  test('large, empty, and only its head', async () => {
    const { request, host } = await startHttp();
    const content = Buffer.alloc(5 * LIMIT, 'abc');
    host.putFile(DEMO, 'o_1', 'large', content);
    host.putFile(DEMO, 'o_1', 'empty', '');
    expect((await request('GET', `${CHAT}/files/o_1/large`)).body.equals(content)).toBe(true);
    const empty = await request('GET', `${CHAT}/files/o_1/empty`);
    expect([empty.status, empty.headers['content-length'], empty.body.length]).toEqual([200, '0', 0]);
    const head = await request('HEAD', `${CHAT}/files/o_1/large`);
    expect([head.status, head.headers['content-length'], head.body.length]).toEqual([
      200,
      String(content.length),
      0,
    ]);
  });

  test('a file that does not exist, is gone, or is none', async () => {
    const { request, host } = await startHttp();
    const answers = [await request('GET', `${CHAT}/files/o_1/none`)];
    const path = host.putFile(DEMO, 'o_1', 'a', 'x');
    const real = host.file;
    host.file = () => ({ path, bytes: 1 });
    rmSync(path);
    answers.push(await request('GET', `${CHAT}/files/o_1/a`));
    symlinkSync('/etc/passwd', path);
    answers.push(await request('GET', `${CHAT}/files/o_1/a`));
    rmSync(path);
    mkdirSync(path);
    answers.push(await request('GET', `${CHAT}/files/o_1/a`));
    host.file = real;
    answers.push(await request('GET', `${CHAT}/files/o_1/a%2F..%2Fb`));
    answers.push(await request('GET', `${CHAT}/files/../%00`));
    expect(answers.map(({ status, json }) => [status, json.error.code])).toEqual([
      [404, 'E_NOT_FOUND'],
      [404, 'E_NOT_FOUND'],
      [500, 'E_FILE_REFUSED'],
      [500, 'E_FILE_REFUSED'],
      [404, 'E_NOT_FOUND'],
      [404, 'E_NOT_FOUND'],
    ]);
  });
});

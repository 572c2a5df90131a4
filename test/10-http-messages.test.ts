import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { describe, expect, test } from 'vitest';
import { CHAT, DEMO, startHttp, TOKEN } from './fixtures/http-client.ts';

const MESSAGES = `${CHAT}/messages`;

describe('the token', () => {
  test.each([
    ['none', null, {}],
    ['a wrong one', 'wrong', {}],
    ['one with the right beginning', `${TOKEN}x`, {}],
    ['another scheme', null, { authorization: `Basic ${TOKEN}` }],
    ['no value', null, { authorization: 'Bearer ' }],
  ])('%s: 401, also where there is nothing', async (_name, token, headers) => {
    const { request, host } = await startHttp();
    for (const path of [MESSAGES, '/v1/sessions', '/nowhere', `${CHAT}/events`]) {
      const answer = await request(path === MESSAGES ? 'POST' : 'GET', path, {
        token,
        headers,
        ...(path === MESSAGES ? { body: { text: 'hi' } } : {}),
      });
      expect(answer.status).toBe(401);
      expect(answer.json.error.code).toBe('E_UNAUTHORIZED');
      expect(answer.headers['www-authenticate']).toBe('Bearer');
    }
    expect(host.accepted).toEqual([]);
  });

  test('the scheme may be written in small letters', async () => {
    const { request } = await startHttp();
    expect(
      (await request('GET', '/v1/sessions', { token: null, headers: { authorization: `bearer ${TOKEN}` } }))
        .status,
    ).toBe(200);
  });

  test('no token and no header is ever logged', async () => {
    const { request, host, log } = await startHttp();
    host.fail('accept', 'E_LEDGER');
    await request('POST', MESSAGES, {
      body: { text: 'a private text' },
      headers: { 'x-secret': 'a-secret-header' },
    });
    await request('POST', MESSAGES, { token: 'a-wrong-token', body: { text: 'a private text' } });
    expect(log()).toContain('E_LEDGER');
    expect(log()).not.toMatch(/a-token-for-tests|a-wrong-token|a-secret-header|a private text/);
  });
});

describe('POST messages', () => {
  test('202 with the ids of message and session, and everything reaches the host', async () => {
    const { request, host } = await startHttp();
    const upload = (await request('POST', `${CHAT}/uploads?name=a.txt`, { body: 'content' })).json.upload;
    const body = {
      id: 'k1',
      sender: { id: 'u1', name: 'Ann' },
      thread: 't',
      text: 'Grüße 👋\n2',
      files: [{ upload, name: 'a.txt' }],
    };
    const answer = await request('POST', MESSAGES, { body });
    expect(answer.status).toBe(202);
    expect(answer.json).toEqual({ message: 'm_1', session: 's_one' });
    expect(host.accepted).toEqual([{ ...body, ...DEMO, message: 'm_1' }]);
  });

  test('the same id again: 200, the same answer, nothing done twice; with other content: 409', async () => {
    const { request, host } = await startHttp();
    const first = await request('POST', MESSAGES, { body: { id: 'k', text: 'one' } });
    const again = await request('POST', MESSAGES, { body: { id: 'k', text: 'one' } });
    expect([first.status, again.status]).toEqual([202, 200]);
    expect(again.json).toEqual(first.json);
    const other = await request('POST', MESSAGES, { body: { id: 'k', text: 'two' } });
    expect([other.status, other.json.error.code]).toEqual([409, 'E_DUPLICATE_ID']);
    expect(host.accepted).toHaveLength(1);
    const elsewhere = await request('POST', '/v1/groups/demo/chats/two/messages', {
      body: { id: 'k', text: 'two' },
    });
    expect(elsewhere.status).toBe(202);
  });

  test.each([
    ['E_QUEUE_FULL', 429],
    ['E_DISK_FULL', 507],
    ['E_STOPPING', 503],
    ['E_LEDGER', 500],
  ] as const)('%s: %i, and the next message is taken', async (code, status) => {
    const { request, host } = await startHttp();
    host.fail('accept', code);
    const answer = await request('POST', MESSAGES, { body: { text: 'hi' } });
    expect([answer.status, answer.json.error.code]).toEqual([status, code]);
    host.fail('accept', undefined);
    expect((await request('POST', MESSAGES, { body: { text: 'hi' } })).status).toBe(202);
  });

  test('a queue that is full: 429', async () => {
    const { request } = await startHttp({ maxQueue: 1 });
    expect((await request('POST', MESSAGES, { body: { text: '1' } })).status).toBe(202);
    expect((await request('POST', MESSAGES, { body: { text: '2' } })).status).toBe(429);
  });

  test.each([
    [{}, 'text'],
    [{ text: 1 }, 'text'],
    [{ text: 'a', id: 5 }, 'id'],
    [{ text: 'a', sender: {} }, 'sender.id'],
    [{ text: 'a', sender: 'me' }, 'sender'],
    [{ text: 'a', files: [{ upload: 'u' }] }, 'files[0].name'],
    [{ text: 'a', thred: 't' }, 'thred'],
    [['text'], 'body'],
  ])('%j: 400 that names %s', async (body, field) => {
    const { request, host } = await startHttp();
    const answer = await request('POST', MESSAGES, { body });
    expect([answer.status, answer.json.error.code]).toEqual([400, 'E_BAD_REQUEST']);
    expect(answer.json.error.message).toContain(field);
    expect(host.accepted).toEqual([]);
  });

  test.each([
    ['{"text":', 'application/json', 400],
    ['', 'application/json', 400],
    ['null', 'application/json', 400],
    ['{"__proto__":{"text":"a"}}', 'application/json', 400],
    ['['.repeat(200_000), 'application/json', 400],
    ['text=a', 'application/x-www-form-urlencoded', 415],
    ['{"text":"a"}', 'text/plain', 415],
    ['{"text":"a"}', 'nonsense', 415],
    ['{"text":"a"}', undefined, 415],
  ])('the body %.20j of type %s: %i', async (body, type, status) => {
    const { request, host } = await startHttp();
    const answer = await request('POST', MESSAGES, {
      body,
      headers: type === undefined ? {} : { 'content-type': type },
    });
    expect([answer.status, answer.json.error.code]).toEqual([status, 'E_BAD_REQUEST']);
    expect(host.accepted).toEqual([]);
  });

  test('a body of 1 MiB is taken, a longer one is 413, with a length and without', async () => {
    const { request, host } = await startHttp();
    const overhead = JSON.stringify({ text: '' }).length;
    const largest = JSON.stringify({ text: 'a'.repeat(1024 * 1024 - overhead) });
    const json = { 'content-type': 'application/json' };
    expect((await request('POST', MESSAGES, { body: largest, headers: json })).status).toBe(202);
    for (const headers of [json, { ...json, 'transfer-encoding': 'chunked' }]) {
      const answer = await request('POST', MESSAGES, { body: Buffer.alloc(20 * 1024 * 1024, 'a'), headers });
      expect([answer.status, answer.json.error.code]).toEqual([413, 'E_TOO_LARGE']);
    }
    expect(host.accepted).toHaveLength(1);
  });
});

describe("names are the host's to judge", () => {
  test.each([
    ['demo', '..', 400, 'E_BAD_NAME'],
    ['demo', '%2e%2e', 400, 'E_BAD_NAME'],
    ['demo', 'a%2Fb', 400, 'E_BAD_NAME'],
    ['demo', 'a%5Cb', 400, 'E_BAD_NAME'],
    ['demo', 'a%00b', 400, 'E_BAD_NAME'],
    ['demo', 'a%0Ab', 400, 'E_BAD_NAME'],
    ['demo', 'a'.repeat(10_240), 400, 'E_BAD_NAME'],
    ['demo', '%C3%A9'.repeat(10_240 / 2), 400, 'E_BAD_NAME'],
    ['demo', '%zz', 400, 'E_BAD_REQUEST'],
    ['%C3', 'one', 400, 'E_BAD_REQUEST'],
    ['nobody', 'one', 404, 'E_GROUP_UNKNOWN'],
    ['..', 'one', 404, 'E_GROUP_UNKNOWN'],
    ['a%2F..%2Fdemo', 'one', 404, 'E_GROUP_UNKNOWN'],
    ['a'.repeat(10_240), 'one', 404, 'E_GROUP_UNKNOWN'],
    ['broken', 'one', 409, 'E_GROUP_CONFIG'],
  ])('the group %.15s and the chat %.15s: %i %s on every route', async (group, chat, status, code) => {
    const { request, host } = await startHttp();
    const base = `/v1/groups/${group}/chats/${chat}`;
    const answers = [
      await request('POST', `${base}/messages`, { body: { text: 'hi' } }),
      await request('GET', `${base}/messages`),
      await request('GET', `${base}/events`),
      await request('GET', `${base}/files/m/n`),
      await request('POST', `${base}/uploads?name=a`, { body: 'x' }),
      await request('DELETE', base),
    ];
    for (const answer of answers) expect([answer.status, answer.json.error.code]).toEqual([status, code]);
    expect([host.accepted, host.listeners()]).toEqual([[], 0]);
  });

  test.each(['..', 'a/b', 'a\u0000b', 'a'.repeat(10_240), ''])(
    'the id, thread, sender and file name %.10j: 400',
    async (name) => {
      const { request, host } = await startHttp();
      for (const body of [
        { id: name },
        { thread: name },
        { sender: { id: name } },
        { files: [{ upload: 'u', name }] },
      ]) {
        const answer = await request('POST', MESSAGES, { body: { text: 'hi', ...body } });
        expect([answer.status, answer.json.error.code]).toEqual([400, 'E_BAD_NAME']);
      }
      expect(host.accepted).toEqual([]);
    },
  );

  test('a chat may have any other name', async () => {
    const { request, host } = await startHttp();
    await request('POST', '/v1/groups/demo/chats/%C3%A9%20%3F%23%25%F0%9F%91%8B/messages', {
      body: { text: 'hi' },
    });
    expect(host.accepted[0]?.chat).toBe('é ?#%👋');
  });
});

describe('what is no request at all', () => {
  test('headers past 64 KiB: 431', async () => {
    const { request } = await startHttp();
    const answer = await request('GET', '/healthz', { headers: { 'x-long': 'a'.repeat(70_000) } });
    expect([answer.status, answer.json.error.code]).toEqual([431, 'E_TOO_LARGE']);
  });

  test('no HTTP: 400', async () => {
    const { port } = await startHttp();
    const socket = connect(port, '127.0.0.1');
    socket.write('hello there\r\n\r\n');
    const answer = await text(socket);
    expect(answer).toMatch(/^HTTP\/1.1 400 Bad Request\r\n/);
    expect(answer).toContain('"code":"E_BAD_REQUEST"');
  });
});

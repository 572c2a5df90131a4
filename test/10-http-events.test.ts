import { createServer } from 'node:http';
import { connect } from 'node:net';
import { once } from 'node:events';
import { setImmediate } from 'node:timers/promises';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createSseWriter } from '../src/channels/http/sse-writer.ts';
import type { ChatEvent } from '../src/channels/channel.ts';
import { CHAT, DEMO, EventReader, startHttp } from './fixtures/http-client.ts';

const EVENTS = `${CHAT}/events`;
const from = (first: number, last: number) => Array.from({ length: last - first + 1 }, (_, index) => first + index);

describe('GET events', () => {
  test('messages and failures, with the documented fields and no others', async () => {
    const { events, host } = await startHttp();
    const reader = await events(EVENTS);
    const files = [{ name: 'a', bytes: 1 }];
    host.emit(DEMO, { text: 'line 1\n\nline 2 \u2028 👋', inReplyTo: 'm_1', answers: ['m_0', 'm_1'], thread: 't', files });
    host.emit(DEMO, { type: 'failure', code: 'E_TURN_FAILED', reason: 'no', inReplyTo: 'm_2', answers: ['m_2'] });
    expect(await reader.next()).toEqual({
      event: 'message',
      id: '1',
      data: {
        event: 1,
        id: 'o_1',
        inReplyTo: 'm_1',
        answers: ['m_0', 'm_1'],
        thread: 't',
        text: 'line 1\n\nline 2 \u2028 👋',
        files,
        createdAt: 1_700_000_000_001,
      },
    });
    expect(await reader.next()).toEqual({
      event: 'failure',
      id: '2',
      data: { event: 2, inReplyTo: 'm_2', answers: ['m_2'], code: 'E_TURN_FAILED', reason: 'no' },
    });
    expect(reader.response.headers).toMatchObject({ 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-store' });
  });

  test('without a number: from now; 0: from the start; n: after n; the header wins', async () => {
    const { events, host } = await startHttp();
    for (const _ of from(1, 120)) host.emit(DEMO);
    const readers = await Promise.all([
      events(EVENTS),
      events(`${EVENTS}?after=0`),
      events(EVENTS, { 'last-event-id': '100' }),
      events(`${EVENTS}?after=3`, { 'last-event-id': '119' }),
      events(`${EVENTS}?after=120`),
    ]);
    host.emit(DEMO);
    const numbers = await Promise.all(readers.map((reader) => reader.numbersUntil(121)));
    expect(numbers).toEqual([[121], from(1, 121), from(101, 121), [120, 121], [121]]);
  });

  test.each(['-1', 'x', '', '1.5', '1e3', '99999999999999999999'])('the number %j: 400', async (value) => {
    const { request, host } = await startHttp();
    const answers = [
      await request('GET', `${EVENTS}?after=${encodeURIComponent(value)}`),
      await request('GET', EVENTS, { headers: { 'last-event-id': value } }),
      await request('GET', `${CHAT}/messages?after=${encodeURIComponent(value)}`),
    ];
    for (const { status, json } of answers) expect([status, json.error.code]).toEqual([400, 'E_BAD_REQUEST']);
    expect(host.listeners()).toBe(0);
  });

  test('an event that is visible before it is announced comes once', async () => {
    const { events, host } = await startHttp();
    host.emit(DEMO);
    const early = host.store(DEMO);
    const [fromStart, fromNow] = [await events(`${EVENTS}?after=0`), await events(EVENTS)];
    expect(await fromStart.numbersUntil(2)).toEqual([1, 2]);
    host.announce(early);
    host.emit(DEMO);
    expect(await fromStart.numbersUntil(3)).toEqual([3]);
    expect(await fromNow.numbersUntil(3)).toEqual([3]);
  });

  test('1,000 events come each once and in order while the reader leaves and resumes', async () => {
    const { events, host } = await startHttp();
    const total = 1000;
    async function produce() {
      for (let n = 1; n <= total; n += 1) {
        host.emit(DEMO, { text: 'x'.repeat(n % 7 === 0 ? 20_000 : 10) });
        if (n % 3 === 0) await setImmediate();
      }
    }
    const producing = produce();
    const seen: number[] = [];
    while (seen.at(-1) !== total) {
      const reader = await events(`${EVENTS}?after=0`, seen.length > 0 ? { 'last-event-id': String(seen.at(-1)) } : {});
      for (let count = 0; count < 37 && seen.at(-1) !== total; count += 1) seen.push(Number((await reader.next())?.id));
      reader.close();
    }
    await producing;
    expect(seen).toEqual(from(1, total));
  });

  test('ten readers that join while events are produced all see the same', async () => {
    const { events, host } = await startHttp();
    for (const _ of from(1, 300)) host.emit(DEMO);
    const joining = from(1, 10).map(async (n) => (await events(`${EVENTS}?after=${n}`)).numbersUntil(1000));
    while (host.emit(DEMO).event < 1000) await setImmediate();
    for (const [index, numbers] of (await Promise.all(joining)).entries()) expect(numbers).toEqual(from(index + 2, 1000));
  });

  test('older than what is kept: a gap that says where it goes on', async () => {
    const { events, host } = await startHttp();
    for (const _ of from(1, 10)) host.emit(DEMO);
    host.prune(DEMO, 4);
    const gap = { event: 'gap', data: { first: 5 } };
    for (const after of [0, 3]) {
      const reader = await events(`${EVENTS}?after=${after}`);
      expect(await reader.next()).toEqual(gap);
      expect(await reader.numbersUntil(10)).toEqual(from(5, 10));
    }
    expect((await (await events(`${EVENTS}?after=4`)).next())?.id).toBe('5');
    host.prune(DEMO, 10);
    const reader = await events(`${EVENTS}?after=9`);
    expect(await reader.next()).toEqual({ event: 'gap', data: { first: 11 } });
    host.emit(DEMO);
    expect((await reader.next())?.id).toBe('11');
  });

  test('a chat that is deleted: its readers are closed, and the old number meets a gap', async () => {
    const { events, host, request } = await startHttp();
    for (const _ of from(1, 5)) host.emit(DEMO);
    const elsewhere = { ...DEMO, chat: 'two' };
    const [reader, other] = [await events(EVENTS), await events('/v1/groups/demo/chats/two/events')];
    expect((await request('DELETE', CHAT)).status).toBe(204);
    expect(await reader.next()).toBeUndefined();
    const again = await events(EVENTS, { 'last-event-id': '5' });
    expect(await again.next()).toEqual({ event: 'gap', data: { first: 1 } });
    host.emit(DEMO);
    expect((await again.next())?.id).toBe('1');
    host.emit(elsewhere);
    expect((await other.next())?.id).toBe('1');
  });

  test('a quiet stream bears comments', async () => {
    const { events } = await startHttp({ pingEveryMs: 10 });
    const reader = await events(EVENTS);
    expect(await reader.nextFrame()).toEqual({ comment: 'ping' });
    expect(await reader.nextFrame()).toEqual({ comment: 'ping' });
  });

  test('a reader that leaves is released', async () => {
    const { events, host } = await startHttp();
    const reader = await events(EVENTS);
    expect(host.listeners()).toBe(1);
    reader.close();
    while (host.listeners() > 0) await setImmediate();
  });

  test('a ledger that fails: an answer at the start, a closed stream later', async () => {
    const { events, request, host, log } = await startHttp();
    const reader = await events(EVENTS);
    host.fail('events', 'E_LEDGER');
    const answer = await request('GET', `${EVENTS}?after=0`);
    expect([answer.status, answer.json.error.code]).toEqual([500, 'E_LEDGER']);
    host.emit(DEMO);
    expect((await reader.next())?.id).toBe('1');
    expect(log()).toContain('E_LEDGER');
    expect(host.listeners()).toBe(1);
  });
});

describe('a slow reader', () => {
  const large = { text: 'x'.repeat(64 * 1024) };

  test('more than 1 MiB behind it is closed, and resumes without a gap; the others notice nothing', async () => {
    const { open, events, host } = await startHttp();
    const slow = await open(`${EVENTS}?after=0`);
    const healthy = await events(EVENTS);
    const all = healthy.numbersUntil(Number.POSITIVE_INFINITY);
    let produced = 0;
    while (host.listeners() > 1) {
      produced = host.emit(DEMO, large).event;
      expect(produced).toBeLessThan(2000);
      await setImmediate();
    }
    const got: number[] = [];
    const rest = new EventReader(slow);
    await expect(async () => {
      for (let frame = await rest.next(); frame; frame = await rest.next()) got.push(Number(frame.id));
    }).rejects.toThrow();
    expect(got).toEqual(from(1, got.length));
    expect(got.length).toBeLessThan(produced);
    const resumed = await events(EVENTS, { 'last-event-id': String(got.length) });
    expect(await resumed.numbersUntil(produced)).toEqual(from(got.length + 1, produced));
    const last = host.emit(DEMO).event;
    expect((await resumed.next())?.id).toBe(String(last));
    resumed.close();
    healthy.close();
    await expect(all).rejects.toThrow();
  });

  test('catching up it is waited for, however much there is', async () => {
    const { open, host } = await startHttp();
    for (const _ of from(1, 200)) host.emit(DEMO, large);
    const slow = await open(`${EVENTS}?after=0`);
    for (const _ of from(1, 50)) await setImmediate();
    for (const _ of from(201, 220)) host.emit(DEMO, large);
    expect(await new EventReader(slow).numbersUntil(220)).toEqual(from(1, 220));
  });

  test('one very long event does not close a reader', async () => {
    const { events, host } = await startHttp();
    const reader = await events(EVENTS);
    host.emit(DEMO, { text: 'x'.repeat(8 * 1024 * 1024) });
    expect((await reader.next())?.data.text.length).toBe(8 * 1024 * 1024);
    host.emit(DEMO);
    expect((await reader.next())?.id).toBe('2');
  });
});

test('an event is with the kernel before the call that sends it returns', async () => {
  const server = createServer((_request, response) => {
    const writer = createSseWriter(response);
    writer.begin();
    const before = response.socket?.bytesWritten ?? 0;
    writer.event('message', { text: 'now' }, 1);
    const { socket } = response;
    left = [socket?.writableCorked ?? -1, socket?.writableLength ?? -1, (socket?.bytesWritten ?? 0) > before];
    writer.end();
  });
  let left: unknown[] = [];
  server.listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  const socket = connect((server.address() as { port: number }).port, '127.0.0.1');
  socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  await once(socket.resume(), 'close');
  expect(left).toEqual([0, 0, true]);
});

describe('GET messages', () => {
  const MESSAGES = `${CHAT}/messages`;

  test('the same data with their type, in pages', async () => {
    const { request, host } = await startHttp();
    expect((await request('GET', MESSAGES)).json).toEqual({ events: [], last: 0 });
    host.emit(DEMO, { text: 'a' });
    host.emit(DEMO, { type: 'failure', code: 'E_TURN_FAILED', reason: 'no' });
    for (const _ of from(3, 130)) host.emit(DEMO);
    const page = (await request('GET', MESSAGES)).json;
    expect([page.events.length, page.last]).toEqual([100, 100]);
    expect(page.events[0]).toMatchObject({ type: 'message', event: 1, text: 'a' });
    expect(page.events[1]).toEqual({ type: 'failure', event: 2, inReplyTo: null, answers: [], code: 'E_TURN_FAILED', reason: 'no' });
    const next = (await request('GET', `${MESSAGES}?after=${page.last}&limit=20`)).json;
    expect([next.events.map(({ event }: ChatEvent) => event), next.last]).toEqual([from(101, 120), 120]);
    expect((await request('GET', `${MESSAGES}?after=130`)).json).toEqual({ events: [], last: 130 });
    expect((await request('GET', `${MESSAGES}?after=500`)).json).toEqual({ events: [], last: 130 });
  });

  test('long texts make a page short', async () => {
    const { request, host } = await startHttp();
    for (const _ of from(1, 120)) host.emit(DEMO, { text: 'x'.repeat(200_000) });
    const page = (await request('GET', `${MESSAGES}?limit=1000`)).json;
    expect(page.last).toBe(page.events.length);
    expect(page.last).toBeLessThan(120);
  });

  test.each(['limit=0', 'limit=1001', 'limit=x', 'limit=', 'limit=1.5', 'after=-1', 'after=1&after=2'])('%s: 400', async (query) => {
    const { request } = await startHttp();
    const answer = await request('GET', `${MESSAGES}?${query}`);
    expect([answer.status, answer.json.error.code]).toEqual([400, 'E_BAD_REQUEST']);
    expect(answer.json.error.message).toContain(query.split('=')[0]);
  });
});

import { setImmediate } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { CHAT, DEMO, startHttp } from './fixtures/http-client.ts';

const EVENTS = `${CHAT}/events`;
const from = (first: number, last: number) =>
  Array.from({ length: last - first + 1 }, (_, index) => first + index);

describe('GET events', () => {
  test('messages and failures, with the documented fields and no others', async () => {
    const { events, host } = await startHttp();
    const reader = await events(EVENTS);
    const files = [{ name: 'a', bytes: 1 }];
    host.emit(DEMO, {
      text: 'line 1\n\nline 2 \u2028 👋',
      inReplyTo: 'm_1',
      answers: ['m_0', 'm_1'],
      thread: 't',
      files,
    });
    host.emit(DEMO, {
      type: 'failure',
      code: 'E_TURN_FAILED',
      reason: 'no',
      inReplyTo: 'm_2',
      answers: ['m_2'],
    });
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
    expect(reader.response.headers).toMatchObject({
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
    });
  });

  test('a notice reaches who reads that chat, without an id, and is kept nowhere', async () => {
    const { channel, events, host } = await startHttp();
    const [mine, other] = await Promise.all([events(EVENTS), events('/v1/groups/demo/chats/two/events')]);
    channel.tell?.({ ...DEMO, session: 's_1', thread: 't', text: 'place 2 of 3' });
    host.emit(DEMO);
    host.emit({ ...DEMO, chat: 'two' });
    expect(await mine.next()).toEqual({
      event: 'notice',
      data: { session: 's_1', thread: 't', text: 'place 2 of 3' },
    });
    expect(await mine.next()).toMatchObject({ event: 'message', id: '1' });
    expect(await other.next()).toMatchObject({ event: 'message', id: '1' });
    expect(await (await events(`${EVENTS}?after=0`)).next()).toMatchObject({ event: 'message', id: '1' });
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

  test('events that are told out of order come in order', async () => {
    const { events, host } = await startHttp();
    const reader = await events(EVENTS);
    const [first, second] = [host.store(DEMO), host.store(DEMO)];
    host.announce(second);
    host.announce(first);
    expect(await reader.numbersUntil(2)).toEqual([1, 2]);
    host.emit(DEMO);
    expect(await reader.numbersUntil(3)).toEqual([3]);
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
      const reader = await events(
        `${EVENTS}?after=0`,
        seen.length > 0 ? { 'last-event-id': String(seen.at(-1)) } : {},
      );
      for (let count = 0; count < 37 && seen.at(-1) !== total; count += 1)
        seen.push(Number((await reader.next())?.id));
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
    for (const [index, numbers] of (await Promise.all(joining)).entries())
      expect(numbers).toEqual(from(index + 2, 1000));
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
    expect(host.listeners()).toBe(1);
    host.store(DEMO);
    host.emit(DEMO); // the one before has to be read
    await expect(reader.next()).rejects.toThrow();
    expect(log()).toContain('reading the events of a chat failed');
    while (host.listeners() > 0) await setImmediate();
  });
});

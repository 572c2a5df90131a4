import { describe, expect, test } from 'vitest';
import type { ChatEvent } from '../src/channels/channel.ts';
import { CHAT, DEMO, startHttp } from './fixtures/http-client.ts';

const MESSAGES = `${CHAT}/messages`;
const from = (first: number, last: number) =>
  Array.from({ length: last - first + 1 }, (_, index) => first + index);

describe('GET messages', () => {
  test('the same data with their type, in pages', async () => {
    const { request, host } = await startHttp();
    expect((await request('GET', MESSAGES)).json).toEqual({ events: [], last: 0 });
    host.emit(DEMO, { text: 'a' });
    host.emit(DEMO, { type: 'failure', code: 'E_TURN_FAILED', reason: 'no' });
    for (const _ of from(3, 130)) host.emit(DEMO);
    const page = (await request('GET', MESSAGES)).json;
    expect([page.events.length, page.last]).toEqual([100, 100]);
    expect(page.events[0]).toMatchObject({ type: 'message', event: 1, text: 'a' });
    expect(page.events[1]).toEqual({
      type: 'failure',
      event: 2,
      inReplyTo: null,
      answers: [],
      code: 'E_TURN_FAILED',
      reason: 'no',
    });
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

  test.each(['limit=0', 'limit=1001', 'limit=x', 'limit=', 'limit=1.5', 'after=-1', 'after=1&after=2'])(
    '%s: 400',
    async (query) => {
      const { request } = await startHttp();
      const answer = await request('GET', `${MESSAGES}?${query}`);
      expect([answer.status, answer.json.error.code]).toEqual([400, 'E_BAD_REQUEST']);
      expect(answer.json.error.message).toContain(query.split('=')[0]);
    },
  );
});

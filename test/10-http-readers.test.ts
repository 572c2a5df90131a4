import { once } from 'node:events';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createSseWriter } from '../src/channels/http/sse-writer.ts';
import { CHAT, DEMO, EventReader, startHttp } from './fixtures/http-client.ts';

const EVENTS = `${CHAT}/events`;
const from = (first: number, last: number) =>
  Array.from({ length: last - first + 1 }, (_, index) => first + index);

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

describe('a draft', () => {
  test('has no id, the documented fields and no others, and leaves the place of the reader', async () => {
    const { events, host } = await startHttp();
    const reader = await events(EVENTS);
    host.draft({ ...DEMO, chat: 'another' }, { text: 'not here' });
    host.draft(DEMO, { inReplyTo: 'm_1', text: 'so\nfar', tool: 'search' });
    expect(await reader.next()).toEqual({
      event: 'draft',
      data: { inReplyTo: 'm_1', text: 'so\nfar', tool: 'search' },
    });
    host.emit(DEMO, { inReplyTo: 'm_1', answers: ['m_1'] });
    expect(await reader.next()).toMatchObject({ event: 'message', id: '1' });
    expect(host.events(DEMO, 0, 10).last).toBe(1);
  });

  test('is left out for a reader that is behind, and never closes one', async () => {
    const { open, host } = await startHttp();
    const slow = await open(`${EVENTS}?after=0`);
    const text = 'x'.repeat(60 * 1024);
    // More than the buffers of the kernel and 1 MiB: were they kept, the reader would be closed.
    for (const _ of from(1, 2000)) host.draft(DEMO, { text });
    await setImmediate();
    const last = host.emit(DEMO).event;
    const reader = new EventReader(slow);
    let drafts = 0;
    for (let frame = await reader.next(); frame?.event === 'draft'; frame = await reader.next()) drafts += 1;
    expect(last).toBe(1);
    expect(host.listeners()).toBe(1);
    expect(drafts).toBeLessThan(1000);
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

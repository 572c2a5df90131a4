import { existsSync, readdirSync } from 'node:fs';
import { get } from 'node:http';
import { basename, join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { waitUntil } from './fixtures/host-process.ts';
import { answered, echo, type HostRoom, handyman, openHostRoom } from './fixtures/host-room.ts';
import { EventReader } from './fixtures/http-client.ts';
import { openRecoveryRoom } from './fixtures/recovery-room.ts';

const ONE = '/v1/groups/handy/chats/one';

/** Follows the chat's events after that number. */
async function follow(host: HostRoom, path: string, after: number): Promise<EventReader> {
  const headers = { authorization: `Bearer ${host.token}`, 'last-event-id': String(after) };
  const reader = await new Promise<EventReader>((resolve, reject) => {
    get(`${host.url}${path}/events`, { headers, agent: false }, (response) => {
      response.on('error', () => {}); // a host that is killed cuts the stream
      resolve(new EventReader(response));
    }).on('error', reject);
  });
  onTestFinished(() => reader.close());
  return reader;
}

async function upload(host: HostRoom, name: string, content: string): Promise<string> {
  const response = await fetch(`${host.url}${ONE}/uploads?name=${encodeURIComponent(name)}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${host.token}`, 'content-type': 'application/octet-stream' },
    body: content,
  });
  expect(response.status).toBe(201);
  return ((await response.json()) as { upload: string }).upload;
}

test('a reader of events that resumes after kill -9 and restart has every event once, in order', async () => {
  const host = await openHostRoom({ groups: { handy: echo() } });
  const seen: { event: number; answers: string[] }[] = [];
  const posted: string[] = [];
  for (let life = 0; life < 3; life++) {
    const reader = await follow(host, ONE, seen.at(-1)?.event ?? 0);
    const reading = readAll(reader, seen);
    for (let i = 0; i < 10; i++) posted.push((await host.post('handy', 'one', `message ${i}`)).body.message);
    // Cut in the middle: some of the ten are answered by the next host.
    await waitUntil('some events', 20_000, () => seen.length >= life * 10 + 3);
    await host.kill('SIGKILL');
    await reading;
    await host.start();
  }
  const reader = await follow(host, ONE, seen.at(-1)?.event ?? 0);
  void readAll(reader, seen);

  await waitUntil('all events', 20_000, () => seen.length >= posted.length);

  expect(seen.flatMap(({ answers }) => answers)).toEqual(posted);
  expect(seen.map(({ event }) => event)).toEqual(posted.map((_, index) => index + 1));
});

async function readAll(reader: EventReader, into: { event: number; answers: string[] }[]): Promise<void> {
  try {
    for (let frame = await reader.next(); frame; frame = await reader.next()) into.push(frame.data);
  } catch {
    // The host was killed.
  }
}

test('uploads: the bot sees names, types, sizes and contents', async () => {
  const host = await openHostRoom({ groups: { handy: handyman() } });
  const files = [
    { upload: await upload(host, 'notes.txt', 'some notes'), name: 'notes.txt' },
    { upload: await upload(host, 'ünïcode näme.csv', 'a,b\n1,2\n'), name: 'ünïcode näme.csv' },
  ];
  const { body } = await host.post('handy', 'one', { text: 'files', files });

  const [event] = await host.waitForEvents('handy', 'one', (all) => all.length > 0);

  expect(answered(event ? [event] : [])).toEqual([body.message]);
  expect(JSON.parse(event?.text ?? '')).toMatchObject({
    got: [
      { name: 'notes.txt', bytes: 10 },
      { name: 'ünïcode näme.csv', bytes: 8 },
    ],
    texts: ['some notes', 'a,b\n1,2\n'],
  });
});

test('an upload to a session that is awake is seen as well', async () => {
  const host = await openHostRoom({ groups: { handy: handyman() } });
  await host.ask('handy', 'one', 'say awake');
  const files = [{ upload: await upload(host, 'late.txt', 'late'), name: 'late.txt' }];
  await host.post('handy', 'one', { text: 'files', files });

  const events = await host.waitForEvents('handy', 'one', (all) => all.length > 1);

  expect(JSON.parse(events[1]?.text ?? '')).toMatchObject({ texts: ['late'] });
});

test('a file that the bot sends: downloaded as it was, also after its container and its host are gone', async () => {
  const host = await openHostRoom({ groups: { handy: handyman() } });
  const event = await host.ask('handy', 'one', 'send report.txt all is well');
  expect(event).toMatchObject({ text: 'sent', files: [{ name: 'report.txt', bytes: 11 }] });
  await host.kill('SIGTERM');
  await host.start();

  const response = await fetch(`${host.url}${ONE}/files/${event.id}/report.txt`, {
    headers: { authorization: `Bearer ${host.token}` },
  });

  expect(response.status).toBe(200);
  expect(response.headers.get('content-disposition')).toContain('attachment');
  expect(response.headers.get('x-content-type-options')).toBe('nosniff');
  expect(await response.text()).toBe('all is well');
});

test('DELETE chat: events, folders and container are gone; the next message begins anew', async () => {
  const host = await openHostRoom({ groups: { handy: handyman() } });
  await host.ask('handy', 'one', 'count');
  await host.ask('handy', 'one', 'send report.txt all is well');
  expect(await host.ask('handy', 'one', 'count')).toMatchObject({ text: 'count 2' });
  await host.ask('handy', 'other', 'count');

  expect((await host.request('DELETE', ONE)).status).toBe(204);

  expect(await host.events('handy', 'one')).toEqual([]);
  const { body } = await host.request<{ sessions: { id: string; chat: string }[] }>('GET', '/v1/sessions');
  expect(body.sessions.map(({ chat }) => chat)).toEqual(['other']);
  expect(readdirSync(join(host.dataDir, 'sessions', 'handy'))).toEqual(body.sessions.map(({ id }) => id));
  expect(await host.containers()).toHaveLength(1);
  expect(await host.ask('handy', 'one', 'count')).toMatchObject({ event: 1, text: 'count 1' });
  expect(await host.ask('handy', 'other', 'count')).toMatchObject({ text: 'count 2' });
  expect((await host.request('DELETE', '/v1/groups/handy/chats/never')).status).toBe(404);
});

test('DELETE chat while its bot works: ends it; what comes after has a container whose death is noticed', async () => {
  const host = await openHostRoom({ groups: { handy: handyman() }, env: { BERTH_STOP_GRACE: '1s' } });
  const { body } = await host.post('handy', 'one', 'slow 60000');
  await host.waitForState(body.session, 'awake');

  expect((await host.request('DELETE', ONE)).status).toBe(204);

  expect(existsSync(join(host.dataDir, 'sessions', 'handy', body.session))).toBe(false);
  expect(await host.containers()).toEqual([]);
  expect(await host.ask('handy', 'one', 'dieOnce')).toMatchObject({ event: 1, text: 'attempt 2' });
});

test('DELETE chat while it wakes, and with messages that come meanwhile: nothing of it stays behind', async () => {
  const host = await openHostRoom({ groups: { handy: handyman() } });
  for (let round = 0; round < 5; round++) {
    const posts = [host.post('handy', 'one', 'count')];
    const deleted = host.request('DELETE', ONE);
    for (let i = 0; i < 5; i++) posts.push(host.post('handy', 'one', 'count'));
    await deleted;
    await Promise.all(posts);
    // Whatever the race made of those messages, this one is answered, in a chat that has not been there before.
    await host.request('DELETE', ONE);
    expect(await host.ask('handy', 'one', 'count', 10_000)).toMatchObject({ text: 'count 1' });
    expect(await host.containers()).toHaveLength(1);
  }
});

test('DELETE of one chat of a shared session: the others go on, and the session is idle again', async () => {
  const shared = handyman('session: shared', 'idle: { freeze: off, stop: 1s }');
  const host = await openHostRoom({ groups: { handy: shared } });
  await host.ask('handy', 'two', 'count');
  const { body } = await host.post('handy', 'one', 'slow 1500');
  await host.post('handy', 'one', 'count');

  expect((await host.request('DELETE', ONE)).status).toBe(204);

  expect((await host.ask('handy', 'two', 'say here')).text).toBe('here');
  expect(await host.events('handy', 'one')).toEqual([]);
  await host.waitForState(body.session, 'asleep');
  expect(await host.session(body.session)).toMatchObject({ queue: 0 });
});

test('DELETE of one chat of a shared session: nothing of it is worked on any more, and the files that it was sent are gone', async () => {
  const shared = handyman('session: shared', 'idle: { freeze: off, stop: 1s }');
  const host = await openHostRoom({ groups: { handy: shared } });
  const kept = await host.ask('handy', 'two', 'send report.txt all is well');
  await host.ask('handy', 'one', 'send secret.txt for one alone');
  const { body } = await host.post('handy', 'two', 'slow 2000');
  await host.post('handy', 'one', 'write /group/written');

  expect((await host.request('DELETE', ONE)).status).toBe(204);

  const sent = join(host.dataDir, 'sessions', 'handy', body.session, 'sent');
  const files = readdirSync(sent, { recursive: true }).filter((name) => String(name).endsWith('.txt'));
  expect(files.map((name) => basename(String(name)))).toEqual(['report.txt']);
  expect(kept.files).toMatchObject([{ name: 'report.txt' }]);
  await host.waitForEvents('handy', 'two', (all) => all.at(-1)?.text === 'slow 1');
  await host.waitForState(body.session, 'asleep');
  expect(existsSync(join(host.groupsDir, 'handy', 'workspace', 'written'))).toBe(false);
});

test('DELETE of one chat of a shared session while its bot works: the turn ends, and the next chat is answered', async () => {
  const host = await openRecoveryRoom({ groups: { handy: handyman('session: shared') } });
  await host.ask('handy', 'two', 'count');
  const { body } = await host.post('handy', 'one', 'slow 60000');
  await host.post('handy', 'two', 'say here');
  const worksOn = () => host.claims('handy', body.session).some(({ id }) => id === body.message);
  await waitUntil('the turn', 20_000, worksOn);

  expect((await host.request('DELETE', ONE)).status).toBe(204);

  await host.waitForEvents('handy', 'two', (all) => all.at(-1)?.text === 'here', 20_000);
  expect(await host.session(body.session)).toMatchObject({ queue: 0, epoch: 1 });
});

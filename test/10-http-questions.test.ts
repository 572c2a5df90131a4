import { expect, test } from 'vitest';
import { CHAT, DEMO, startHttp } from './fixtures/http-client.ts';

test('a question is shown with its id and options, and a message names it', async () => {
  const { host, request, events } = await startHttp();
  const reader = await events(`${CHAT}/events?after=0`);
  host.emit(DEMO, { text: 'plain' });
  host.emit(DEMO, { text: 'Which?', question: { id: 'q_1', options: ['Red', 'Blue'] } });
  const page = await request('GET', `${CHAT}/messages`);
  expect(page.json.events[0]).not.toHaveProperty('question');
  expect(page.json.events[1]).toMatchObject({ question: { id: 'q_1', options: ['Red', 'Blue'] } });
  await reader.next();
  expect((await reader.next())?.data.question).toEqual({ id: 'q_1', options: ['Red', 'Blue'] });

  const body = { text: 'Red', answers: 'q_1' };
  expect((await request('POST', `${CHAT}/messages`, { body })).status).toBe(202);
  expect(host.accepted.at(-1)).toMatchObject(body);
  const wrong = await request('POST', `${CHAT}/messages`, { body: { text: 'Red', answers: ['q_1'] } });
  expect(wrong.json.error).toMatchObject({
    code: 'E_BAD_REQUEST',
    message: expect.stringContaining('answers'),
  });
});

import { expect, test } from 'vitest';
import { until } from './fixtures/runner-session.ts';
import { createToolSession } from './fixtures/tool-client.ts';

test('a message of the agent goes out before its turn has ended', async () => {
  const session = createToolSession();
  session.start();
  session.put({ id: 'm1' });
  const { client, call } = await session.turn();
  const { tools } = await client.listTools();
  expect(tools.map(({ name }) => name)).toEqual([
    'send_message',
    'send_file',
    'list_destinations',
    'ask_user',
    'remember',
    'recall',
    'schedule',
    'list_schedules',
    'cancel_schedule',
    'session_info',
  ]);
  expect(await call('send_message', { text: 'half way' })).toBe('Sent.');
  expect(session.replies()).toMatchObject([{ text: 'half way', inReplyTo: 'm1', answers: [], kind: 'chat' }]);
  session.endTurn();
  await session.settled('m1');
  expect(session.texts()).toEqual(['half way', 'the end']);
});

import { copyFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { createRunnerSession } from './fixtures/runner-session.ts';

const demo = join(import.meta.dirname, '../groups/demo');

test('the demo bot knows its place, counts across stops, remembers, sends a file and fails in words', async () => {
  const { agent } = parse(readFileSync(join(demo, 'group.yaml'), 'utf8'));
  const session = createRunnerSession(agent);
  copyFileSync(join(demo, 'workspace/bot.mjs'), join(session.groupDir, 'bot.mjs'));
  const say = async (id: string, text: string): Promise<string> => {
    session.put({ id, text });
    await session.settled(id);
    return session.replies().findLast((reply) => reply.inReplyTo === id)?.text ?? '';
  };
  const first = session.start();
  expect(await say('m1', 'hello')).toMatch(/Hello Ann, you said: hello\nThat was message 1 /);
  expect(await say('m2', '/help')).toContain('remember X');
  expect(await say('m3', 'where')).toMatch(/session s1/);
  expect(await say('m4', 'limits')).toMatch(/memory .*\nprocessor .*\nprocesses /);
  expect(await say('m5', 'remember the milk')).toContain('the milk');
  await first.kill('SIGTERM');

  session.start({}, 2);
  expect(await say('m6', 'recall')).toBe('- the milk');
  expect(await say('m7', 'count')).toContain('7 messages');
  expect(await say('m8', 'file')).toBe('Here is a file.');
  const [file] = session.replies().at(-1)?.files ?? [];
  expect(readFileSync(join(session.outDir, file?.path ?? ''), 'utf8')).toContain('the milk');
  await say('m9', 'fail');
  expect(session.claim('m9')?.error).toContain('the bot was asked to fail');
  await say('m10', 'crash');
  expect(session.claim('m10')).toMatchObject({ errorClass: 'permanent' });
  expect(session.claim('m10')?.error).toContain('SIGABRT');
});

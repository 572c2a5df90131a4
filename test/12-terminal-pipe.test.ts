import { Writable } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { CHAT, openTerminal } from './fixtures/terminal.ts';

describe('a pipe', () => {
  test('each line is a message, in order; blank ones are none; ends after the last reply', async () => {
    const { host, input, channel, out, err, reply } = openTerminal();
    host.onAccept = (message) => void reply(message);
    await channel.start(host);
    for (const chunk of ['one\r\n\n  \ntw', 'o \u2028 zwei\n', 'dr']) input.write(chunk);
    input.write(Buffer.from('ü👋').subarray(0, 3));
    input.end(Buffer.from('ü👋').subarray(3));
    expect(await channel.done).toBe(0);
    expect(host.accepted.map((message) => message.text)).toEqual(['one', 'two \u2028 zwei', 'drü👋']);
    expect(out.text()).toBe('re: one\nre: two \u2028 zwei\nre: drü👋\n');
    expect(err.text()).toBe('');
  });

  test('waits for replies that come after the end of the input, one for several messages', async () => {
    const { host, input, channel, out, deliver } = openTerminal();
    await channel.start(host);
    input.end('1\n2\n3\n');
    while (host.accepted.length < 3) await setImmediate();
    await deliver({ text: 'a', answers: ['m_1'] });
    await deliver({ text: 'b', inReplyTo: 'm_3', answers: ['m_2', 'm_3'] });
    expect(await channel.done).toBe(0);
    expect(out.text()).toBe('a\nb\n');
  });

  test('nothing at all: 0', async () => {
    const { host, input, channel } = openTerminal();
    await channel.start(host);
    input.end();
    expect(await channel.done).toBe(0);
  });

  test('one failure: the others are answered, 1', async () => {
    const { host, input, channel, out, err, deliver, reply } = openTerminal();
    host.onAccept = (message) => {
      if (message.text !== 'bad') return void reply(message);
      void deliver({ type: 'failure', code: 'E_TURN_CRASHED', reason: 'died', answers: [message.message] });
    };
    await channel.start(host);
    input.end('good\nbad\nbetter\n');
    expect(await channel.done).toBe(1);
    expect([out.text(), err.text()]).toEqual(['re: good\nre: better\n', 'died [E_TURN_CRASHED]\n']);
  });

  test('a line past 1 MiB is refused, the others go on; 1', async () => {
    const { host, input, channel, out, err, reply } = openTerminal();
    host.onAccept = (message) => void reply(message);
    await channel.start(host);
    input.write('one\n');
    for (let n = 0; n < 40; n += 1) input.write('x'.repeat(64 * 1024));
    input.end('\ntwo\n');
    expect(await channel.done).toBe(1);
    expect(out.text()).toBe('re: one\nre: two\n');
    expect(err.text()).toMatch(/^[^\n]*\[E_TOO_LARGE\]\n$/);
  });

  test('a host that stops: the first refusal ends it, after the replies to the others', async () => {
    const { host, input, channel, out, err, reply } = openTerminal();
    host.onAccept = (message) => {
      host.fail('accept', 'E_STOPPING');
      void reply(message);
    };
    await channel.start(host);
    input.end('one\ntwo\nthree\n');
    expect(await channel.done).toBe(1);
    expect(out.text()).toBe('re: one\n');
    expect(err.text().match(/E_STOPPING\]/g)).toHaveLength(1);
  });

  test('a full queue makes it wait for answers, and loses nothing', async () => {
    const { host, input, channel, out, reply } = openTerminal();
    const real = host.accept;
    let waiting = 0;
    host.accept = async (message) => {
      if (waiting === 2) host.fail('accept', 'E_QUEUE_FULL');
      return real(message);
    };
    host.onAccept = (message) => {
      waiting += 1;
      void setImmediate().then(() => {
        waiting -= 1;
        host.fail('accept', undefined);
        return reply(message);
      });
    };
    await channel.start(host);
    const lines = Array.from({ length: 50 }, (_, n) => `line ${n}`);
    input.end(lines.join('\n'));
    expect(await channel.done).toBe(0);
    expect(out.text()).toBe(lines.map((line) => `re: ${line}\n`).join(''));
  });

  test('a full queue in which nothing is ours is an error', async () => {
    const { host, input, channel, err } = openTerminal({ maxQueue: 0 });
    await channel.start(host);
    input.end('one\n');
    expect(await channel.done).toBe(1);
    expect(err.text()).toContain('[E_QUEUE_FULL]');
  });

  test('whoever reads the output leaves (EPIPE): the end, and the reply is not taken', async () => {
    const broken = new Writable({
      write: (_chunk, _encoding, done) => done(Object.assign(new Error('write EPIPE'), { code: 'EPIPE' })),
    });
    const { host, input, channel } = openTerminal({ output: broken });
    await channel.start(host);
    input.write('one\n');
    while (host.accepted.length === 0) await setImmediate();
    const sending = channel.send(host.store(CHAT, { text: 'reply', answers: ['m_1'] }));
    await expect(sending).rejects.toMatchObject({ code: 'E_STOPPING' });
    expect(await channel.done).toBe(0);
  });

  test('what a terminal would obey is taken out where the output is one, and only there', async () => {
    const evil = 'a\x1b[2J\x1b]0;title\x07b\x08\x9b31m\tc\r\nd';
    for (const tty of [true, false]) {
      const { host, channel, out, deliver } = openTerminal({ once: 'go', tty });
      await channel.start(host);
      await deliver({ text: evil, answers: ['m_1'] });
      await channel.done;
      expect(out.text()).toBe(tty ? 'ab\tc\nd\n' : `${evil}\n`);
    }
  });
});

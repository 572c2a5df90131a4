import { setImmediate } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { CHAT, openTerminal } from './fixtures/terminal.ts';

describe('a talk', () => {
  const talk = () => openTerminal({ tty: true, title: 'Demo' });

  test('a prompt, replies and files with the name of the group', async () => {
    const { host, input, channel, out, deliver } = talk();
    const path = host.putFile(CHAT, 'o_1', 'a', 'x');
    await channel.start(host);
    await out.until('Demo> ');
    input.write('hello\r');
    while (host.accepted.length === 0) await setImmediate();
    await deliver({ text: 'two\nlines\n', answers: ['m_1'], files: [{ name: 'a', bytes: 1 }] });
    await out.until(`file: a (1 bytes) ${path}\n`);
    expect(out.text()).toContain('Demo: two\nlines\n');
    await deliver({ type: 'failure', code: 'E_TURN_FAILED', reason: 'no', answers: ['m_1'] });
    await out.until('no [E_TURN_FAILED]\n');
    channel.notice('starting the container …');
    await out.until('starting the container …\n');
  });

  test('a reply leaves alone what is being typed', async () => {
    const { host, input, channel, out, deliver } = talk();
    await channel.start(host);
    await out.until('Demo> ');
    input.write('half a lime\x1b[D');
    await deliver({ text: 'meanwhile', answers: [] });
    input.write('\x7fn\r');
    while (host.accepted.length === 0) await setImmediate();
    expect(host.accepted[0]?.text).toBe('half a line');
  });

  test('several pasted lines are one message, typed ones are several', async () => {
    const { host, input, channel } = talk();
    await channel.start(host);
    input.write('\x1b[200~one\rtwo\r\rthree\x1b[201~');
    input.write('!\r');
    input.write('four\rfive\r\r');
    while (host.accepted.length < 3) await setImmediate();
    expect(host.accepted.map((message) => message.text)).toEqual(['one\ntwo\n\nthree!', 'four', 'five']);
  });

  test.each([
    ['/quit', '/quit\r'],
    ['Ctrl-C', 'half\x03'],
    ['Ctrl-D', '\x04'],
  ])('%s leaves: 0, though an answer is outstanding', async (_name, keys) => {
    const { host, input, channel, deliver } = talk();
    await channel.start(host);
    input.write('hello\r');
    while (host.accepted.length === 0) await setImmediate();
    input.write(keys);
    expect(await channel.done).toBe(0);
    await deliver({ text: 'late', answers: ['m_1'] });
    await channel.close();
  });

  test('a refusal is one line, and the talk goes on', async () => {
    const { host, input, channel, out, reply } = talk();
    host.fail('accept', 'E_DISK_FULL');
    await channel.start(host);
    input.write('one\r');
    await out.until('[E_DISK_FULL]\n');
    host.fail('accept', undefined);
    host.onAccept = (message) => void reply(message);
    input.write('two\r');
    await out.until('Demo: re: two\n');
    input.write('/quit\r');
    expect(await channel.done).toBe(0);
  });

  test('the terminal goes away: the end', async () => {
    const { input, channel, host, out } = talk();
    await channel.start(host);
    await out.until('Demo> ');
    input.end();
    expect(await channel.done).toBe(0);
  });
});

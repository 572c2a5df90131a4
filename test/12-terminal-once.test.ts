import { setImmediate } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { CHAT, openTerminal } from './fixtures/terminal.ts';

describe('one message', () => {
  test('the reply alone on the output, 0', async () => {
    const { host, channel, out, err, reply } = openTerminal({ once: 'hello\nthere 👋' });
    host.onAccept = (message) => void reply(message);
    await channel.start(host);
    expect(await channel.done).toBe(0);
    expect(out.text()).toBe('re: hello\nthere 👋\n');
    expect(err.text()).toBe('');
    expect(host.accepted[0]).toMatchObject({ ...CHAT, text: 'hello\nthere 👋' });
  });

  test('a notice is a line on the error output, and no reply', async () => {
    const { channel, host, out, err, reply } = openTerminal({ once: 'go' });
    host.onAccept = (message) => {
      channel.tell?.({ ...CHAT, session: 's_1', thread: null, text: 'place 2 of 3' });
      void reply(message);
    };
    await channel.start(host);
    expect(await channel.done).toBe(0);
    expect([out.text(), err.text()]).toEqual(['re: go\n', 'place 2 of 3\n']);
  });

  test('ends with the event that lists it, not with one on the way', async () => {
    const { host, channel, out, deliver } = openTerminal({ once: 'go' });
    await channel.start(host);
    await deliver({ text: 'working', inReplyTo: 'm_1', answers: [] });
    await deliver({ text: 'done\n', inReplyTo: 'm_1', answers: ['m_1'] });
    expect(await channel.done).toBe(0);
    expect(out.text()).toBe('working\ndone\n');
  });

  test('an answer that is quicker than the word of the acceptance', async () => {
    const { host, channel, out, err, reply } = openTerminal({ once: 'go' });
    const real = host.accept;
    host.accept = async (message) => {
      const accepted = await real(message);
      for (let n = 0; n < 10; n += 1) await setImmediate();
      return accepted;
    };
    host.onAccept = (message) => void reply(message);
    await channel.start(host);
    expect(await channel.done).toBe(0);
    expect([out.text(), err.text()]).toEqual(['re: go\n', '']);
  });

  test('a failure: one line with its code on the error output, 1', async () => {
    const { host, channel, out, err, deliver } = openTerminal({ once: 'go' });
    await channel.start(host);
    await deliver({ type: 'failure', reason: 'it broke\nbadly', code: 'E_TURN_FAILED', inReplyTo: 'm_1' });
    expect(await channel.done).toBe(1);
    expect([out.text(), err.text()]).toEqual(['', 'it broke badly [E_TURN_FAILED]\n']);
  });

  test.each([
    ['nobody', 'E_GROUP_UNKNOWN'],
    ['broken', 'E_GROUP_CONFIG'],
  ])('the group %s: the error on the error output, 1', async (group, code) => {
    const { host, channel, out, err } = openTerminal({ once: 'go', group });
    await channel.start(host);
    expect(await channel.done).toBe(1);
    expect(out.text()).toBe('');
    expect(err.text()).toMatch(new RegExp(`^[^\n]*\\[${code}\\]\n$`));
  });

  test('an event of an earlier talk, or sent twice, is not the reply', async () => {
    const { host, channel, out, err } = openTerminal({ once: 'go' });
    const old = host.store(CHAT, { text: 'old', inReplyTo: 'm_0', answers: ['m_0'] });
    const early = channel.send(old);
    await channel.start(host);
    await early;
    await channel.send(old);
    await channel.send(host.store(CHAT, { text: 'new', answers: ['m_1'] }));
    expect(await channel.done).toBe(0);
    expect([out.text(), err.text()]).toEqual(['new\n', 'old\n']);
  });

  test('files are shown with their path, apart from the reply', async () => {
    const { host, channel, out, err, deliver } = openTerminal({ once: 'go' });
    const path = host.putFile(CHAT, 'o_1', 'a b.txt', 'content');
    await channel.start(host);
    const files = [
      { name: 'a b.txt', bytes: 7 },
      { name: 'lost', bytes: 1 },
    ];
    await deliver({ text: '', answers: ['m_1'], files });
    expect(await channel.done).toBe(0);
    expect(out.text()).toBe('');
    expect(err.text()).toContain(`file: a b.txt (7 bytes) ${path}\n`);
    expect(err.text()).toMatch(/^file: lost: .*\[E_NOT_FOUND\]$/m);
  });

  test('an agent that says nothing: 0', async () => {
    const { host, channel, out } = openTerminal({ once: 'go' });
    const view = {
      id: 's_tty',
      group: 'demo',
      channel: 'terminal',
      chat: 'tty',
      thread: null,
      state: 'awake',
      since: 1,
    };
    const more = {
      container: null,
      epoch: 1,
      place: null,
      lastError: null,
      retryAt: null,
      imageProblem: null,
      credentialsProblem: null,
    };
    host.sessionViews = [{ ...view, ...more, queue: 1 }];
    await channel.start(host);
    while (host.accepted.length === 0) await setImmediate();
    host.sessionViews = [{ ...view, ...more, queue: 0 }];
    expect(await channel.done).toBe(0);
    expect(out.text()).toBe('');
  });

  test('a notice goes to the error output; a long wait says so only on a terminal', async () => {
    const { host, channel, out, err, deliver } = openTerminal({
      once: 'go',
      tty: true,
      patienceMs: 5,
      title: 'Demo',
    });
    await channel.start(host);
    channel.notice('starting the container …');
    await err.until('still waiting for Demo …\n');
    await deliver({ text: 'done', answers: ['m_1'] });
    expect(await channel.done).toBe(0);
    expect(err.text()).toBe('starting the container …\nstill waiting for Demo …\n');
    expect(out.text()).toBe('done\n');
  });

  test('closed before the reply: 1', async () => {
    const { host, channel } = openTerminal({ once: 'go' });
    await channel.start(host);
    while (host.accepted.length === 0) await setImmediate();
    await channel.close();
    expect(await channel.done).toBe(1);
  });
});

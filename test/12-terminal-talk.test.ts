import { setImmediate } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { draftLines } from '../src/channels/terminal/draft-lines.ts';
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

  test('what is being written is shown as it grows, with the tool in flight, and gives way to the reply', async () => {
    const { host, input, channel, out, deliver } = talk();
    await channel.start(host);
    await out.until('Demo> ');
    input.write('hello\r');
    while (host.accepted.length === 0) await setImmediate();
    host.draft(CHAT, { text: 'I thi' });
    await out.until('Demo: I thi\n');
    input.write('meanwhi');
    host.draft(CHAT, { text: 'I think\x1b]0;evil\x07 so', tool: 'search\n' });
    await out.until('Demo: I think so\n[search …]\n');
    input.write('le\r');
    while (host.accepted.length === 1) await setImmediate();
    expect(host.accepted[1]?.text).toBe('meanwhile');
    await deliver({ text: 'I think so, yes', answers: ['m_1'] });
    await out.until('Demo: I think so, yes\n');
    expect(screen(out.text())).toEqual([
      'A talk with Demo. /quit or Ctrl-D leaves.',
      'Demo> hello',
      'Demo> meanwhile',
      'Demo: I think so, yes',
      'Demo>',
    ]);
  });

  test('of a long text the end is shown, in rows that fit', () => {
    const lines = draftLines(
      { title: 'D', text: `${'word '.repeat(500)}end`, tool: 'a tool' },
      { columns: 20, rows: 10 },
    );
    expect(lines).toHaveLength(6);
    expect(lines.at(-2)).toMatch(/end$/);
    expect(lines.at(-1)).toBe('[a tool …]');
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThan(20);
    const wide = draftLines({ title: 'D', text: '漢'.repeat(50), tool: null }, { columns: 20, rows: 10 });
    expect(Math.max(...wide.map((line) => line.length))).toBeLessThan(14);
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

const ESCAPE = String.fromCharCode(27);

/** What a person sees at the end: the few control sequences that the view uses, carried out. */
function screen(text: string): string[] {
  const rows: string[] = [''];
  let [row, column] = [0, 0];
  const parts = text.matchAll(new RegExp(`${ESCAPE}\\[([?\\d;]*)([A-Za-z])|\\r|\\n|[^${ESCAPE}\\r\\n]`, 'g'));
  for (const [part, count, verb] of parts) {
    const steps = Number(count) || 1;
    if (part === '\r' || (verb === 'G' && steps === 1)) column = 0;
    else if (part === '\n') [row, column] = [row + 1, 0];
    else if (verb === 'A') row -= steps;
    else if (verb === 'B') row += steps;
    else if (verb === 'G') column = steps - 1;
    else if (verb === 'C') column += steps;
    else if (verb === 'D') column -= steps;
    else if (verb === 'K') rows[row] = rows[row]?.slice(0, column) ?? '';
    else if (verb === 'J') rows.splice(row, rows.length, rows[row]?.slice(0, column) ?? '');
    else if (verb === undefined) {
      rows[row] =
        (rows[row] ?? '').padEnd(column).slice(0, column) + part + (rows[row] ?? '').slice(column + 1);
      column += 1;
    }
    rows[row] ??= '';
  }
  return Array.from(rows, (one) => (one ?? '').trimEnd());
}

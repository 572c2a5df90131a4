import { PassThrough } from 'node:stream';
import { describe, expect, test, vi } from 'vitest';
import type { GroupEvent } from '../src/images/build-groups.ts';
import { createBuildView } from '../src/operator/build-view.ts';

const versions = { apt: { jq: '1.6-2.1' }, npm: { cowsay: '1.6.0' } };
const done: GroupEvent = {
  event: 'done',
  group: 'one',
  image: 'berth-group:0123',
  id: `sha256:${'a'.repeat(64)}`,
  size: 314_000_000,
  packages: versions,
  built: true,
  tookMs: 9800,
};
const events: GroupEvent[] = [
  { event: 'step', group: 'one', step: 3, of: 7, text: 'install-apt jq' },
  { event: 'line', group: 'one', text: 'Unpacking jq' },
  done,
];

/** What the view has written. */
function open(json: boolean, terminal?: { columns: number }) {
  const out = Object.assign(new PassThrough(), terminal ? { isTTY: true, ...terminal } : {});
  let text = '';
  out.on('data', (chunk: Buffer) => {
    text += chunk;
  });
  return { view: createBuildView(json, out as unknown as NodeJS.WriteStream), text: () => text };
}

describe('in a pipe', () => {
  test('are plain lines, at the end image, size, versions and time', () => {
    const { view, text } = open(false);
    for (const event of events) view.show(event);
    view.close();
    expect(text().split('\n')).toEqual([
      'one: step 3 of 7: install-apt jq',
      'one:   Unpacking jq',
      'one: berth-group:0123 aaaaaaaaaaaa (314 MB) built in 9.8 s',
      'one:   apt jq 1.6-2.1',
      'one:   npm cowsay 1.6.0',
      '',
    ]);
  });

  test('says what was there already, what has no image of its own, and what failed', () => {
    const { view, text } = open(false);
    view.show({ ...done, built: false, tookMs: 210, packages: { apt: {}, npm: {} } });
    view.show({ ...done, group: 'two', image: null, id: null, size: null });
    view.show({
      event: 'failed',
      group: 'three',
      code: 'E_IMAGE_PACKAGE',
      message: 'there is no Debian package x',
    });
    expect(text().split('\n')).toEqual([
      'one: berth-group:0123 aaaaaaaaaaaa (314 MB) was there already (210 ms)',
      'two: declares no packages and starts from the base image',
      'three: failed: there is no Debian package x [E_IMAGE_PACKAGE]',
      '',
    ]);
  });

  test('as JSON is one object per event', () => {
    const { view, text } = open(true);
    for (const event of events) view.show(event);
    expect(
      text()
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toEqual(events);
  });
});

describe('on a terminal', () => {
  test('is drawn over itself: step, elapsed time, last lines; the end stays', async () => {
    const { view, text } = open(false, { columns: 40 });
    for (const event of events.slice(0, 2)) view.show(event);
    view.show({ event: 'line', group: 'one', text: `\u001b[31m${'x'.repeat(100)}` });
    await vi.waitUntil(() => text().includes('Unpacking'));
    expect(text()).toMatch(/^one {2}\d+\.\d s {2}step 3 of 7: install-a/);
    for (const line of text().split('\n')) expect(line.length).toBeLessThan(40);
    expect(text()).not.toContain('\u001b[31m');
    view.show(done);
    view.close();
    expect(text()).toContain('\u001b[3A\u001b[0J'); // three lines, erased
    expect(text().split('\u001b[0J').at(-1)).toMatch(/^one: berth-group:0123 .* built in 9\.8 s\n/);
  });

  test('leaves the last lines of a build that failed', () => {
    const { view, text } = open(false, { columns: 80 });
    for (let line = 0; line < 20; line++) view.show({ event: 'line', group: 'one', text: `line ${line}` });
    view.show({ event: 'failed', group: 'one', code: 'E_IMAGE_BUILD', message: 'it failed' });
    view.close();
    expect(text().split('\n')[0]).toBe('one:   line 10');
    expect(text()).toContain('one:   line 19\none: failed: it failed [E_IMAGE_BUILD]\n');
  });
});

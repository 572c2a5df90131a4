import { execFile } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { limitLookups } from '../src/network/limit-lookups.ts';

const run = promisify(execFile);

describe('the lookups of one group', () => {
  test('of one name are one', async () => {
    let asked = 0;
    const resolve = limitLookups(async () => {
      asked++;
      return ['203.0.113.10'];
    });
    const answers = await Promise.all([1, 2, 3].map(() => resolve('a.example')));
    expect(answers).toEqual([['203.0.113.10'], ['203.0.113.10'], ['203.0.113.10']]);
    expect(asked).toBe(1);
    await resolve('a.example');
    expect(asked).toBe(2);
  });

  test('are a few at once; some wait, and what is beyond is refused', async () => {
    const begun: string[] = [];
    const ends: (() => void)[] = [];
    const resolve = limitLookups((host) => {
      begun.push(host);
      return new Promise((done) => ends.push(() => done(['203.0.113.10'])));
    });
    const all = Array.from({ length: 16 + 64 }, (_, n) => resolve(`n${n}.example`));
    await expect(resolve('late.example')).rejects.toMatchObject({
      ...{ kind: 'failed', message: 'too many names looked up at once' },
    });
    // What is an address already has not to wait for anybody.
    expect(await resolve('203.0.113.20')).toEqual(['203.0.113.20']);
    expect(begun.length).toBe(16);
    while (ends.length > 0) {
      ends.shift()?.();
      await new Promise(setImmediate);
      expect(ends.length).toBeLessThanOrEqual(16);
    }
    expect((await Promise.all(all)).length).toBe(80);
    expect(begun.length).toBe(80);
  });

  test('are not waited for without end', async () => {
    vi.useFakeTimers();
    try {
      const late = limitLookups(() => new Promise(() => undefined))('slow.example');
      const told = expect(late).rejects.toMatchObject({ kind: 'failed', message: /no answer in time/ });
      await vi.advanceTimersByTimeAsync(5_000);
      await told;
    } finally {
      vi.useRealTimers();
    }
  });
});

/** A program that resolves names as this machine does it, on a machine whose name server is one of ours. */
const PROGRAM = `
import { createResolveName } from ${JSON.stringify(new URL('../src/network/resolve-name.ts', import.meta.url).href)};
import { stat } from 'node:fs/promises';
const resolve = createResolveName();
const ms = async (work) => { const began = performance.now(); const answer = await work; return [performance.now() - began, answer]; };
for (let n = 0; n < 40; n++) resolve('n' + n + '.slow.example').catch(() => undefined);
await new Promise(setImmediate);
const found = await Promise.all([ms(resolve('quick.example')), ms(resolve('listed.example')), ms(stat('/'))]);
console.log(JSON.stringify(found.map(([took, answer]) => [took, Array.isArray(answer) ? answer : null])));
process.exit(0);
`;

const mayMount = process.getuid?.() === 0;

if (!mayMount)
  test.skip('names as this machine resolves them: another resolv.conf needs root', () => undefined);

describe.runIf(mayMount)('names as this machine resolves them', () => {
  const folder = mkdtempSync(join(tmpdir(), 'berth-names-'));
  const server = createSocket('udp4');
  const ADDRESS = '127.45.1.34';

  beforeAll(async () => {
    // Answers for quick.example alone; of the others nobody ever hears.
    server.on('message', (query, from) => {
      if (!query.includes('quick')) return;
      const isA = query.readUInt16BE(query.indexOf('example') + 8) === 1;
      const head = Buffer.from(query.subarray(0, 12));
      head.writeUInt16BE(0x8180, 2);
      head.writeUInt16BE(isA ? 1 : 0, 6);
      head.writeUInt32BE(0, 8);
      const record = Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 203, 0, 113, 10]);
      const question = query.subarray(12, query.indexOf('example') + 12);
      server.send(Buffer.concat([head, question, ...(isA ? [record] : [])]), from.port, from.address);
    });
    await new Promise<void>((resolve) => server.bind(53, ADDRESS, resolve));
    writeFileSync(join(folder, 'resolv.conf'), `nameserver ${ADDRESS}\n`);
    writeFileSync(join(folder, 'hosts'), '127.0.0.1 localhost\n203.0.113.20 other listed.example # ours\n');
    writeFileSync(join(folder, 'program.mjs'), PROGRAM);
  });
  afterAll(() => {
    server.close();
    rmSync(folder, { recursive: true });
  });

  test('many names of a slow zone hold up neither other names nor work on files', async () => {
    const script = `mount --bind ${folder}/resolv.conf /etc/resolv.conf && mount --bind ${folder}/hosts /etc/hosts && exec "$0" ${folder}/program.mjs`;
    const { stdout } = await run('unshare', ['--mount', 'sh', '-c', script, process.execPath], {
      timeout: 15_000,
    });
    const [quick, listed, file] = JSON.parse(stdout) as [number, string[] | null][];
    expect(quick?.[1]).toEqual(['203.0.113.10']);
    expect(listed?.[1]).toEqual(['203.0.113.20']);
    for (const took of [quick, listed, file]) expect(took?.[0]).toBeLessThan(2_000);
  });
});

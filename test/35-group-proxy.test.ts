import { mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createGroupProxy, type GroupProxy } from '../src/network/group-proxy.ts';
import type { Passage, Verdict } from '../src/network/verdict.ts';
import { type FakeOneCli, openFakeOneCli } from './fixtures/fake-onecli.ts';

/*
 * The proxy of one group, from its socket. Where requests have to arrive somewhere, they go through a gateway of ours: nobody
 * else is connected to.
 */

const ADDRESSES: Record<string, string[]> = {
  'allowed.example': ['203.0.113.10'],
  'both.example': ['203.0.113.10', '10.0.0.1'],
  'inward.example': ['10.0.0.1'],
};

const folder = mkdtempSync(join(tmpdir(), 'berth-proxy-'));
let gateway: FakeOneCli;
let proxy: GroupProxy;
let passages: Passage[];
let throughIt: Verdict;
let judge: () => Verdict;
let path = '';
let count = 0;
const clients: Socket[] = [];

beforeEach(async () => {
  gateway = await openFakeOneCli();
  gateway.tokens.set('sales', 'token');
  throughIt = {
    way: 'through-gateway',
    gateway: {
      target: { host: '127.0.0.1', port: gateway.gatewayPort },
      ...{ secure: false, authorization: `Basic ${Buffer.from('x:token').toString('base64')}` },
    },
  };
  judge = () => throughIt;
  passages = [];
  [proxy, path] = await open();
});
afterAll(() => rmSync(folder, { recursive: true }));
afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  await proxy.close();
  await gateway.close();
});

async function open(): Promise<[GroupProxy, string]> {
  const made = createGroupProxy({
    resolve: async (host) => {
      const found = ADDRESSES[host];
      if (!found) throw Object.assign(new Error(`no ${host}`), { code: 'ENOTFOUND' });
      return found;
    },
    judge: () => judge(),
    note: (passage) => void passages.push(passage),
  });
  const at = join(folder, `${++count}.sock`);
  await new Promise<void>((resolve) => made.server.listen(at, resolve));
  return [made, at];
}

function openClient(at = path): Socket {
  const client = connect(at).on('error', () => undefined);
  clients.push(client);
  return client;
}

/** Says something, and reads until what is there is as wanted. */
async function talk(client: Socket, bytes: string, until: RegExp): Promise<string> {
  let text = '';
  client.write(bytes);
  return await new Promise((resolve, reject) => {
    const listen = (chunk: Buffer) => {
      text += chunk.toString('latin1');
      if (until.test(text)) done();
    };
    const done = () => {
      client.off('data', listen).off('close', broke);
      resolve(text);
    };
    const broke = () =>
      until.test(text) ? done() : reject(new Error(`closed after ${JSON.stringify(text)}`));
    client.on('data', listen).once('close', broke);
  });
}

const tunnelTo = (target: string) => `CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n\r\n`;
const get = (url: string, host: string) => `GET ${url} HTTP/1.1\r\nHost: ${host}\r\n\r\n`;
const ANSWERED = /^HTTP\/1\.1 \d{3} .*\r\n\r\n/s;

describe('through the gateway', () => {
  test.each([
    ['a name that this host cannot resolve', 'postgres', 502, 'postgres has no address (ENOTFOUND)'],
    ['a name that has a private address', 'inward.example', 403, 'is at 10.0.0.1, a private address'],
    ['a name that has one beside a public one', 'both.example', 403, 'is at 10.0.0.1, a private address'],
  ])('%s does not reach it', async (_, host, status, words) => {
    for (const bytes of [tunnelTo(`${host}:443`), get(`http://${host}/`, host)]) {
      const answer = await talk(openClient(), bytes, /\r\n\r\n.*\n/s);
      expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
      expect(answer).toContain(words);
    }
    expect(gateway.passed).toEqual([]);
  });

  test('one that is somebody on the internet does', async () => {
    expect(await talk(openClient(), tunnelTo('allowed.example:443'), ANSWERED)).toMatch(/^HTTP\/1.1 200 /);
    expect(gateway.passed).toEqual([{ agent: 'sales', target: 'allowed.example:443' }]);
  });
});

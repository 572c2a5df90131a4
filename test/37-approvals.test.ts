import { PassThrough } from 'node:stream';
import { finished } from 'node:stream/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createHeldRequests, type HeldRequests } from '../src/approvals/hold-requests.ts';
import { watchApprovals } from '../src/credentials/watch-approvals.ts';
import { printApprovals } from '../src/operator/approvals.ts';
import type { Release } from '../src/release-stack.ts';
import { silent } from './fixtures/engine-room.ts';
import { type FakeOneCli, openFakeOneCli } from './fixtures/fake-onecli.ts';
import { waitUntil } from './fixtures/host-process.ts';
import { type LedgerRoom, openLedgerRoom } from './fixtures/ledger-room.ts';

let gateway: FakeOneCli;
let room: LedgerRoom;
let held: HeldRequests;
let stop: Release;
let wrongBy = 0;
const clock = { now: () => Date.now() + wrongBy, monotonic: () => performance.now() };

beforeEach(async () => {
  wrongBy = 0;
  gateway = await openFakeOneCli();
  room = await openLedgerRoom();
  open();
});
afterEach(async () => {
  await close();
  await room.close();
  await gateway.close();
});

function open(): void {
  const groupOf = (identifier: string | null) => (identifier === 'sales' ? 'sales' : null);
  held = createHeldRequests({ writer: room.writer, reads: room.reads, clock, log: silent, groupOf });
  stop = watchApprovals({ url: gateway.url, apiKey: gateway.apiKey, log: silent, decide: held.hold });
}

async function close(): Promise<void> {
  await stop();
  held.close();
}

async function waitFor(id: string): Promise<void> {
  await waitUntil('the request to be listed', 10_000, () =>
    held.list({ all: false }).some((one) => one.id === id),
  );
}

test('a request that waits is a row with all that a person has to know', async () => {
  const { id } = gateway.hold('sales', { url: 'https://api.example.com/v1/pay?to=me', body: '{"amount":7}' });
  await waitFor(id);
  expect(held.list({ all: false })).toMatchObject([
    { id, group: 'sales', agent: 'sales', method: 'POST', url: 'https://api.example.com/v1/pay?to=me' },
  ]);
  expect(held.list({ all: false })).toMatchObject([
    { preview: '{"amount":7}', status: 'waiting', decidedAt: null },
  ]);
});

test.each([
  ['approved', 'approve'],
  ['denied', 'deny'],
] as const)('%s: the gateway hears it, and it is over', async (status, decision) => {
  const request = gateway.hold('sales');
  await waitFor(request.id);
  await held.decide(request.id, status);
  expect(await request.decision).toBe(decision);
  expect(held.list({ all: false })).toEqual([]);
  expect(held.list({ all: true })).toMatchObject([{ id: request.id, status }]);
  await expect(held.decide(request.id, 'approved')).rejects.toMatchObject({
    code: 'E_APPROVAL_OVER',
    message: expect.stringContaining(`is ${status}`),
  });
});

test('expired: it is denied, and cannot be approved any more', async () => {
  const request = gateway.hold('sales', { forMs: 1_500 });
  await waitFor(request.id);
  expect(await request.decision).toBe('deny');
  expect(held.list({ all: true })).toMatchObject([{ status: 'expired' }]);
  await expect(held.decide(request.id, 'approved')).rejects.toMatchObject({ code: 'E_APPROVAL_OVER' });
});

test('expired: so it is where the clock was set back meanwhile', async () => {
  const request = gateway.hold('sales', { forMs: 1_500 });
  await waitFor(request.id);
  wrongBy = -3_600_000;
  expect(await request.decision).toBe('deny');
  expect(held.list({ all: false })).toEqual([]);
  expect(held.list({ all: true })).toMatchObject([{ status: 'expired' }]);
  await expect(held.decide(request.id, 'approved')).rejects.toMatchObject({ code: 'E_APPROVAL_OVER' });
});

test('several at once are decided each for itself', async () => {
  const [one, other] = [gateway.hold('sales'), gateway.hold(null)];
  await waitFor(one.id);
  await waitFor(other.id);
  expect(held.list({ all: false }).find(({ id }) => id === other.id)).toMatchObject({
    group: null,
    agent: 'Default',
  });
  await held.decide(other.id, 'approved');
  await held.decide(one.id, 'denied');
  expect(await Promise.all([one.decision, other.decision])).toEqual(['deny', 'approve']);
});

test.each([true, false])(
  'what waits is listed whole, however it was padded (terminal: %s)',
  async (isTTY) => {
    const url = `https://api.example.com/pay?${'x'.repeat(300)}&to=me`;
    const { id } = gateway.hold('sales', { url, body: `{"pad":"${'y'.repeat(300)}","amount":7}` });
    await waitFor(id);
    const lines: string[] = [];
    const out = Object.assign(new PassThrough(), { isTTY });
    out.on('data', (chunk: Buffer) => lines.push(...chunk.toString().split('\n')));
    printApprovals(out, held.list({ all: false }));
    out.end();
    await finished(out);
    const text = lines.join('\n');
    expect(text).toContain(url);
    expect(text).toContain('"amount":7}');
  },
);

test('one that is unknown cannot be decided', async () => {
  await expect(held.decide('nothing', 'denied')).rejects.toMatchObject({ code: 'E_APPROVAL_UNKNOWN' });
});

describe('what goes wrong', () => {
  test('a host that ends in between: the next one goes on with it', async () => {
    const request = gateway.hold('sales');
    await waitFor(request.id);
    await close();
    open();
    await waitFor(request.id);
    await held.decide(request.id, 'approved');
    expect(await request.decision).toBe('approve');
  });

  test('a decision that nobody could be told is told by the next host', async () => {
    const request = gateway.hold('sales');
    await waitFor(request.id);
    await stop();
    await held.decide(request.id, 'denied');
    await gateway.shut();
    held.close();
    await gateway.open();
    open();
    expect(await request.decision).toBe('deny');
  });

  test('a gateway that is not there at first', async () => {
    await close();
    await gateway.shut();
    open();
    await gateway.open();
    const request = gateway.hold('sales');
    await waitFor(request.id);
    await held.decide(request.id, 'approved');
    expect(await request.decision).toBe('approve');
  });

  test('a request that cannot be read is no row', async () => {
    gateway.waiting.set('odd', { id: 'odd', method: 1 });
    const { id } = gateway.hold('sales');
    await waitFor(id);
    expect(held.list({ all: true }).map((one) => one.id)).toEqual([id]);
  });
});

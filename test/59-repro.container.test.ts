import { expect, test } from 'vitest';
import { setTimeout as wait } from 'node:timers/promises';
import { echo, openHostRoom } from './fixtures/host-room.ts';
for (const delay of [0, 40, 80, 120, 160]) test(`sigterm around stop ${delay}`, async () => {
  const host = await openHostRoom({ groups: { echo: echo('idle: { freeze: off, stop: 200ms }') } });
  const {body} = await host.post('echo', 'one', 'x');
  await host.waitForEvents('echo', 'one', (all) => all.length === 1);
  await host.waitForState(body.session, 'stopping');
  await wait(delay);
  const n = host.log.length;
  const code = await Promise.race([host.kill('SIGTERM'), wait(20_000, 'timeout')]);
  if (code !== 0) { console.log(delay, code, host.log.slice(n - 3)); host.process().kill('SIGKILL'); await wait(200); }
  expect(code).toBe(0);
});

import { expect, test } from 'vitest';
import { LookPace } from '../src/delivery/look-pace.ts';

const open = (...ids: string[]) => new Map(ids.map((id) => [id, id]));

test('answers are free, once for each message', () => {
  const pace = new LookPace(0);
  for (let i = 0; i < 10_000; i++) {
    pace.charge(0.3, [[`m${i}`]], open(`m${i}`));
    expect(pace.delay(0)).toBe(0);
  }
  for (let i = 0; i < 1000; i++) pace.charge(0.3, [['m']], open('m'));
  expect(pace.delay(0)).toBeGreaterThan(1000);
});

test('an honest session in a closed loop, with a look in vain for each claim, never waits', () => {
  const pace = new LookPace(0);
  for (let i = 0; i < 2000; i++) {
    const now = i * 5;
    pace.charge(0.3, [], open('m'));
    expect(pace.delay(now)).toBe(0);
    pace.charge(0.3, [['m']], open('m'));
    pace.charge(0, [], open());
    expect(pace.delay(now)).toBe(0);
  }
});

test('looks in vain get a tenth of the time in the long run', () => {
  const pace = new LookPace(0);
  let now = 0;
  let looked = 0;
  while (now < 60_000) {
    now += pace.delay(now) + 2;
    looked += 2;
    pace.charge(2, [], open());
  }
  expect(looked).toBeLessThan(0.1 * now + 150);
  expect(looked).toBeGreaterThan(0.08 * now);
});

test('rows that nobody asked for come through at 500 a second, after a burst of as many', () => {
  const pace = new LookPace(0);
  let now = 0;
  let rows = 0;
  while (now < 10_000) {
    now += pace.delay(now) + 1;
    rows += 100;
    pace.charge(
      1,
      Array.from({ length: 100 }, () => []),
      open(),
    );
  }
  expect(rows).toBeGreaterThan(3000);
  expect(rows).toBeLessThan(6000);
});

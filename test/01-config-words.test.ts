import { describe, expect, test } from 'vitest';
import { parseDuration } from '../src/duration.ts';
import { nearest } from '../src/nearest.ts';
import { parseSize } from '../src/size.ts';

describe('durations and sizes', () => {
  test.each([
    ['500ms', 500],
    ['30s', 30_000],
    ['1.5h', 5_400_000],
    ['24d', 2_073_600_000],
    ['0s', 0],
    ['25d', undefined],
    ['30', undefined],
    ['-1s', undefined],
    ['1h30m', undefined],
    ['', undefined],
    ['1 s', undefined],
    ['1e3s', undefined],
  ])('duration %j is %j', (text, ms) => expect(parseDuration(text)).toBe(ms));

  test.each([
    ['1048576', 1_048_576],
    ['25m', 26_214_400],
    ['25MiB', 26_214_400],
    ['25 MB', 26_214_400],
    ['0.5g', 536_870_912],
    ['7b', 7],
    ['25x', undefined],
    ['m', undefined],
    ['-1m', undefined],
    ['999999t', undefined],
    ['', undefined],
  ])('size %j is %j', (text, bytes) => expect(parseSize(text)).toBe(bytes));
});

test('the nearest word is near', () => {
  expect(nearest('memroy', ['cpus', 'memory'])).toBe('memory');
  expect(nearest('MEMORY', ['cpus', 'memory'])).toBe('memory');
  expect(nearest('colour', ['cpus', 'memory'])).toBeUndefined();
  expect(nearest('x'.repeat(100_000), ['cpus'])).toBeUndefined();
});

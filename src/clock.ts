import { readFileSync } from 'node:fs';

/** Time as the host sees it. The only thing besides the chat platform that a test may replace. */
export interface Clock {
  /** Unix time in milliseconds: what rows bear. */
  now(): number;
  /** Milliseconds since the machine's start, which never jump: what durations are measured by, of earlier processes too. */
  monotonic(): number;
}

/** A seam for tests alone (docs/reliability.md): a file that says by how many milliseconds the host's clock is wrong. */
const wrongBy = process.env.BERTH_TEST_CLOCK;

/** `performance.now()` counts from the process's start, `hrtime` from the machine's; the former is the cheaper one. */
const processStart = Number(process.hrtime.bigint()) / 1e6 - performance.now();

export const systemClock: Clock = {
  now: wrongBy ? () => Date.now() + Number(readFileSync(wrongBy, 'utf8')) : () => Date.now(),
  monotonic: () => processStart + performance.now(),
};

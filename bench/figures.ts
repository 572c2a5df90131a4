/** What a figure says, for the table and for `--json`. Times are milliseconds. */
export interface Figure {
  name: string;
  /** What was measured, against which floor, in words. */
  against: string;
  n: number;
  p50: number;
  p95: number;
  p99: number;
  floor?: { n: number; p50: number; p95: number; p99: number };
  /** Each target with the value that was reached. */
  targets: { what: string; value: number; reached: boolean }[];
  /** Anything else worth printing, by name. */
  details?: Record<string, number | string>;
}

export interface Spread {
  n: number;
  p50: number;
  p95: number;
  p99: number;
}

/** The spread of a sample. @throws on an empty one. */
export function spread(sample: readonly number[]): Spread {
  const sorted = sample.toSorted((one, other) => one - other);
  const at = (part: number) => {
    const value = sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))];
    if (value === undefined) throw new Error('nothing was measured');
    return round(value);
  };
  return { n: sorted.length, p50: at(0.5), p95: at(0.95), p99: at(0.99) };
}

export function atMost(what: string, value: number, limit: number): Figure['targets'][number] {
  return { what: `${what} ≤ ${limit}`, value: round(value), reached: value <= limit };
}

export function atLeast(what: string, value: number, limit: number): Figure['targets'][number] {
  return { what: `${what} ≥ ${limit}`, value: round(value), reached: value >= limit };
}

export function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}

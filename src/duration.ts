const unitMs = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** Node's timers overflow past 2^31-1 ms and would fire at once. */
const longestMs = 24 * unitMs.d;

/** What {@link parseDuration} takes, in words for an error message. */
export const durationForm = 'a duration such as 500ms, 30s, 5m, 1h';

/** Milliseconds of a duration such as `30s` or `1.5h`; `undefined` when the text is none or is longer than 24 days. */
export function parseDuration(text: string): number | undefined {
  const parts = /^(\d{1,12}(?:\.\d{1,6})?)(ms|s|m|h|d)$/.exec(text.trim());
  if (!parts) return undefined;
  const ms = Math.round(Number(parts[1]) * unitMs[parts[2] as keyof typeof unitMs]);
  return ms <= longestMs ? ms : undefined;
}

/** A duration for people: `45 s`, `7 minutes`, `1.5 hours`. */
export function inWords(ms: number): string {
  if (ms < 120_000) return `${Number((ms / 1000).toFixed(1))} s`;
  if (ms < 7_200_000) return `${Number((ms / 60_000).toFixed(1))} minutes`;
  return `${Number((ms / 3_600_000).toFixed(1))} hours`;
}

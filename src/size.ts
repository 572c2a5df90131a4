const unitBytes = { '': 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3, t: 1024 ** 4 } as const;

/** What {@link parseSize} takes, in words for an error message. */
export const sizeForm = 'a size such as 512k, 25m, 25MiB, 2g';

/**
 * Bytes of a size such as `25m`, `25MB`, `25MiB` or `1048576`; `undefined` when the text is none. As with Docker's own
 * options every unit counts in 1024.
 */
export function parseSize(text: string): number | undefined {
  const parts = /^(\d{1,15}(?:\.\d{1,6})?) ?(?:([kmgt])(?:i?b)?|b)?$/.exec(text.trim().toLowerCase());
  if (!parts) return undefined;
  const bytes = Math.round(Number(parts[1]) * unitBytes[(parts[2] ?? '') as keyof typeof unitBytes]);
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

/** A size for people: `512 bytes`, `64 MiB`, `1.5 GiB`. */
export function inSize(bytes: number): string {
  const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'];
  const power = Math.min(Math.floor(Math.log2(Math.max(bytes, 1)) / 10), units.length - 1);
  return `${Number((bytes / 1024 ** power).toFixed(1))} ${units[power]}`;
}

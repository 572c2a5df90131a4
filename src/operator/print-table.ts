/**
 * A table for people where `out` is a terminal, tab-separated values with a head line where it is a pipe.
 * @param rows cells as text; tabs and line breaks in them become spaces.
 */
export function printTable(
  out: NodeJS.WritableStream & { isTTY?: boolean },
  head: string[],
  rows: string[][],
): void {
  const clean = rows.map((row) => row.map((cell) => cell.replace(/\s+/g, ' ')));
  if (!out.isTTY) {
    for (const row of [head, ...clean]) out.write(`${row.join('\t')}\n`);
    return;
  }
  const widths = head.map((title, column) =>
    Math.max(title.length, ...clean.map((row) => row[column]?.length ?? 0)),
  );
  for (const row of [head, ...clean]) {
    out.write(
      `${row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd()}\n`,
    );
  }
}

/** How long ago, in one short word: `12s`, `5m`, `3h`, `2d`. */
export function ago(at: number, now: number): string {
  const seconds = Math.max(0, Math.round((now - at) / 1000));
  if (seconds < 100) return `${seconds}s`;
  if (seconds < 100 * 60) return `${Math.round(seconds / 60)}m`;
  if (seconds < 48 * 3600) return `${Math.round(seconds / 3600)}h`;
  return `${Math.round(seconds / 86400)}d`;
}

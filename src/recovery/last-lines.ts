import type { Engine } from '../engines/engine.ts';
import { REPORT_LINES } from './crash-report.ts';

/** Somebody waits to be told what happened: an engine that hangs must not keep the words from them, in milliseconds. */
const PATIENCE_MS = 2000;

/** What a container printed last; nothing when the engine does not say so soon, or no longer knows it. */
export async function lastLines(engine: Engine, container: string): Promise<string[]> {
  let timer: NodeJS.Timeout | undefined;
  const tooLate = new Promise<string>((resolve) => {
    timer = setTimeout(resolve, PATIENCE_MS, '');
  });
  try {
    const text = await Promise.race([engine.tail(container, REPORT_LINES), tooLate]);
    return text === '' ? [] : text.trimEnd().split('\n').slice(-REPORT_LINES);
  } catch {
    return []; // the report says so by having none
  } finally {
    clearTimeout(timer);
  }
}

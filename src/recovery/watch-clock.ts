import type { AwakeSessions } from '../awake/awake-session.ts';
import type { Clock } from '../clock.ts';
import { type ClockReading, LEAST_JUMP_MS } from '../ledger/heed-clock.ts';
import type { Logger } from '../log.ts';
import type { Release } from '../release-stack.ts';
import type { Writer } from '../writer/writer.ts';

interface Dependencies {
  clock: Clock;
  writer: Writer;
  awake: AwakeSessions;
  log: Logger;
  /** The appointments in this process are brought forward like those in the ledger. */
  onTurnedBack(byMs: number): void;
}

/** How often the two clocks are compared, in milliseconds. */
const LOOK_MS = 1000;
/** How old the reading in the ledger may be, by which a machine that starts with a wrong clock knows it. */
const KEPT_MS = 60_000;

/**
 * Notices that the wall clock was set back, by the one that never jumps: retries would otherwise wait for as long as the clock
 * had been ahead. One that was set forward makes them come early, which harms nobody. Resolves when what happened before this
 * host began has been heeded.
 */
export async function watchClock(deps: Dependencies): Promise<Release> {
  const { clock, writer, awake, log, onTurnedBack } = deps;
  let kept: ClockReading | undefined;
  let heeding = false;
  await look();
  const timer = setInterval(() => void look(), LOOK_MS);
  return () => clearInterval(timer);

  async function look(): Promise<void> {
    const reading = { now: clock.now(), monotonic: clock.monotonic() };
    if (heeding || (kept && !isNews(kept, reading))) return;
    heeding = true;
    try {
      heed(await writer.run('heedClock', reading));
      kept = reading;
    } catch (error) {
      log.error({ err: error }, 'the clock could not be written down: tried again');
    } finally {
      heeding = false;
    }
  }

  function heed(byMs: number): void {
    if (byMs === 0) return;
    log.warn({ byMs }, 'the clock was set back: what waits for its time is brought forward');
    for (const { open } of awake.all())
      for (const [id, message] of open) open.set(id, { ...message, dueAt: message.dueAt - byMs });
    onTurnedBack(byMs);
  }
}

function isNews(before: ClockReading, after: ClockReading): boolean {
  const passed = after.monotonic - before.monotonic;
  return passed >= KEPT_MS || Math.abs(after.now - before.now - passed) >= LEAST_JUMP_MS;
}

import type { AwakeSessions } from '../awake/awake-session.ts';
import type { Clock } from '../clock.ts';
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
  onFatal(error: Error): void;
}

/** How often the two clocks are compared, in milliseconds. */
const LOOK_MS = 1000;
/** Less is the daily work of whoever keeps the clock right. */
const LEAST_MS = 500;

/**
 * Notices that the wall clock was set back, by the one that never jumps: retries would otherwise wait for as long as the clock
 * had been ahead. One that was set forward makes them come early, which harms nobody.
 */
export function watchClock(deps: Dependencies): Release {
  const ahead = () => deps.clock.now() - deps.clock.monotonic();
  let known = ahead();
  const timer = setInterval(() => {
    const now = ahead();
    const byMs = Math.round(known - now);
    known = now;
    if (byMs >= LEAST_MS) void turnBack(byMs).catch(deps.onFatal);
  }, LOOK_MS);
  return () => clearInterval(timer);

  async function turnBack(byMs: number): Promise<void> {
    deps.log.warn({ byMs }, 'the clock was set back: what waits for its time is brought forward');
    await deps.writer.run('turnBack', { byMs });
    for (const { open } of deps.awake.all())
      for (const [id, message] of open) open.set(id, { ...message, dueAt: message.dueAt - byMs });
    deps.onTurnedBack(byMs);
  }
}

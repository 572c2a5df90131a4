import { watchOutbound } from '../mailbox/watch-outbound.ts';
import type { AwakeSession } from './awake-session.ts';

/** Begins to watch what a session's container writes; released when the session is over. */
export function watchSession(
  session: AwakeSession,
  lookMs: number,
  onChange: () => void,
  onDraft: (session: AwakeSession) => void,
): void {
  const { out, outbound } = session.folders;
  session.watch = watchOutbound({
    out,
    outbound,
    lookMs,
    expectsClaim: () => session.processing.size === 0 && session.open.size > 0,
    isAwaited: () => session.open.size > 0,
    onChange,
    onDraft: () => onDraft(session),
  });
}

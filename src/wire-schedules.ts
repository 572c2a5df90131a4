import type { AwakeSessions } from './awake/awake-session.ts';
import type { Clock } from './clock.ts';
import type { Group } from './groups/group.ts';
import type { LedgerReads } from './ledger/ledger-reads.ts';
import type { Order } from './ledger/requests.ts';
import type { Logger } from './log.ts';
import type { ReleaseStack } from './release-stack.ts';
import { judgeRequest } from './requests/judge-request.ts';
import { createScheduler } from './schedules/run-schedules.ts';
import type { createRouse } from './wake/rouse-session.ts';
import type { Writer } from './writer/writer.ts';

interface Dependencies {
  writer: Writer;
  reads: LedgerReads;
  awake: AwakeSessions;
  clock: Clock;
  log: Logger;
  releases: ReleaseStack;
  group(folder: string): Group;
  rouse: ReturnType<typeof createRouse>;
  onFatal(error: Error): void;
}

/** What agents ask of the host, and what is planned: judged when it is collected, done when it comes due. */
export function wireSchedules(deps: Dependencies) {
  const { reads, awake, clock, releases, rouse, onFatal } = deps;
  const scheduler = createScheduler({ ...deps, onTask: (task) => void rouse(task).catch(onFatal) });
  releases.add('schedules', scheduler.close);

  return {
    judge: (session: string, row: Parameters<typeof judgeRequest>[1]): Order =>
      judgeRequest({ session, timezone: timezoneOf(session), now: clock.now() }, row),
    look: scheduler.look,
    turnedBack: scheduler.turnedBack,
  };

  /** Of the group as it is now; one that is gone or broken plans in UTC. */
  function timezoneOf(session: string): string {
    try {
      return (awake.get(session)?.group ?? deps.group(reads.session(session)?.group ?? '')).timezone;
    } catch {
      return 'UTC';
    }
  }
}

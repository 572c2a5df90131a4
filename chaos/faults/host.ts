import { FAILPOINTS } from '../failpoints.ts';
import { provoke } from '../provoke.ts';
import type { Room } from '../room.ts';
import type { PlannedFault } from '../schedule.ts';
import { until } from '../until.ts';

/** How long the host may take to come by a failpoint; one that it has not passed by then stays armed. */
const PATIENCE_MS = 5_000;

export async function hostKilled(room: Room, fault: PlannedFault): Promise<string | undefined> {
  const { failpoints, host, history } = room;
  const failpoint = fault.failpoint ?? '';
  const provocation = FAILPOINTS.get(failpoint) ?? 'traffic';
  const before = host.kills.get(failpoint) ?? 0;
  // What has to be provoked happens once.
  failpoints.arm(failpoint, provocation === 'traffic' ? fault.pass : 1);
  await provoke(provocation, room, fault);
  const isHit = () => (host.kills.get(failpoint) ?? 0) > before;
  const hit = await until('the failpoint', PATIENCE_MS, isHit).then(
    () => true,
    () => false,
  );
  await host.ready();
  if (!hit) history.record({ what: 'note', words: `${failpoint} was not passed soon` });
  return hit ? failpoint : undefined;
}

export async function hostStopped({ host }: Room): Promise<string> {
  await host.ready();
  const before = host.ends();
  host.signal('SIGTERM');
  await until('the host to end', 60_000, () => host.ends() > before);
  await host.ready();
  return 'SIGTERM';
}

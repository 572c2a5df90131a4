import { giveImageBack, takeImageAway } from '../base-image.ts';
import type { Room } from '../room.ts';
import type { PlannedFault } from '../schedule.ts';
import { pause } from '../until.ts';

export async function imageRemoved({ engine }: Room, { chance }: PlannedFault): Promise<string> {
  await takeImageAway(engine.api);
  await pause(500 + 1500 * chance);
  await giveImageBack(engine.api);
  return 'the base image';
}

export async function engineRestarted({ engine }: Room): Promise<string> {
  await engine.restart('SIGTERM');
  return 'SIGTERM';
}

export async function engineKilled({ engine }: Room): Promise<string> {
  await engine.restart('SIGKILL');
  return 'SIGKILL';
}

export async function diskFull({ disk, history }: Room, { chance }: PlannedFault): Promise<string> {
  history.record({ what: 'disk', action: 'full' });
  await disk.fill();
  await pause(500 + 1500 * chance);
  disk.makeRoom();
  history.record({ what: 'disk', action: 'room' });
  return 'the data folder';
}

const SECOND_MS = 1000;
const DAY_MS = 86_400 * SECOND_MS;
/** By how much the host's clock is wrong then. */
const WRONG_BY_MS = [0, 3600 * SECOND_MS, -3600 * SECOND_MS, 2 * DAY_MS, -2 * DAY_MS, 5 * SECOND_MS];

export async function clockJumps({ setClock }: Room, { chance }: PlannedFault): Promise<string> {
  const wrongBy = WRONG_BY_MS[Math.floor(chance * WRONG_BY_MS.length)] ?? 0;
  setClock(wrongBy);
  return `${wrongBy / SECOND_MS} s`;
}

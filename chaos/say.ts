import { PLACES } from './places.ts';
import type { Room } from './room.ts';
import type { PlannedFault } from './schedule.ts';

/** Messages that are said for the sake of a fault, in some chat of the run. `work`: what its agent is to do, such as `w300`. */
export function say(room: Room, fault: PlannedFault, chat: string, work: string): void {
  const place = PLACES.find((one) => one.chat === chat) ?? PLACES[0];
  if (place) offer(room, fault, place, work);
}

/** Has an agent work for so many milliseconds. @returns its place. */
export function sayToSlow(room: Room, fault: PlannedFault, ms: number): number {
  const place = PLACES.findIndex(({ group }, index) => group === 'slow' && index >= fault.place % 15);
  say(room, fault, PLACES[place]?.chat ?? '', `w${ms}`);
  return place;
}

export function offer(
  room: Room,
  { number }: PlannedFault,
  place: { channel: string; group: string; chat: string },
  work: string,
): void {
  const message = `p${number}`;
  room.offer({ ...place, message, order: number, text: `${message} ${work}` });
}

import { PLACES } from '../places.ts';
import type { Deed } from '../platform.ts';
import type { Room } from '../room.ts';
import type { PlannedFault } from '../schedule.ts';

/** The platform does one of these, as chance will have it, with the next reply in the chat; HTTP has no platform. */
function toNextReply(...deeds: Deed[]) {
  return async ({ platform }: Room, { place, chance }: PlannedFault): Promise<string> => {
    const onPlatform = PLACES.filter(({ channel }) => channel !== 'http');
    const chat = onPlatform[place % onPlatform.length]?.chat ?? '';
    platform.plan(chat, deeds[Math.floor(chance * deeds.length)] ?? 'fail');
    return chat;
  };
}

export const sendFails = toNextReply('fail');
export const sendRefused = toNextReply('refuse');
export const sendRateLimited = toNextReply('rate-limit');
export const sendHangs = toNextReply('hang', 'hang-taken');
export const sendLies = toNextReply('lie', 'late');

import { inWords } from '../duration.ts';
import type { AwaitedImage } from '../groups/awaited-image.ts';

/** A moment to come, for people: `now`, `in 45 s`. Unix milliseconds. */
export function when(at: number, now: number): string {
  return at <= now ? 'now' : `in ${inWords(at - now)}`;
}

/** A moment that has been, for people: `7 minutes ago`. Unix milliseconds. */
export function ago(at: number, now: number): string {
  return `${inWords(Math.max(0, now - at))} ago`;
}

export function beingMade(image: AwaitedImage): string {
  return 'base' in image
    ? `the base image ${image.base} is being built`
    : `the packages of ${image.packages} are being installed`;
}

export function firstLine(text: string | null): string {
  return (text ?? '').split('\n', 1)[0] ?? '';
}

import { randomBytes } from 'node:crypto';

/** What an id made in a container has to look like. */
export const CONTAINER_ID_PATTERN = /^[A-Za-z0-9_-]{1,64}$/;

/**
 * A new id: the prefix, the time in base 36 (so that ids sort roughly by age) and 60 random bits.
 * It matches {@link CONTAINER_ID_PATTERN} for prefixes of up to 30 letters.
 */
export function newId(prefix: string, now = Date.now()): string {
  return `${prefix}_${now.toString(36)}${randomBytes(8).toString('hex').slice(1)}`;
}

import { closeSync, openSync, readSync } from 'node:fs';

/** What an id made in a container has to look like. */
export const CONTAINER_ID_PATTERN = /^[A-Za-z0-9_-]{1,64}$/;

/**
 * A new id: the prefix, the time in base 36 (so that ids sort roughly by age) and 60 random bits.
 * It matches {@link CONTAINER_ID_PATTERN} for prefixes of up to 30 letters.
 */
export function newId(prefix: string, now = Date.now()): string {
  return `${prefix}_${now.toString(36)}${randomDigits()}`;
}

const DIGITS = 15;
/** Asking the system for random bytes costs as much for one id as for two hundred. */
const pool = Buffer.alloc(8 * 256);
let used = pool.length;

/** 60 random bits, hexadecimal. */
function randomDigits(): string {
  if (used === pool.length) {
    fillAtRandom();
    used = 0;
  }
  used += 8;
  return pool.toString('hex', used - 8, used).slice(-DIGITS);
}

/** By the system's own file: loading `node:crypto` takes a runner 10 ms, and a wake has nothing else to do with it. */
function fillAtRandom(): void {
  const device = openSync('/dev/urandom', 'r');
  try {
    for (let read = 0; read < pool.length; ) read += readSync(device, pool, read, pool.length - read, null);
  } finally {
    closeSync(device);
  }
}

import { z } from 'zod';
import { durationForm, parseDuration } from './duration.ts';
import { parseSize, sizeForm } from './size.ts';

// What the value of a setting may be: a form, and the same in words for people.

/** What an engine may call a runtime. */
export const RUNTIME_NAME = /^[A-Za-z0-9][A-Za-z0-9._/-]{0,99}$/;

export function oneOf<const T extends readonly string[]>(values: T) {
  return { allowed: values.map((value) => `\`${value}\``).join(', '), form: z.enum(values) };
}

export function matching(pattern: RegExp, allowed: string) {
  return { allowed, form: z.string().regex(pattern) };
}

export function imageName() {
  return matching(/^[a-z0-9][A-Za-z0-9._:/@-]{0,254}$/, 'the name of an image, such as `name:tag`');
}

export function runtimeName() {
  return matching(RUNTIME_NAME, 'the name of a runtime, such as `runsc`');
}

export function whole(least: number, most: number) {
  const form = z
    .string()
    .regex(/^\d{1,15}$/)
    .transform(Number)
    .pipe(z.number().min(least).max(most));
  return { allowed: `a whole number from ${least} to ${most}`, form };
}

export function duration(least: string, most: string) {
  return {
    allowed: `${durationForm}, from ${least} to ${most}`,
    form: between(parseDuration, parseDuration(least), parseDuration(most)),
  };
}

export function size(leastBytes: number, most: string) {
  return { allowed: `${sizeForm}, at most ${most}`, form: between(parseSize, leastBytes, parseSize(most)) };
}

/** A text that `parse` makes a number of, within bounds. A bound of `undefined` would be a defect of this file: nothing passes it. */
function between(parse: (text: string) => number | undefined, least = Infinity, most = -Infinity) {
  return z
    .string()
    .transform((text) => parse(text) ?? Number.NaN)
    .pipe(z.number().min(least).max(most));
}

import { z } from 'zod';
import { durationForm, parseDuration } from '../duration.ts';
import { parseSize, sizeForm } from '../size.ts';

/** A mapping with these keys and no others. Its message about an unknown key is the list of the known ones. */
export function mapping<Shape extends z.core.$ZodShape>(shape: Shape) {
  const keys = Object.keys(shape).join(', ');
  return z.strictObject(shape, {
    error: (issue) => (issue.code === 'unrecognized_keys' ? keys : `a mapping with the keys ${keys}`),
  });
}

/** A list of at least `least` and at most 1000 items. */
export function list<Item extends z.ZodType>(item: Item, allowed: string, least = 0) {
  return z.array(item, allowed).min(least, `at least ${least}`).max(1000, 'at most 1000');
}

/** A text on one line. */
export function text(most: number) {
  const allowed = `a text of 1 to ${most} characters on one line`;
  return z
    .string(allowed)
    .min(1, allowed)
    .max(most, allowed)
    .regex(/^[^\p{Cc}]*$/u, allowed);
}

/** A text that can be an argument or a variable of a program: no NUL, within the kernel's bound. */
export function plainText(allowed: string) {
  return z
    .string(allowed)
    .max(32_768, 'a text of at most 32768 characters')
    .refine((value) => !value.includes('\0'), 'a text without NUL');
}

/** A program and its arguments. */
export function words() {
  const allowed = 'a list of texts, the program first';
  return list(plainText('a text (put quotes round numbers, true and false)'), allowed, 1).refine(
    ([program]) => program !== '',
    allowed,
  );
}

/** True or false. */
export function flag() {
  return z.boolean('`true`, `false`');
}

/** One of these texts. */
export function choice<const T extends readonly string[]>(values: T) {
  return z.enum(values, values.map((value) => `\`${value}\``).join(', '));
}

/** A number that passes the test. */
export function number(allowed: string, test: (value: number) => boolean) {
  return z.number(allowed).refine(test, allowed);
}

/** A duration, read as milliseconds. */
export function duration(least?: string) {
  const allowed = `${durationForm}, ${least ? `from ${least} to` : 'at most'} 24d`;
  return measured(z.string(allowed), allowed, parseDuration, least ? parseDuration(least) : 0);
}

/** A duration, or `off`, which is read as `null`. */
export function durationOrOff() {
  return z.union(
    [z.literal('off').transform(() => null), duration()],
    `\`off\`, or ${durationForm}, at most 24d`,
  );
}

/** A size, read as bytes. */
export function size(least: string, most: string) {
  const allowed = `${sizeForm}, from ${least} to ${most}`;
  return measured(
    z.union([z.string(), z.number()], allowed),
    allowed,
    parseSize,
    parseSize(least),
    parseSize(most),
  );
}

/** A text that `parse` makes a number of, within bounds. */
function measured(
  input: z.ZodType<string | number>,
  allowed: string,
  parse: (text: string) => number | undefined,
  least = 0,
  most = Number.MAX_SAFE_INTEGER,
) {
  const amount = z.number(allowed).min(least, allowed).max(most, allowed);
  return input.transform((value) => parse(String(value)) ?? Number.NaN).pipe(amount);
}

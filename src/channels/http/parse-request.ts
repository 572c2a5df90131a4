import type { z } from 'zod';
import { BerthError } from '../../errors.ts';

/** The value in its checked form. Throws `E_BAD_REQUEST` that names the first wrong field. */
export function parseRequest<Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
  what: string,
): z.output<Schema> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const field = fieldName(issue?.path ?? []) || what;
  throw new BerthError('E_BAD_REQUEST', `${field}: ${issue?.message ?? 'not valid'}`);
}

function fieldName(path: readonly PropertyKey[]): string {
  return path.reduce<string>((name, key) => {
    if (typeof key === 'number') return `${name}[${key}]`;
    return name === '' ? String(key) : `${name}.${String(key)}`;
  }, '');
}

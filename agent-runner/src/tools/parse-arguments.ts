import type * as z from 'zod';
import type { Tool } from './tool-list.ts';

/** @throws Error that tells the agent which argument is wrong, and what the tool takes. */
export function parseArguments({ name, shape }: Tool, given: unknown = {}): unknown {
  const { success, data, error } = shape.safeParse(given);
  if (success) return data;
  const wrong = error.issues.slice(0, 5).map((issue) => describe(issue));
  const taken = Object.entries(shape.shape).map(
    ([key, field]) => `${key}${field.safeParse(undefined).success ? '?' : ''}`,
  );
  throw new Error(`${name} was not called: ${wrong.join('; ')}. It takes ${taken.join(', ') || 'nothing'}.`);
}

function describe(issue: z.core.$ZodIssue): string {
  if (issue.code === 'unrecognized_keys') return `there is no argument ${issue.keys.join(', ')}`;
  const where = issue.path.join('.') || 'the arguments';
  return `${where}: ${issue.message.endsWith('received undefined') ? 'is missing' : issue.message}`;
}

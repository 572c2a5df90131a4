import type { z } from 'zod';
import { choice, flag, mapping, number } from './shape-pieces.ts';

/** What is wrong with the options of a provider; paths begin below `agent.options`. Providers that are not known here judge their own. */
export function optionIssues(provider: string, options: Record<string, unknown>): z.core.$ZodIssue[] {
  if (provider !== 'command') return [];
  const shape = options.mode === 'serve' ? servedProgram() : mapping(anyProgram());
  return shape.safeParse(options).error?.issues ?? [];
}

function anyProgram() {
  const whole = (value: number) => Number.isInteger(value) && value >= 1 && value <= 500;
  return {
    mode: choice(['once', 'serve']).optional(),
    batch: number('a whole number from 1 to 500', whole).optional(),
    mcp: flag().optional(),
  };
}

/** One that lives as long as its container. */
function servedProgram() {
  return mapping({ ...anyProgram(), followUps: flag().optional(), showsLife: flag().optional() });
}

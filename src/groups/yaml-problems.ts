import type { z } from 'zod';
import { nearest } from '../nearest.ts';
import { pathName, valueAt, type YamlPath } from './place-in-yaml.ts';
import type { Problem, ReadYaml } from './read-yaml.ts';

/** A file that is no YAML at all has a problem at every word. */
const mostProblems = 20;

/** All problems of a file in one message, by line. */
export function describeProblems(file: string, problems: Problem[]): string {
  const sorted = problems
    .toSorted((one, other) => one.line - other.line)
    .map(({ line, what }) => `${file}:${line}: ${what}`);
  if (sorted.length > mostProblems)
    sorted.splice(mostProblems, Infinity, `and ${problems.length - mostProblems} more`);
  return sorted.join('; ');
}

/** The same for values that a shape does not allow. The message of each issue says what is allowed. */
export function describeIssues(
  file: string,
  issues: readonly z.core.$ZodIssue[],
  yaml: Extract<ReadYaml, { value: unknown }>,
): string {
  const placed = issues.flatMap((issue) => problemsOf(issue, yaml.value));
  return describeProblems(
    file,
    placed.map(({ path, text }) => ({
      line: yaml.lineAt(path),
      what: `${pathName(path)} ${text}`.trim(),
    })),
  );
}

interface PlacedText {
  path: YamlPath;
  text: string;
}

function problemsOf(issue: z.core.$ZodIssue, value: unknown): PlacedText[] {
  if (issue.code === 'unrecognized_keys') {
    const known = issue.message.split(', ');
    return issue.keys.map((key) => ({
      path: [...issue.path, key],
      text: `is not a known key ${hint(key, known)}`,
    }));
  }
  const meant = issue.code === 'invalid_union' ? meantForm(issue.errors) : undefined;
  if (meant)
    return meant.flatMap((inner) => problemsOf({ ...inner, path: [...issue.path, ...inner.path] }, value));
  const found = valueAt(value, issue.path);
  const is = issue.code === 'invalid_key' ? 'is no name that can be set' : shown(found);
  return [
    {
      path: issue.path,
      text: `${issue.path.length === 0 ? `the file ${is}` : is}; allowed: ${issue.message}`,
    },
  ];
}

/**
 * Of the forms that a value may have, the one that its author meant: the one with the fewest problems, all of them inside
 * the value. None when two forms are equally near.
 */
function meantForm(forms: z.core.$ZodIssue[][]): z.core.$ZodIssue[] | undefined {
  const inside = ({ path, code }: z.core.$ZodIssue) =>
    path.length > 0 || (code !== 'invalid_type' && code !== 'invalid_value');
  const [first, second] = forms
    .filter((issues) => issues.every(inside))
    .toSorted((one, other) => one.length - other.length);
  return first && first.length === second?.length ? undefined : first;
}

function hint(key: string, known: string[]): string {
  const meant = nearest(key, known);
  return meant ? `(did you mean ${meant}?)` : `(known: ${known.join(', ')})`;
}

function shown(value: unknown): string {
  if (value === undefined) return 'is missing';
  if (value === null) return 'is empty';
  const text = JSON.stringify(value);
  return `is ${text.length > 80 ? `${text.slice(0, 80)}…` : text}`;
}

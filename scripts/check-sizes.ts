import { globSync, readFileSync } from 'node:fs';
import type { ToolResult } from './run-tool.ts';

/** Longer than this, a file is two things: ask which. */
const limit = 250;

/** Every source file within `limit` lines. Tests may be lists of cases and are not counted. */
export function checkSizes(): ToolResult {
  const tooLong = globSync(
    '{contract,contract-test,src,agent-runner,bench,chaos,scripts}/**/*.{ts,mjs,cjs,js}',
    {
      exclude: ['**/node_modules/**', '**/dist/**'],
    },
  )
    .map((file) => ({ file, lines: readFileSync(file, 'utf8').trimEnd().split('\n').length }))
    .filter(({ lines }) => lines > limit)
    .map(({ file, lines }) => `${file}: ${lines} lines, ${limit} are allowed`);
  return { ok: tooLong.length === 0, output: tooLong.join('\n') };
}

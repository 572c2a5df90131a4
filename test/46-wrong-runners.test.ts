import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { contractTest, python } from './fixtures/contract-test.ts';
import { wrongRunners } from './fixtures/wrong-runners.ts';

const hasPython = spawnSync('python3', ['--version']).status === 0;
/** A check waits so long for what a wrong runner never does. */
const LIMIT_MS = 240_000;
const folder = mkdtempSync(join(tmpdir(), 'berth-wrong-runners-'));
afterAll(() => rmSync(folder, { recursive: true }));

if (!hasPython) test.skip('runners that break a rule: there is no python3', () => undefined);

describe.runIf(hasPython)('the contract test finds what is wrong with a runner', () => {
  test.concurrent.each(wrongRunners)(
    'one that %s fails %s',
    async (_what, check, from, to) => {
      const source = readFileSync(python, 'utf8');
      expect(source).toContain(from);
      const mutant = join(
        folder,
        `runner-${wrongRunners.findIndex((one) => one[3] === to && one[2] === from)}.py`,
      );
      writeFileSync(mutant, source.replace(from, to));
      const { code, results } = await contractTest('--json', '--only', check, 'python3', mutant);
      expect(results.map(({ name, status }) => ({ name, status }))).toEqual([
        { name: check, status: 'failed' },
      ]);
      expect(code).toBe(1);
    },
    LIMIT_MS,
  );
});

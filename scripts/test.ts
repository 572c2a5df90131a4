// `npm test`: what has to hold before a change goes in, cheapest first. Names of steps narrow it:
// `npm test -- types lint` or `npm test -- unit`.

import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { checkLockfile } from './check-lockfile.ts';
import { checkMigrations } from './check-migrations.ts';
import { checkSizes } from './check-sizes.ts';
import { type Count, inWords, sum } from './count.ts';
import { engineAnswers } from './engine-answers.ts';
import { runTool, type ToolResult } from './run-tool.ts';
import { listVitest, runVitest } from './run-vitest.ts';

process.chdir(resolve(import.meta.dirname, '..'));
const cruised = [
  'contract',
  'src',
  'agent-runner',
  'contract-test',
  'bench',
  'chaos',
  'test',
  'scripts',
].filter((dir) => existsSync(dir));

const steps: Record<string, () => Promise<Count>> = {
  types: () => check('types', () => runTool('tsc')),
  lint: () =>
    check('lint', () =>
      runTool('biome', 'ci', '--colors=off', '--diagnostic-level=error', '--max-diagnostics=100', '.'),
    ),
  rules: async () =>
    sum([
      await check('import directions', () => runTool('depcruise', '--output-type', 'err-long', ...cruised)),
      await check('nothing unused', () => runTool('knip')),
      await check('file sizes', checkSizes),
      await check('lockfile', checkLockfile),
      await check('schema and migrations', checkMigrations),
    ]),
  unit: () => timed('unit tests', () => runVitest('unit', reports)),
  containers: () => timed('container tests', runContainerTests),
};

const names = process.argv.slice(2);
const unknown = names.filter((name) => !Object.hasOwn(steps, name));
if (unknown.length > 0) {
  console.error(`no such step: ${unknown.join(', ')}. There are: ${Object.keys(steps).join(', ')}`);
  process.exit(2);
}

const reports = mkdtempSync(join(tmpdir(), 'berth-test-'));
const wanted = names.length === 0 ? Object.keys(steps) : names;
const baseImage = wanted.includes('containers') ? buildBaseImage() : undefined;
try {
  const counts: Count[] = [];
  for (const [name, run] of Object.entries(steps)) {
    if (wanted.includes(name)) counts.push(await run());
  }
  const total = sum(counts);
  if (process.env.BERTH_TEST_REPORT) writeFileSync(process.env.BERTH_TEST_REPORT, JSON.stringify(total));
  console.log(inWords(total));
  process.exitCode = total.failed > 0 ? 1 : 0;
} finally {
  rmSync(reports, { recursive: true, force: true });
}

/** A check is one passed or one failed, and speaks only when it failed. */
function check(title: string, run: () => ToolResult | Promise<ToolResult>): Promise<Count> {
  return timed(title, async () => {
    const { ok, output } = await run();
    if (!ok) console.log(output.trimEnd());
    return { passed: ok ? 1 : 0, failed: ok ? 0 : 1, skipped: 0 };
  });
}

/** Says how a step went and how long it took. */
async function timed(title: string, run: () => Promise<Count>): Promise<Count> {
  const started = performance.now();
  const count = await run();
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.log(`${count.failed > 0 ? '✗' : '✓'} ${title.padEnd(24)}${seconds.padStart(7)} s`);
  return count;
}

/**
 * Three minutes of downloading where the engine does not have it yet: beside the other steps, with the least claim to the processor.
 * If it fails, the container tests do the same again and say why.
 */
async function buildBaseImage(): Promise<void> {
  if (await engineAnswers()) await runTool('nice', '-n', '19', 'node', 'src/berth.js', 'build-base');
}

/** Without an engine the tests are skipped and counted; where an engine is required, that is a failure. */
async function runContainerTests(): Promise<Count> {
  await baseImage;
  if (await engineAnswers()) return runVitest('containers', reports);
  const required = process.env.BERTH_REQUIRE_ENGINE === '1';
  console.log(
    'no container engine answers (DOCKER_HOST or /var/run/docker.sock): container tests are not run',
  );
  return { passed: 0, failed: required ? 1 : 0, skipped: await listVitest('containers') };
}

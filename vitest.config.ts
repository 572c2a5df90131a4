import { join } from 'node:path';
import { defineConfig } from 'vitest/config';

const report = process.env.BERTH_VITEST_REPORT;

/** Tests that take long: `npm run test:deep`, which CI runs after `npm test`. */
const wrongRunners = 'test/46-wrong-runners.test.ts';
const deepOnContainers = [
  '52',
  '53',
  '54',
  '56',
  '57',
  '67',
  '68',
  '69',
  '74',
  '75',
  '76',
  '82',
  '83',
  '84',
  '87',
  '93',
  '97',
].map((n) => `test/${n}-*.container.test.ts`);
const deep = [wrongRunners, ...deepOnContainers];

/** Attempts to get out of a container: `npm run test:isolation`, which CI runs after `npm test`. */
const isolation = 'test/isolation/**/*.container.test.ts';

/** One engine serves them all, and a left-over container is the fault of exactly one file. */
const onContainers = {
  fileParallelism: false,
  testTimeout: 60_000,
  hookTimeout: 60_000,
  globalSetup: 'test/fixtures/engine-setup.ts',
};

/** The real agent programs in real containers: `npm run test:agents`, which CI runs after `npm test`. */
const agents = 'test/agents/*.container.test.ts';

export default defineConfig({
  test: {
    // Processes, not threads: tests start daemons, send signals and open native SQLite handles.
    pool: 'forks',
    // Most of the time they wait for processes that they started. Container tests are one after the other all the same.
    maxWorkers: 2,
    // A test that needs a second try has found something.
    retry: 0,
    // Programs that tests start need not be compiled each time.
    env: { NODE_COMPILE_CACHE: join(import.meta.dirname, 'node_modules/.cache/berth') },
    // CI adds up what was counted; a person at the terminal needs no file.
    reporters: report ? ['default', 'json'] : ['default'],
    ...(report && { outputFile: { json: report } }),
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: ['test/**/*.container.test.ts', isolation, wrongRunners],
          testTimeout: 20_000,
        },
      },
      {
        extends: true,
        test: {
          name: 'containers',
          include: ['test/**/*.container.test.ts'],
          exclude: [...deep, isolation, agents, 'test/hostile/**'],
          ...onContainers,
        },
      },
      {
        extends: true,
        test: { name: 'deep', include: deep, ...onContainers },
      },
      {
        extends: true,
        test: { name: 'isolation', include: [isolation], ...onContainers },
      },
      {
        extends: true,
        test: {
          name: 'agents',
          include: [agents],
          ...onContainers,
          globalSetup: [onContainers.globalSetup, 'test/agents/fixtures/tidy-up.ts'],
          testTimeout: 300_000,
          hookTimeout: 600_000,
        },
      },
      {
        extends: true,
        // Beside each hostile session a good one is measured.
        test: {
          name: 'hostile',
          include: ['test/hostile/*.container.test.ts'],
          ...onContainers,
          testTimeout: 180_000,
        },
      },
    ],
  },
});

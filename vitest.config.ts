import { defineConfig } from 'vitest/config';

const report = process.env.BERTH_VITEST_REPORT;

export default defineConfig({
  test: {
    // Processes, not threads: tests start daemons, send signals and open native SQLite handles.
    pool: 'forks',
    // A test that needs a second try has found something.
    retry: 0,
    // CI adds up what was counted; a person at the terminal needs no file.
    reporters: report ? ['default', 'json'] : ['default'],
    ...(report && { outputFile: { json: report } }),
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: ['test/**/*.container.test.ts'],
          testTimeout: 20_000,
        },
      },
      {
        extends: true,
        test: {
          name: 'containers',
          include: ['test/**/*.container.test.ts'],
          exclude: ['test/hostile/**'],
          // One engine serves them all, and a left-over container is the fault of exactly one file.
          fileParallelism: false,
          testTimeout: 60_000,
          hookTimeout: 60_000,
          globalSetup: 'test/fixtures/engine-setup.ts',
        },
      },
      {
        extends: true,
        test: {
          name: 'hostile',
          include: ['test/hostile/*.container.test.ts'],
          // Each measures how a good session fares beside a hostile one.
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 60_000,
          globalSetup: 'test/fixtures/engine-setup.ts',
        },
      },
    ],
  },
});

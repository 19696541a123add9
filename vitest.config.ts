import { defineConfig } from 'vitest/config';

/** Their oracles know when an event was due, so a publisher must not stall: they run one after the other, behind the others. */
const LIVE = [
  'dist/test/chaos/**/*.test.js',
  'dist/test/cluster/**/*.test.js',
  'dist/test/integration/cluster-*.test.js',
];

const common = {
  pool: 'forks',
  fileParallelism: true,
  // Tests that mostly wait run side by side inside their file; each of them may keep several processes busy.
  maxConcurrency: 3,
  testTimeout: 180_000,
  hookTimeout: 180_000,
} as const;

// Worker threads cannot load TypeScript on Node 20, so every test runs from the built tree, as users' code does.
export default defineConfig({
  test: {
    reporters: ['default', 'json'],
    outputFile: { json: '.millrace/test-report.json' },
    projects: [
      {
        test: {
          ...common,
          name: 'side by side',
          include: ['dist/test/**/*.test.js'],
          exclude: LIVE,
          maxWorkers: 2,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          ...common,
          name: 'live',
          include: LIVE,
          exclude: [],
          maxWorkers: 1,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});

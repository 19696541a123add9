import { defineConfig } from 'vitest/config';

// Worker threads cannot load TypeScript on Node 20, so every test runs from the built tree, as users' code does.
export default defineConfig({
  test: {
    include: ['dist/test/**/*.test.js'],
    exclude: [],
    reporters: ['default', 'json'],
    outputFile: { json: '.millrace/test-report.json' },
    pool: 'forks',
    fileParallelism: true,
    maxWorkers: 2,
    // Tests that mostly wait run side by side inside their file; each of them may keep several processes busy.
    maxConcurrency: 3,
    testTimeout: 180_000,
    hookTimeout: 180_000,
  },
});

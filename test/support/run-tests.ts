/**
 * Runs the whole test suite and ends with the runner's own count: `N passed, N failed`. Arguments go to vitest.
 */
import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

const REPORT = '.millrace/test-report.json';

interface Report {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  /** Files that failed before any of their tests ran. */
  readonly testResults: readonly { readonly status: string; readonly assertionResults: readonly unknown[] }[];
}

mkdirSync(dirname(REPORT), { recursive: true });
rmSync(REPORT, { force: true });
const manifest = createRequire(import.meta.url).resolve('vitest/package.json');
const vitest = join(dirname(manifest), 'vitest.mjs');
const child = spawn(process.execPath, [vitest, 'run', ...process.argv.slice(2)], { stdio: 'inherit' });
child.on('close', (code) => {
  const report = read();
  const broken =
    report?.testResults.filter((file) => file.status === 'failed' && file.assertionResults.length === 0) ?? [];
  const failed = report === undefined ? 1 : report.numFailedTests + broken.length;
  const skipped = report?.numPendingTests ?? 0;
  console.log(`${report?.numPassedTests ?? 0} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
  process.exitCode = code === 0 && failed > 0 ? 1 : (code ?? 1);
});

function read(): Report | undefined {
  try {
    return JSON.parse(readFileSync(REPORT, 'utf8')) as Report;
  } catch {
    return undefined;
  }
}

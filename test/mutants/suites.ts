/** Running one suite in a copy of the built tree, and finding out which test turned red first. */
import { spawn } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

export interface Verdict {
  readonly isRed: boolean;
  /** The first failing test, or what else went wrong. */
  readonly detail: string;
}

/** The suite that every mutant meets last. */
export const SIMULATOR = 'sim';

interface Report {
  readonly testResults: readonly {
    readonly status: string;
    readonly message: string;
    readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[];
  }[];
}

const vitest = join(dirname(createRequire(import.meta.url).resolve('vitest/package.json')), 'vitest.mjs');

/** Runs a suite; one that does not end within `msMax` is red, because a mutant may well hang. */
export function runSuite(root: string, suite: string, seeds: number, msMax: number): Promise<Verdict> {
  return suite === SIMULATOR ? runSimulator(root, seeds, msMax) : runTests(root, suite, msMax);
}

async function runTests(root: string, suite: string, msMax: number): Promise<Verdict> {
  const file = `dist/test/${suite}${suite.startsWith('mutants/') ? '.suite' : '.test'}.js`;
  const report = join(root, 'reports', 'tests.json');
  rmSync(report, { force: true });
  const options = ['--bail=1', '--reporter=json', `--outputFile=${report}`];
  const { code, output } = await run(root, [vitest, 'run', file, ...options], msMax);
  if (code === 0) return { isRed: false, detail: '' };
  return { isRed: true, detail: code === undefined ? 'does not end' : (firstFailure(report) ?? lastLine(output)) };
}

function firstFailure(report: string): string | undefined {
  try {
    const { testResults } = JSON.parse(readFileSync(report, 'utf8')) as Report;
    for (const { assertionResults } of testResults)
      for (const { status, fullName } of assertionResults) if (status === 'failed') return fullName.trim();
    return testResults.find(({ status }) => status === 'failed')?.message.split('\n')[0];
  } catch {
    return undefined;
  }
}

async function runSimulator(root: string, seeds: number, msMax: number): Promise<Verdict> {
  const { code, output } = await run(root, ['dist/test/sim/main.js', '--seeds', `${seeds}`], msMax);
  if (code === 0) return { isRed: false, detail: '' };
  if (code === undefined) return { isRed: true, detail: 'does not end' };
  const found = /^seed (\d+): (.+?) at [^\n]*\n\s*([^\n]*)/m.exec(output);
  const detail = found === null ? lastLine(output) : `seed ${found[1]}: ${found[2]}, ${found[3]}`;
  return { isRed: true, detail: detail.length > 160 ? `${detail.slice(0, 160)}…` : detail };
}

function lastLine(output: string): string {
  return /^.*Error.*$/m.exec(output)?.[0].trim() ?? output.trim().split('\n').at(-1) ?? '';
}

/** Exit code and what was said; no code if it had to be ended. */
function run(root: string, args: readonly string[], msMax: number): Promise<{ code?: number; output: string }> {
  return new Promise((resolve) => {
    // A group of its own, so that a test file that spins for ever ends with its runner.
    const child = spawn(process.execPath, args, { cwd: root, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      process.kill(-child.pid!, 'SIGKILL');
    }, msMax);
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (bytes: Buffer) => {
        if (output.length < 1_000_000) output += bytes.toString('utf8');
      });
    child.on('close', (code) => {
      clearTimeout(timer);
      resolve(isLate ? { output } : { code: code ?? 1, output });
    });
  });
}

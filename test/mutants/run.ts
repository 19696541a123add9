/**
 * `npm run mutants`: plants every mutant of the catalogue in a copy of the built tree, one at a time, and runs suites
 * until one turns red. Ends with 1 if a mutant survives, with 2 if the tree is not sound to begin with.
 *
 *   --list        names them      --only ID    plants one (may be repeated)     --jobs N   copies at a time
 *   --seeds N     simulator       --json FILE  results as JSON                  --write    rows of RESULTS.md
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { catalog } from './catalog.js';
import type { Mutant } from './mutant.js';
import { builtTree, Copy, problemOfPlace } from './plant.js';
import type { Outcome } from './results.js';
import { resultsTable } from './results.js';
import { runSuite, SIMULATOR } from './suites.js';

const SUITE_MS_MAX = 120_000;
const RESULTS = join(dirname(builtTree), 'test', 'mutants', 'RESULTS.md');

const { values } = parseArgs({
  options: {
    only: { type: 'string', multiple: true },
    list: { type: 'boolean', default: false },
    json: { type: 'string' },
    write: { type: 'boolean', default: false },
    seeds: { type: 'string', default: '300' },
    jobs: { type: 'string', default: '2' },
  },
});

const seeds = Number(values.seeds);

/** Takes from `items` with as many workers as there are copies. */
async function shareOut<T>(copies: readonly Copy[], items: readonly T[], work: (copy: Copy, item: T) => Promise<void>) {
  const left = [...items];
  const worker = async (copy: Copy): Promise<void> => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) await work(copy, item);
  };
  await Promise.all(copies.map(worker));
}

/** What is red without a mutant; a suite that is red anyway would seem to catch everything. */
async function redAnyway(copies: readonly Copy[], mutants: readonly Mutant[]): Promise<string[]> {
  const red: string[] = [];
  const suites = new Set([...mutants.flatMap((mutant) => mutant.suites), SIMULATOR]);
  await shareOut(copies, [...suites], async ({ root }, suite) => {
    const { isRed, detail } = await runSuite(root, suite, seeds, SUITE_MS_MAX);
    if (isRed) red.push(`${suite}: ${detail}`);
  });
  return red;
}

async function tryOut(copy: Copy, mutant: Mutant): Promise<Outcome> {
  const begun = performance.now();
  const caughtBy = await copy.with(mutant, async () => {
    for (const suite of [...mutant.suites, SIMULATOR]) {
      const { isRed, detail } = await runSuite(copy.root, suite, seeds, SUITE_MS_MAX);
      if (isRed) return `${suite}: ${detail}`;
    }
    return undefined;
  });
  return { mutant, caughtBy, seconds: (performance.now() - begun) / 1000 };
}

async function main(mutants: readonly Mutant[]): Promise<number> {
  const misplaced = mutants.flatMap((mutant) => problemOfPlace(mutant)?.replace(/^/, `${mutant.id}: `) ?? []);
  for (const problem of misplaced) console.error(problem);
  if (misplaced.length > 0) return 2;

  const outcomes: Outcome[] = [];
  const copies = Array.from({ length: Math.max(1, Math.min(Number(values.jobs), mutants.length)) }, () => new Copy());
  try {
    const red = await redAnyway(copies, mutants);
    for (const suite of red) console.error(`red without a mutant: ${suite}`);
    if (red.length > 0) return 2;
    await shareOut(copies, mutants, async (copy, mutant) => {
      const outcome = await tryOut(copy, mutant);
      outcomes.push(outcome);
      const { caughtBy = 'SURVIVED', seconds } = outcome;
      console.log(`${mutant.id.padEnd(32)} ${seconds.toFixed(1).padStart(6)} s  ${caughtBy}`);
    });
  } finally {
    for (const copy of copies) copy.remove();
  }
  outcomes.sort((a, b) => mutants.indexOf(a.mutant) - mutants.indexOf(b.mutant));
  const survivors = outcomes.filter(({ caughtBy }) => caughtBy === undefined);
  if (values.json !== undefined) {
    const rows = outcomes.map(({ mutant: { id, failure }, caughtBy = null, seconds }) => ({
      id,
      failure,
      caughtBy,
      seconds,
    }));
    writeFileSync(values.json, `${JSON.stringify(rows, undefined, 2)}\n`);
  }
  if (values.write) writeFileSync(RESULTS, resultsTable(catalog, outcomes, readFileSync(RESULTS, 'utf8'), seeds));
  console.log(`${outcomes.length - survivors.length} of ${outcomes.length} caught`);
  for (const { mutant } of survivors) console.error(`survived: ${mutant.id} (${mutant.failure})`);
  return survivors.length > 0 ? 1 : 0;
}

const unknown = (values.only ?? []).filter((id) => !catalog.some((mutant) => mutant.id === id));
const chosen = values.only === undefined ? catalog : catalog.filter(({ id }) => values.only?.includes(id));
if (unknown.length > 0 || !(seeds > 0) || !(Number(values.jobs) > 0)) {
  console.error(unknown.length > 0 ? `no such mutant: ${unknown.join(', ')}` : '--seeds and --jobs need a number');
  process.exitCode = 2;
} else if (values.list) for (const { id, failure } of chosen) console.log(`${id.padEnd(32)} ${failure}`);
else process.exitCode = await main(chosen);

/** `npm run sim -- [--cluster] --seeds N [--from S]`, or `--seed S [--trace]`: runs seeds and says what they found. */
import { parseArgs } from 'node:util';
import { Coverage } from './coverage.js';
import { clusterRuns, smallRuns } from './plan.js';
import type { SeedResult } from './run-seed.js';
import { runSeed } from './run-seed.js';

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '1000' },
    from: { type: 'string', default: '1' },
    seed: { type: 'string' },
    cluster: { type: 'boolean', default: false },
    trace: { type: 'boolean', default: false },
    keep: { type: 'boolean', default: false },
  },
});

const bounds = values.cluster ? clusterRuns : smallRuns;

function number(name: string, text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  console.error(`--${name} needs a whole number, not ${JSON.stringify(text)}`);
  return process.exit(2);
}

function report({ seed, violation, virtualMs }: SeedResult): void {
  console.error(`seed ${seed}: ${violation?.invariant} at ${violation?.atMs.toFixed(1)} of ${virtualMs.toFixed(1)} ms`);
  console.error(`  ${violation?.problem}`);
  console.error(`  npm run sim -- ${values.cluster ? '--cluster ' : ''}--seed ${seed} --trace`);
}

async function one(seed: number): Promise<boolean> {
  const result = await runSeed(seed, { bounds, keepsText: values.trace });
  if (values.trace) console.log(JSON.stringify(result.plan));
  for (const line of result.trace ?? []) console.log(line);
  if (result.violation === undefined)
    console.log(`seed ${seed}: ${result.events} events, ${result.steps} steps, sound`);
  else report(result);
  return result.violation === undefined;
}

async function many(from: number, seeds: number): Promise<boolean> {
  const coverage = new Coverage();
  const begun = process.cpuUsage();
  let events = 0;
  let steps = 0;
  let virtualMs = 0;
  let done = 0;
  let bad = 0;
  for (let seed = from; seed < from + seeds; seed++) {
    const result = await runSeed(seed, { bounds });
    done++;
    events += result.events;
    steps += result.steps;
    virtualMs += result.virtualMs;
    coverage.merge(result.coverage);
    if (result.violation === undefined) continue;
    report(result);
    bad++;
    if (!values.keep) break;
  }
  const { user, system } = process.cpuUsage(begun);
  const seconds = (user + system) / 1e6;
  const rows = [...coverage.counts].sort(([a], [b]) => (a < b ? -1 : 1));
  for (const [what, times] of rows) console.log(`${String(times).padStart(10)}  ${what}`);
  const perSeed = (total: number): string => (total / done).toFixed(0);
  console.log(
    `${done} seeds in ${seconds.toFixed(1)} s of one core, ${(done / seconds).toFixed(0)} seeds/s, each run twice`,
  );
  console.log(`per seed: ${perSeed(events)} events, ${perSeed(steps)} steps, ${perSeed(virtualMs)} virtual ms`);
  console.log(bad === 0 ? 'no violation' : `${bad} seeds with a violation`);
  return bad === 0;
}

const isSound =
  values.seed === undefined
    ? await many(number('from', values.from), number('seeds', values.seeds))
    : await one(number('seed', values.seed));
process.exitCode = isSound ? 0 : 1;

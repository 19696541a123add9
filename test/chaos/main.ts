/**
 * Faults on real processes, at length:
 *   node dist/test/chaos/main.js --fault kill --rounds 200
 *   node dist/test/chaos/main.js --fault zombie --rounds 100
 *   node dist/test/chaos/main.js --fault rolling --rounds 100
 *   node dist/test/chaos/main.js --fault sql-kill --rounds 100 --store sqlite|postgres
 *   node dist/test/chaos/main.js --workload 300000 --faults 50 [--store services|sqlite|postgres|all]
 * A verdict on standard output, with `--json` as one JSON document; exit code 1 if anything was wrong.
 */
import { parseArgs } from 'node:util';
import { storeNames } from './arena.js';
import { type ClusterResult, clusterRounds } from './cluster-rounds.js';
import { type KillResult, killRounds } from './kill-rounds.js';
import { type SqlKillResult, sqlKillRounds } from './sql-kill-rounds.js';
import { runWorkload, type WorkloadResult } from './workload-run.js';

const { values } = parseArgs({
  options: {
    fault: { type: 'string' },
    rounds: { type: 'string', default: '200' },
    workload: { type: 'string' },
    faults: { type: 'string', default: '50' },
    order: { type: 'string' },
    store: { type: 'string', default: 'services' },
    seed: { type: 'string' },
    from: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});

const seed = values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : count('seed', values.seed);
const progress = (line: string): void => {
  process.stderr.write(`${line}\n`);
};

function usage(problem: string): never {
  process.stderr.write(
    `${problem}\nUsage: --fault kill|zombie|rolling --rounds N, --fault sql-kill --rounds N --store sqlite|postgres, or --workload EVENTS --faults N [--order time|sequence] [--store services|sqlite|postgres|all] [--from EPOCH_MS]`,
  );
  process.stderr.write('; all take --seed N and --json\n');
  process.exit(2);
}

function count(name: string, text: string): number {
  return /^\d{1,9}$/.test(text) ? Number(text) : usage(`--${name} must be a whole number, not ${text}`);
}

/** Time of the first event, epoch ms. Runs on other stores with the same one must end in the same `meaning`. */
function timeOfFirst(): number {
  if (values.from === undefined) return Date.now() - count('workload', values.workload!) - 60_000;
  return /^\d{13}$/.test(values.from) ? Number(values.from) : usage(`--from must be epoch ms, not ${values.from}`);
}

async function run(): Promise<readonly (KillResult | ClusterResult | SqlKillResult | WorkloadResult)[]> {
  if (values.workload !== undefined) {
    const orders = (['time', 'sequence'] as const).filter((order) => (values.order ?? order) === order);
    if (orders.length === 0) usage(`--order must be time or sequence, not ${values.order}`);
    const options = {
      events: count('workload', values.workload),
      faults: count('faults', values.faults),
      seed,
      from: timeOfFirst(),
      progress,
    };
    const stores = storeNames.filter((store) => values.store === 'all' || values.store === store);
    if (stores.length === 0) usage(`--store must be all or one of ${storeNames.join(', ')}, not ${values.store}`);
    const results: WorkloadResult[] = [];
    for (const order of orders) {
      const before = results.length;
      for (const store of stores) results.push(await runWorkload({ ...options, order, store }));
      compareStores(results.slice(before));
    }
    return results;
  }
  const rounds = count('rounds', values.rounds);
  switch (values.fault) {
    case 'kill':
      return [await killRounds({ rounds, seed, progress })];
    case 'zombie':
    case 'rolling':
      return [await clusterRounds({ fault: values.fault, rounds, seed, progress })];
    case 'sql-kill': {
      const { store } = values;
      if (store !== 'sqlite' && store !== 'postgres') usage(`--store must be sqlite or postgres, not ${store}`);
      return [await sqlKillRounds({ database: store, rounds, seed, progress })];
    }
    default:
      return usage('what is to be done?');
  }
}

/** Every store must have been left with the same states and the same dead letters. */
function compareStores(results: readonly WorkloadResult[]): void {
  for (const { store, order, undisturbed } of results)
    if (undisturbed.meaning !== results[0]!.undisturbed.meaning)
      differences.push(`order ${order}: ${store} has other states or dead letters than ${results[0]!.store}`);
}

const differences: string[] = [];
const results = await run();
for (const result of results) {
  if (values.json) continue;
  const { violations, ...figures } = result;
  for (const [name, value] of Object.entries(figures))
    console.log(`${name.padEnd(20)} ${typeof value === 'object' ? JSON.stringify(value) : value}`);
  for (const violation of violations) console.log(`VIOLATION ${violation}`);
  console.log(violations.length === 0 ? 'passed: nothing lost, nothing twice, nothing out of order' : 'FAILED');
}
if (values.json) console.log(JSON.stringify(results, undefined, 2));
for (const difference of differences) console.log(`VIOLATION ${difference}`);
if (differences.length > 0 || results.some(({ violations }) => violations.length > 0)) process.exitCode = 1;

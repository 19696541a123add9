/** The simulator as a test: seeds that must hold, and planted faults that must be found. */
import { describe, expect, it } from 'vitest';
import { Coverage } from './coverage.js';
import { clusterRuns, clusterStrikes, mishaps, strikes } from './plan.js';
import { plantedFaults } from './planted.js';
import type { SeedResult } from './run-seed.js';
import { runSeed } from './run-seed.js';

const SEEDS = 2_000;
const CLUSTER_SEEDS = 200;
/** Most seeds that it may take to find a planted fault. */
const PLANTED_SEEDS_MAX = 1_000;

const told = ({ seed, violation }: SeedResult): string =>
  `seed ${seed}: ${violation?.invariant}: ${violation?.problem} (npm run sim -- --seed ${seed} --trace)`;

describe('the simulator', () => {
  it(`holds the invariants in ${SEEDS} seeds, the same way each time`, { timeout: 300_000 }, async () => {
    const coverage = new Coverage();
    for (let seed = 1; seed <= SEEDS; seed++) {
      const result = await runSeed(seed);
      if (result.violation !== undefined) expect.fail(told(result));
      coverage.merge(result.coverage);
    }
    const missing = [...strikes, ...mishaps].filter((fault) => !coverage.counts.has(fault));
    expect(missing, 'faults that never happened').toEqual([]);
    for (const path of [
      'commit already',
      'commit fenced',
      'claim already',
      'final state: exact',
      'line: checkpoint.rebuild',
      'line: partition.halted FENCED',
      'line: partition.halted GAP',
      'line: partition.halted LOST_CHECKPOINT',
      'line: partition.halted REGRESSION',
      'line: stream.gap.accepted',
      'line: thread.lost',
      'regression accepted',
      'line: partition.halted SEQUENCE_GAP',
      'line: partition.halted PARKED_FULL',
      'line: partition.resumed',
      'operator: edit changed',
      'operator: skip changed',
      'operator: release again',
      'operator: discard-letter changed',
    ])
      expect(coverage.counts.get(path) ?? 0, path).toBeGreaterThan(0);
  });

  it(`holds them in ${CLUSTER_SEEDS} clusters of 1 to 5 nodes`, { timeout: 300_000 }, async () => {
    const coverage = new Coverage();
    for (let seed = 1; seed <= CLUSTER_SEEDS; seed++) {
      const result = await runSeed(seed, { bounds: clusterRuns });
      if (result.violation !== undefined) expect.fail(told(result).replace('--seed', '--cluster --seed'));
      coverage.merge(result.coverage);
    }
    for (const path of [...clusterStrikes, 'taken over', 'line: cluster.gone', 'line: partition.lost', 'commit fenced'])
      expect(coverage.counts.get(path) ?? 0, path).toBeGreaterThan(0);
  });

  it.each(plantedFaults)('finds a planted fault: $name', { timeout: 120_000 }, async (planted) => {
    for (let seed = 1; seed <= PLANTED_SEEDS_MAX; seed++)
      if ((await runSeed(seed, { planted })).violation !== undefined) return;
    expect.fail(`${PLANTED_SEEDS_MAX} seeds have not found it`);
  });

  it('keeps the trace of a seed as text, the same each time', async () => {
    const [first, second] = [await runSeed(7, { keepsText: true }), await runSeed(7, { keepsText: true })];
    expect(first.trace?.length).toBeGreaterThan(100);
    expect(first.trace).toEqual(second.trace);
  });
});

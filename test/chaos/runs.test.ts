/** The long runs of `main.ts`, short: kill -9 in a loop, and one workload with and without faults. */
import { expect, it } from 'vitest';
import { killRounds } from './kill-rounds.js';
import { runWorkload } from './workload-run.js';

const lines: string[] = [];
const progress = (line: string): void => {
  lines.push(line);
};

it('F1: a node that is killed at any moment, again and again, leaves what one undisturbed run would leave', async () => {
  const result = await killRounds({ rounds: 4, seed: 1, progress });
  expect(result).toMatchObject({ violations: [], deadLetters: 2 });
  expect(result.killedWithWork).toBeGreaterThan(0);
  expect(result.checkpointsSeen).toBeGreaterThan(64);
});

const short = { events: 30_000, faults: 6, progress } as const;
const earlier = (): number => Date.now() - short.events - 60_000;

it.each([
  ['services', 'time', 2],
  ['services', 'sequence', 3],
  ['sqlite', 'time', 4],
  ['sqlite', 'sequence', 5],
  ['postgres', 'time', 6],
  ['postgres', 'sequence', 7],
] as const)(
  '%s, order %s: 30,000 events with faults of every kind end in the same bytes as without',
  async (store, order, seed) => {
    const result = await runWorkload({ ...short, store, order, seed, from: earlier() });
    expect(result).toMatchObject({ violations: [], deadLetters: 33 });
    expect(result.disturbed).toEqual(result.undisturbed);
    expect(result.duplicates).toBeGreaterThan(500);
  },
);

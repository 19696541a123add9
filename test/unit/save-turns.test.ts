/** Whose turn it is to be saved (U1 to U4 of src/host/save-turns.ts). */
import { expect, it } from 'vitest';
import type { HostedPartition } from '../../src/host/hosted-partition.js';
import { SaveTurns } from '../../src/host/save-turns.js';

const terms = { checkpointMs: 1_000, checkpointBytes: 500 };

/** As much of a partition as turns are about. */
class Fake {
  isSaving = false;
  age = 1_000;
  bytes = 0;
  saves = 0;

  isDue(intervalMs: number, bytesMax: number): boolean {
    return !this.isSaving && (this.age >= intervalMs || this.bytes >= bytesMax);
  }

  save(): void {
    this.isSaving = true;
    this.saves++;
  }

  saved(): void {
    this.isSaving = false;
    this.age = 0;
  }
}

interface World {
  readonly fakes: Fake[];
  readonly clock: { now: number };
  readonly start: () => void;
}

function world(count: number): World {
  const fakes = Array.from({ length: count }, () => new Fake());
  const partitions = new Map(fakes.map((fake, i) => [i, fake as unknown as HostedPartition]));
  const clock = { now: 0 };
  const turns = new SaveTurns(terms, { elapsed: () => clock.now });
  return { fakes, clock, start: () => turns.start(partitions) };
}

const saving = (fakes: readonly Fake[]): number[] => fakes.flatMap(({ isSaving }, i) => (isSaving ? [i] : []));

it('U1: a few at a time, more where there are many', () => {
  const few = world(10);
  few.start();
  few.start();
  expect(saving(few.fakes)).toEqual([0, 1, 2, 3]);
  const many = world(320);
  many.start();
  expect(saving(many.fakes)).toHaveLength(20);
});

it('U2: everybody has a turn, also while the first ones are due again at once', () => {
  const { fakes, start } = world(10);
  for (let round = 0; round < 5; round++) {
    start();
    for (const fake of fakes) {
      if (fake.isSaving) fake.saved();
      fake.age += 1_000;
    }
  }
  expect(fakes.map(({ saves }) => saves)).toEqual(new Array(10).fill(2));
});

it('U3: one that is full waits for nobody', () => {
  const { fakes, start } = world(10);
  fakes[9]!.bytes = 500;
  start();
  expect(saving(fakes)).toEqual([0, 1, 2, 3, 9]);
});

it('leaves alone what is not due', () => {
  const { fakes, start } = world(3);
  fakes[1]!.age = 999;
  start();
  expect(saving(fakes)).toEqual([0, 2]);
});

it('U4: partitions that became due together end up with moments of their own, and are not saved more often', () => {
  const { fakes, clock, start } = world(50);
  const history: [at: number, partition: number][] = [];
  for (; clock.now < 20_000; clock.now += 5) {
    const before = fakes.map(({ saves }) => saves);
    start();
    for (const [i, fake] of fakes.entries()) {
      if (fake.saves > before[i]!) history.push([clock.now, i]);
      if (fake.isSaving) fake.saved();
      fake.age += 5;
    }
  }
  const most = (from: number, to: number): number => {
    const counts = new Map<number, number>();
    for (const [at] of history)
      if (at >= from && at < to) counts.set(Math.floor(at / 50), (counts.get(Math.floor(at / 50)) ?? 0) + 1);
    return Math.max(...counts.values());
  };
  expect(most(0, 1_000)).toBeGreaterThan(20);
  expect(most(10_000, 20_000)).toBeLessThanOrEqual(6);
  const late = history.filter(([at]) => at >= 10_000).length;
  expect(late).toBeGreaterThanOrEqual(50 * 10 - 50);
  expect(late).toBeLessThanOrEqual(50 * 10 + 50);
});

it('U4: a few that have something to save are not saved more often for it', () => {
  const { fakes, clock, start } = world(50);
  for (const fake of fakes.slice(3)) fake.age = Number.NEGATIVE_INFINITY;
  for (; clock.now < 20_000; clock.now += 5) {
    start();
    for (const fake of fakes) {
      if (fake.isSaving) fake.saved();
      fake.age += 5;
    }
  }
  for (const { saves } of fakes.slice(0, 3)) expect(saves).toBeLessThanOrEqual(22);
});

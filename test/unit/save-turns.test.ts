/** Whose turn it is to be saved (U1 to U3 of src/host/save-turns.ts). */
import { expect, it } from 'vitest';
import type { HostedPartition } from '../../src/host/hosted-partition.js';
import { startSaves } from '../../src/host/save-turns.js';

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

function world(count: number): { partitions: Map<number, HostedPartition>; fakes: Fake[]; start: () => void } {
  const fakes = Array.from({ length: count }, () => new Fake());
  const partitions = new Map(fakes.map((fake, i) => [i, fake as unknown as HostedPartition]));
  return { partitions, fakes, start: () => startSaves(partitions, terms) };
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

/** SlotTable against a map: hashes that crowd together, over the end, growth and removal (L1 to L3 of src/core/dedupe/slot-table.ts). */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SlotTable } from '../../src/core/dedupe/slot-table.js';
import { runs } from './runs.js';

/** A table and what should be in it. */
class Pair {
  readonly hashes = new Map<number, number>();
  readonly table = new SlotTable((number) => {
    const hash = this.hashes.get(number);
    if (hash === undefined) throw new Error(`${number} is not there, and nobody asks for its hash`);
    return hash;
  });

  add(number: number, hash: number): void {
    this.table.add(hash, number);
    this.hashes.set(number, hash);
  }

  remove(number: number): void {
    this.table.remove(this.hashes.get(number)!, number);
    this.hashes.delete(number);
  }

  /** What a search for the hash gives, of that very hash. */
  found(hash: number): number[] {
    const found: number[] = [];
    for (let place = this.table.seek(hash); place >= 0; place = this.table.seek(hash, place)) {
      const number = this.table.numberAt(place);
      if (!this.hashes.has(number)) expect.fail(`${number} is not there`);
      if (this.hashes.get(number) === hash) found.push(number);
    }
    return found.sort((a, b) => a - b);
  }

  check(hashes: Iterable<number>): void {
    const byHash = new Map<number, number[]>();
    for (const [number, hash] of this.hashes) byHash.set(hash, [...(byHash.get(hash) ?? []), number]);
    for (const hash of hashes) {
      const wanted = (byHash.get(hash) ?? []).sort((a, b) => a - b);
      const found = this.found(hash);
      if (found.join() !== wanted.join()) expect(found, `hash ${hash}`).toEqual(wanted);
    }
  }
}

describe('SlotTable', () => {
  // Few homes, at the end of the table and at its beginning, and hashes whose low bits, or all, are the same.
  const hash = fc
    .tuple(fc.constantFrom(0, 1, 2, 3, 0x3fe, 0x3ff), fc.constantFrom(0, 1, 0x1fffff, 0x200000, 0x3fffff))
    .map(([high, low]) => ((high << 22) | low) >>> 0);
  const step = fc.record({
    hash: fc.oneof({ weight: 9, arbitrary: hash }, { weight: 1, arbitrary: fc.nat(0xffffffff) }),
    act: fc.constantFrom('add', 'add', 'add', 'remove', 'remove'),
    choice: fc.nat(),
    /** Numbers that are far above those before need more bits of a slot. */
    skip: fc.oneof({ weight: 200, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(1_000_000) }),
  });

  it('L1 L2 L3: finds what a map finds, however numbers come and go', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 500, size: 'max' }), (steps) => {
        const pair = new Pair();
        const hashes = new Set<number>();
        let next = 0;
        for (const { act, choice, skip, ...of } of steps) {
          hashes.add(of.hash);
          const there = [...pair.hashes.keys()];
          if (act === 'add') {
            next += 1 + skip;
            pair.add(next, of.hash);
          } else if (there.length > 0) pair.remove(there[choice % there.length]!);
          if (choice % 16 === 0) pair.check(hashes);
        }
        pair.check(hashes);
      }),
      runs(150),
    );
  });

  it('L1: keeps full of those that come, while the oldest go, as long as the table is old', () => {
    const pair = new Pair();
    const hashOf = (n: number): number => Math.imul(n, 0x9e3779b1) >>> 0;
    for (let n = 0; n < 40_000; n++) {
      // As full as it gets before it would grow.
      if (n >= 14_000) pair.remove(n - 14_000);
      pair.add(n, hashOf(n ^ (n >>> 7)));
    }
    expect(pair.table.bytes).toBe(16_384 * 4);
    for (let n = 0; n < 40_000; n++) {
      const is = pair.found(hashOf(n ^ (n >>> 7))).includes(n);
      if (is !== n >= 26_000) expect.fail(`${n} is ${is ? '' : 'not '}there`);
    }
  });

  it('removes nothing that is not there, and nothing of another number with the same hash', () => {
    const pair = new Pair();
    for (let n = 0; n < 20; n++) pair.add(n, 7);
    pair.table.remove(7, 20);
    pair.table.remove(8, 5);
    pair.check([7, 8]);
  });

  it('reserves once: what was announced is then added without a larger table', () => {
    const pair = new Pair();
    for (let n = 0; n < 40; n++) pair.add(n, n * 1_000_003);
    pair.table.reserve(100_000);
    pair.check(pair.hashes.values());
    const { bytes } = pair.table;
    for (let n = 40; n < 100_000; n++) pair.add(n, Math.imul(n, 0x9e3779b1) >>> 0);
    expect(pair.table.bytes).toBe(bytes);
    pair.table.reserve(50_000);
    expect(pair.table.bytes).toBe(bytes);
    expect(bytes / 100_000).toBeLessThan(4.7);
  });
});

/** Who owns what: every partition once, contiguous, even, alike for everybody, and with as few moves as that allows. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { assign } from '../../src/core/assignment/assign.js';
import { cheapestMatching } from '../../src/core/assignment/matching.js';
import { partitionsOf, rangeOf } from '../../src/core/assignment/ranges.js';
import { isContiguous } from '../support/shares.js';
import { runs } from './runs.js';

type Owners = (string | undefined)[];

const names = fc.uniqueArray(fc.stringMatching(/^[a-c]{1,2}-?[0-9]{1,2}$/), { minLength: 1, maxLength: 9 });
const partitions = fc.integer({ min: 1, max: 130 });

const shareOf = (assignment: readonly string[], name: string): number[] =>
  assignment.flatMap((owner, partition) => (owner === name ? [partition] : []));
const kept = (owners: Owners, assignment: readonly string[]): number =>
  assignment.filter((owner, partition) => owners[partition] === owner).length;

/** Owners as they may be found: of members and others, in ranges or anyhow, with gaps. */
function ownersOf(members: readonly string[], count: number): fc.Arbitrary<Owners> {
  const owner = fc.option(fc.constantFrom(...members, 'stranger'), { nil: undefined });
  const anyhow = fc.array(owner, { minLength: count, maxLength: count });
  const inRanges = fc.array(owner, { minLength: 1, maxLength: 12, size: 'max' }).map((of) => {
    return Array.from({ length: count }, (_, partition) => of[Math.floor((partition * of.length) / count)]);
  });
  return fc.oneof(anyhow, inRanges);
}

const situations = fc
  .tuple(names, partitions)
  .chain(([members, count]) => fc.tuple(fc.constant(members), fc.constant(count), ownersOf(members, count)));

describe('assign', () => {
  it('S1: gives every partition one member, each a range without a break, and sizes that differ by one at most', () => {
    fc.assert(
      fc.property(situations, ([members, count, owners]) => {
        const assignment = assign(members, count, owners);
        expect(assignment).toHaveLength(count);
        const shares = members.map((name) => shareOf(assignment, name));
        expect(shares.flat()).toHaveLength(count);
        for (const share of shares) expect(isContiguous(share)).toBe(true);
        const sizes = shares.map((share) => share.length);
        expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
      }),
      runs(300),
    );
  });

  it('answers alike whatever order the members are named in', () => {
    fc.assert(
      fc.property(situations, fc.func(fc.integer()), ([members, count, owners], rank) => {
        const shuffled = [...members, ...members].sort((a, b) => rank(a) - rank(b));
        expect(assign(shuffled, count, owners)).toEqual(assign(members, count, owners));
      }),
      runs(200),
    );
  });

  it('S2: moves as little as any dealing out of these ranges could', () => {
    const few = fc
      .tuple(fc.uniqueArray(fc.constantFrom('a', 'b', 'c', 'd', 'e'), { minLength: 1 }), partitions)
      .chain(([members, count]) => fc.tuple(fc.constant(members), fc.constant(count), ownersOf(members, count)));
    fc.assert(
      fc.property(few, ([members, count, owners]) => {
        const best = permutations(members).reduce((most, order) => {
          const dealt = order.flatMap((name, i) => partitionsOf(rangeOf(i, order.length, count)).map(() => name));
          return Math.max(most, kept(owners, dealt));
        }, 0);
        expect(kept(owners, assign(members, count, owners))).toBe(best);
      }),
      runs(200),
    );
  });

  it('S2: nothing moves where everything is as it should be', () => {
    fc.assert(
      fc.property(situations, ([members, count, owners]) => {
        const assignment = assign(members, count, owners);
        expect(assign(members, count, assignment)).toEqual(assignment);
      }),
      runs(200),
    );
  });

  it('S2: when one leaves, at most a third of what the others have moves with it', () => {
    for (let count = 2; count <= 12; count++) {
      const members = Array.from({ length: count }, (_, n) => `n-${n}`);
      const before = assign(members, 64, []);
      for (const leaver of members) {
        const after = assign(
          members.filter((name) => name !== leaver),
          64,
          before,
        );
        const moved = after.filter((owner, p) => before[p] !== owner && before[p] !== leaver).length;
        expect(moved).toBeLessThanOrEqual(Math.ceil(64 / 3));
      }
    }
  });

  it('S3: stays what it is while partitions are released and claimed, in any order', () => {
    fc.assert(
      fc.property(situations, fc.infiniteStream(fc.nat()), ([members, count, owners], chance) => {
        const target = assign(members, count, owners);
        const now = [...owners];
        const moving = now.flatMap((owner, partition) => (owner === target[partition] ? [] : [partition]));
        while (moving.length > 0) {
          const at = chance.next().value! % moving.length;
          const partition = moving[at]!;
          if (now[partition] === undefined) {
            now[partition] = target[partition];
            moving.splice(at, 1);
          } else now[partition] = undefined;
          expect(assign(members, count, now)).toEqual(target);
        }
      }),
      runs(60),
    );
  });

  it('S3: also where several answers are as good', () => {
    const members = ['b-02', 'c0', 'a-9', 'b2', 'cc0', 'c97', 'b3', 'b-9', 'a9'];
    const owners = new Array<string | undefined>(28).fill(undefined);
    for (const [at, owner] of [
      ...([
        [0, 'b2'],
        [4, 'b3'],
        [6, 'b3'],
        [7, 'b2'],
        [11, 'a9'],
        [14, 'b-02'],
        [16, 'c0'],
      ] as const),
      ...([
        [18, 'a-9'],
        [20, 'c97'],
        [26, 'b-9'],
      ] as const),
    ])
      owners[at] = owner;
    const target = assign(members, 28, owners);
    // As they are released and claimed from the first to the last, and from the last to the first.
    for (const order of [partitionsOf({ from: 0, to: 28 }), partitionsOf({ from: 0, to: 28 }).reverse()]) {
      const now = [...owners];
      for (const step of [undefined, ...order])
        for (const partition of step === undefined ? order : [step]) {
          if (now[partition] === target[partition]) continue;
          now[partition] = step === undefined ? undefined : target[partition];
          expect(assign(members, 28, now)).toEqual(target);
        }
    }
  });

  it('S1: orders numbered names by their numbers', () => {
    const members = ['n-10', 'n-2', 'n-1', 'm-3'];
    expect(assign(members, 4, [])).toEqual(['m-3', 'n-1', 'n-2', 'n-10']);
  });

  it('needs a member', () => {
    expect(() => assign([], 4, [])).toThrow(RangeError);
  });
});

describe('cheapestMatching', () => {
  it('costs as little as any other', () => {
    const square = fc.integer({ min: 1, max: 6 }).chain((size) => {
      const row = fc.array(fc.integer({ min: -1_000, max: 1_000 }), { minLength: size, maxLength: size });
      return fc.array(row, { minLength: size, maxLength: size });
    });
    fc.assert(
      fc.property(square, (cost) => {
        const sum = (columns: readonly number[]): number =>
          columns.reduce((total, column, row) => total + cost[row]![column]!, 0);
        const columns = cheapestMatching(cost);
        expect([...columns].sort((a, b) => a - b)).toEqual(cost.map((_, i) => i));
        const cheapest = permutations(cost.map((_, i) => i)).reduce(
          (least, order) => Math.min(least, sum(order)),
          Number.POSITIVE_INFINITY,
        );
        expect(sum(columns)).toBe(cheapest);
      }),
      runs(200),
    );
  });

  it('is the first of those that cost as little', () => {
    const square = fc.integer({ min: 1, max: 6 }).chain((size) => {
      const row = fc.array(fc.integer({ min: 0, max: 2 }), { minLength: size, maxLength: size });
      return fc.array(row, { minLength: size, maxLength: size });
    });
    fc.assert(
      fc.property(square, (cost) => {
        const sum = (columns: readonly number[]): number =>
          columns.reduce((total, column, row) => total + cost[row]![column]!, 0);
        // Permutations come in lexicographic order.
        const all = permutations(cost.map((_, i) => i));
        const least = Math.min(...all.map(sum));
        expect(cheapestMatching(cost)).toEqual(all.find((columns) => sum(columns) === least));
      }),
      runs(200),
    );
  });
});

function permutations<T>(values: readonly T[]): T[][] {
  if (values.length <= 1) return [[...values]];
  return values.flatMap((value, i) =>
    permutations([...values.slice(0, i), ...values.slice(i + 1)]).map((rest) => [value, ...rest]),
  );
}

/**
 * The records of an application under another partition count.
 *
 * A new partition holds keys of several old ones, which stood at different places of the stream. It starts at the
 * lowest of their floors, and what any of them had decided above that is named, event by event: `decided` is told the
 * events between the lowest floor and the highest decided sequence, in stream order, and builds those sets.
 *
 * Invariants
 * Y1. An event is decided at the new position of its new partition iff it was at the old position of its old one. One
 *     that never ran has decided nothing, and holds back those that its keys come into like every other.
 * Y2. Two partitions share keys iff their numbers are equal modulo the greatest common divisor of the counts.
 */
import type { Counters, Layout, PartitionRecord } from '../checkpoint/record.js';
import { emptyCounters, firstRecord } from '../checkpoint/record.js';
import { isDecided } from '../position/position-window.js';
import { withRange } from '../position/ranges.js';

export class Repartition {
  readonly #old: ReadonlyMap<number, PartitionRecord>;
  readonly #layout: Layout;
  readonly #oldCount: number;
  /** Decided ranges above the floor of each new partition, and whether an undecided event came since the last one. */
  readonly #above = new Map<number, { ranges: number[]; isBroken: boolean }>();

  /** `old` by partition; those that never ran are missing. `layout` is the new one, `first` where the stream begins. */
  constructor(old: ReadonlyMap<number, PartitionRecord>, oldCount: number, layout: Layout, first: number) {
    this.#oldCount = oldCount;
    this.#layout = layout;
    this.#old = oldCount === layout.partitions ? old : completed(old, oldCount, first);
  }

  /** First and last sequence that `decided` must be told, or undefined if none. */
  get range(): { readonly first: number; readonly last: number } | undefined {
    const records = [...this.#old.values()];
    if (records.length === 0 || this.#oldCount === this.#layout.partitions) return undefined;
    const floor = Math.min(...records.map(({ position }) => position.floor));
    const last = Math.max(...records.map(({ position: { floor: own, above } }) => above.at(-1) ?? own));
    return last > floor ? { first: floor + 1, last } : undefined;
  }

  /** An event of the range, in stream order, with the partitions that it had and gets. */
  decided(sequence: number, oldPartition: number, partition: number): void {
    const { position } = this.#old.get(oldPartition)!;
    const above = this.#above.get(partition) ?? { ranges: [], isBroken: true };
    this.#above.set(partition, above);
    if (!isDecided(position, sequence)) {
      above.isBroken = true;
      return;
    }
    if (above.isBroken) above.ranges.push(sequence, sequence);
    else above.ranges[above.ranges.length - 1] = sequence;
    above.isBroken = false;
  }

  /** Old partitions whose keys come into a new one. Y2. */
  sources(partition: number): number[] {
    const step = greatestCommonDivisor(this.#oldCount, this.#layout.partitions);
    return [...this.#old.keys()].filter((old) => old % step === partition % step);
  }

  /** The first record of a new partition; undefined if no source is known. Counters go to the lowest number. */
  record(partition: number, deadStored: number): PartitionRecord | undefined {
    const sources = this.sources(partition).map((old) => this.#old.get(old)!);
    const [first] = sources;
    if (first === undefined) return undefined;
    if (this.#oldCount === this.#layout.partitions) return { ...first, layout: this.#layout, deadStored };
    const floor = Math.min(...sources.map(({ position }) => position.floor));
    const above = (this.#above.get(partition)?.ranges ?? []).filter((_, at, all) => all[at | 1]! > floor);
    const newest = sources.reduce((a, b) => (b.anchor.sequence > a.anchor.sequence ? b : a));
    const unset = Number.NEGATIVE_INFINITY;
    // Behind the slowest, also one that had seen nothing: what is read again is then held and ordered again.
    const watermark = Math.min(...sources.map((source) => source.watermark));
    const maxTime = Math.min(...sources.map((source) => source.maxTime));
    // Their order among themselves is known to their old partition only: held again, they come in the order of time.
    const isDue = sources.some(({ due }) => due.length > 0);
    return {
      format: first.format,
      layout: this.#layout,
      partition,
      chain: first.chain,
      position: { floor, above: clipped(above, floor) },
      anchor: newest.anchor,
      watermark: isDue ? unset : watermark,
      maxTime: isDue ? unset : maxTime,
      arrival: Math.max(...sources.map(({ arrival }) => arrival)),
      due: [],
      counters: this.#counters(partition),
      deadStored,
      gaps: sources.reduce<number[]>((all, { gaps }) => merged(all, gaps), []),
      savedAt: Math.max(...sources.map(({ savedAt }) => savedAt)),
    };
  }

  /** Sums cannot be divided by key: each old partition's go to the one new partition that has its number, modulo the count. */
  #counters(partition: number): Counters {
    const sum = emptyCounters();
    for (const [old, { counters }] of this.#old) {
      if (old % this.#layout.partitions !== partition) continue;
      for (const name of ['applied', 'duplicates', 'conflicts', 'late', 'clamped', 'skipped'] as const)
        sum[name] += counters[name];
      for (const [code, count] of Object.entries(counters.dead) as [keyof Counters['dead'], number][])
        sum.dead[code] = (sum.dead[code] ?? 0) + count;
    }
    return sum;
  }
}

/** With a record for each partition, unless nothing is known at all. */
function completed(
  old: ReadonlyMap<number, PartitionRecord>,
  oldCount: number,
  first: number,
): ReadonlyMap<number, PartitionRecord> {
  const [known] = old.values();
  if (known === undefined) return old;
  const { layout, chain } = known;
  const all = new Map(old);
  for (let partition = 0; partition < oldCount; partition++)
    if (!all.has(partition)) all.set(partition, firstRecord({ layout, chain, partition, first, gaps: [], savedAt: 0 }));
  return all;
}

function clipped(ranges: readonly number[], floor: number): number[] {
  return ranges.map((edge, at) => (at % 2 === 0 ? Math.max(edge, floor + 1) : edge));
}

function merged(ranges: readonly number[], more: readonly number[]): number[] {
  let all = [...ranges];
  for (let at = 0; at < more.length; at += 2) all = withRange(all, more[at]!, more[at + 1]!);
  return all;
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}

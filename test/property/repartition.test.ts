/** Repartition against the old positions, event by event: any stream, any two counts, partitions that never ran. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { PartitionRecord } from '../../src/core/checkpoint/record.js';
import { firstRecord } from '../../src/core/checkpoint/record.js';
import { PARTITION_HASH, partitionOf } from '../../src/core/key/partition.js';
import type { Position } from '../../src/core/position/position-window.js';
import { isDecided } from '../../src/core/position/position-window.js';
import { decodeRanges, encodeRanges, withRange } from '../../src/core/position/ranges.js';
import { Repartition } from '../../src/core/savepoint/repartition.js';
import { runs } from './runs.js';

const KEYS = Array.from({ length: 12 }, (_, at) => `key-${at}`);
const COUNT_MAX = 6;
const chain = [{ stream: 'EVENTS', base: 0 }];
const layoutOf = (partitions: number) => ({ app: 'main', partitions, hash: PARTITION_HASH });

/** What a partition had decided: everything up to `floor` events into the stream, and of the next ones those that say so. */
interface Past {
  readonly floor: number;
  readonly next: readonly boolean[];
  readonly watermark: number;
  readonly isDue: boolean;
}

const past: fc.Arbitrary<Past> = fc.record({
  floor: fc.nat(40),
  next: fc.array(fc.boolean(), { maxLength: 20, size: 'max' }),
  watermark: fc.oneof(fc.nat(1_000), fc.constant(Number.NEGATIVE_INFINITY)),
  isDue: fc.boolean(),
});

function recordOf(partition: number, partitions: number, first: number, last: number, past: Past): PartitionRecord {
  const floor = Math.min(first - 1 + past.floor, last);
  let above: number[] = [];
  for (const [at, isIn] of past.next.entries())
    if (isIn && floor + 2 + at <= last) above = withRange(above, floor + 2 + at, floor + 2 + at);
  const { watermark, isDue } = past;
  return {
    ...firstRecord({ layout: layoutOf(partitions), chain, partition, first, gaps: [], savedAt: 0 }),
    position: { floor, above },
    watermark,
    maxTime: watermark + 100,
    due: isDue ? [floor + 1] : [],
  };
}

const world = fc.record({
  first: fc.integer({ min: 1, max: 9 }),
  keys: fc.array(fc.constantFrom(...KEYS), { maxLength: 60, size: 'max' }),
  old: fc.array(fc.option(past, { nil: undefined }), { minLength: 1, maxLength: COUNT_MAX }),
  count: fc.integer({ min: 1, max: COUNT_MAX }),
});

describe('Repartition', () => {
  it('Y1: an event is decided where it goes iff it was where it comes from, and nobody is ahead of those behind', () => {
    fc.assert(
      fc.property(world, ({ first, keys, old, count }) => {
        const last = first + keys.length - 1;
        const nothing: Position = { floor: first - 1, above: [] };
        const records = new Map<number, PartitionRecord>();
        for (const [partition, past] of old.entries())
          if (past !== undefined) records.set(partition, recordOf(partition, old.length, first, last, past));
        const plan = new Repartition(records, old.length, layoutOf(count), first);
        for (let at = plan.range?.first ?? 1; at <= (plan.range?.last ?? 0); at++)
          plan.decided(at, partitionOf(keys[at - first]!, old.length), partitionOf(keys[at - first]!, count));

        const made = Array.from({ length: count }, (_, partition) => plan.record(partition, 0));
        for (const { floor, above } of made.flatMap((record) => record?.position ?? []))
          expect(decodeRanges(encodeRanges(above, floor), floor)).toEqual(above);
        for (const [at, key] of keys.entries()) {
          const source = records.get(partitionOf(key, old.length));
          const target = made[partitionOf(key, count)];
          const wanted = isDecided(source?.position ?? nothing, first + at);
          expect(target === undefined ? false : isDecided(target.position, first + at), `${first + at}`).toBe(wanted);
          if (target === undefined) continue;
          expect(target.watermark).toBeLessThanOrEqual(source?.watermark ?? Number.NEGATIVE_INFINITY);
          expect(target.maxTime).toBeLessThanOrEqual(source?.maxTime ?? Number.NEGATIVE_INFINITY);
        }
      }),
      runs(500),
    );
  });
});

/** Records under another partition count: what is read again is held and ordered again. */
import { expect, it } from 'vitest';
import { firstRecord } from '../../src/core/checkpoint/record.js';
import { Repartition } from '../../src/core/savepoint/repartition.js';
import { baseOptions } from '../property/actor-stream.js';

it('a partition that had seen nothing holds back the watermark of those that its keys come into', () => {
  const { layout } = baseOptions;
  const chain = [{ stream: 'EVENTS', base: 0 }];
  const one = (partition: number) => firstRecord({ layout, chain, partition, first: 1, gaps: [], savedAt: 0 });
  const seen = { ...one(0), watermark: 700, maxTime: 1_000 };
  const records = new Map([
    [0, seen],
    [1, one(1)],
  ]);
  const made = new Repartition(records, 2, { ...layout, partitions: 3 }).record(0, 0)!;
  expect([made.watermark, made.maxTime]).toEqual([Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY]);
});

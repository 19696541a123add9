/** The first record of a partition: a position, and nothing else. */
import { emptyCounters, encodeRecord, RECORD_FORMAT } from '../../src/core/checkpoint/record.js';
import { PARTITION_HASH } from '../../src/core/key/partition.js';
import type { Position } from '../../src/core/position/position-window.js';

export function firstRecord(partition: number, partitions: number, position: Position): string {
  const unset = Number.NEGATIVE_INFINITY;
  return encodeRecord({
    format: RECORD_FORMAT,
    layout: { app: 'main', partitions, hash: PARTITION_HASH },
    partition,
    chain: [{ stream: 'EVENTS', base: 0 }],
    position,
    anchor: { sequence: 0, time: '' },
    watermark: unset,
    maxTime: unset,
    arrival: unset,
    due: [],
    counters: emptyCounters(),
    deadStored: 0,
    gaps: [],
    savedAt: Date.now(),
  });
}

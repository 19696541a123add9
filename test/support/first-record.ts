/** The stored text of a partition's record that holds a position, and nothing else. */
import { encodeRecord, firstRecord as recordOf } from '../../src/core/checkpoint/record.js';
import { PARTITION_HASH } from '../../src/core/key/partition.js';
import type { Position } from '../../src/core/position/position-window.js';
import { singleStream } from '../../src/core/position/stream-chain.js';

export function firstRecord(partition: number, partitions: number, position: Position): string {
  const layout = { app: 'main', partitions, hash: PARTITION_HASH };
  const chain = singleStream('EVENTS');
  return encodeRecord({ ...recordOf({ layout, chain, partition, first: 1, gaps: [], savedAt: Date.now() }), position });
}

/** What stored partitions depend on, as this version and these options have it. */
import { RECORD_FORMAT } from '../core/checkpoint/record.js';
import { PARTITION_HASH } from '../core/key/partition.js';
import type { Options } from '../options/types.js';

export function layoutOf({ partitions }: Options): { partitions: number; hash: string; format: number } {
  return { partitions, hash: PARTITION_HASH, format: RECORD_FORMAT };
}

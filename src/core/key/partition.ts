/** Which partition a key belongs to: `fnv1a32(token(key)) mod partitions`, as the NATS server's `partition()` answers. */
import { fnv1a32 } from './hash.js';
import { tokenOfKey } from './key.js';

/** Name of the hash, stored with every checkpoint: data written under another one is refused. */
export const PARTITION_HASH = 'fnv1a32';

/** Partition of `key`, 0 to `partitions - 1`. */
export function partitionOf(key: string, partitions: number): number {
  return fnv1a32(tokenOfKey(key)) % partitions;
}

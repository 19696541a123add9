/**
 * Whose turn it is to be saved, among the partitions of a host.
 *
 * Invariants
 * U1. A few are saved at a time. All at once, the commits of a second would wait for each other at the store with
 *     everything they hold, and everybody else there would wait for all of them.
 * U2. The one that was saved longest ago comes first, so that none waits for ever.
 * U3. One that has reached its bound of bytes waits for nobody.
 */
import type { HostOptions } from './host-options.js';
import type { HostedPartition } from './hosted-partition.js';

/** So many saves may be under way at a time, or as many as make this number of rounds over all partitions. */
const SAVES_MIN = 4;
const ROUNDS_MAX = 16;

/** Saves what is due; `partitions` keeps the order of turns. */
export function startSaves(
  partitions: Map<number, HostedPartition>,
  { checkpointMs, checkpointBytes }: Pick<HostOptions, 'checkpointMs' | 'checkpointBytes'>,
): void {
  let saving = 0;
  for (const partition of partitions.values()) if (partition.isSaving) saving++;
  const most = Math.max(SAVES_MIN, Math.ceil(partitions.size / ROUNDS_MAX));
  for (const [number, partition] of partitions) {
    const intervalMs = saving < most ? checkpointMs : Number.POSITIVE_INFINITY;
    if (!partition.isDue(intervalMs, checkpointBytes)) continue;
    partition.save();
    if (!partition.isSaving) continue;
    saving++;
    // Behind the others; this loop comes to it again and passes over it, because it is being saved.
    partitions.delete(number);
    partitions.set(number, partition);
  }
}

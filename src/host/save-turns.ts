/**
 * Whose turn it is to be saved, among the partitions of a host.
 *
 * Invariants
 * U1. A few are saved at a time. All at once, the commits of a second would wait for each other at the store with
 *     everything they hold, and everybody else there would wait for all of them.
 * U2. The one that was saved longest ago comes first, so that none waits for ever.
 * U3. One that has reached its bound of bytes waits for nobody.
 * U4. Saves spread over the interval: where all partitions became due together, some go early until each has a moment of its
 *     own, and as many are saved in an interval as before. All in one go, they would hold up events for as long as they take.
 */
import type { Clock } from '../ports/clock.js';
import type { HostOptions } from './host-options.js';
import type { HostedPartition } from './hosted-partition.js';

/** So many saves may be under way at a time, or as many as make this number of rounds over all partitions. */
const SAVES_MIN = 4;
const ROUNDS_MAX = 16;
/** None goes earlier than after this share of the interval. */
const EARLY_SHARE = 0.75;

export class SaveTurns {
  readonly #options: Pick<HostOptions, 'checkpointMs' | 'checkpointBytes'>;
  readonly #clock: Pick<Clock, 'elapsed'>;
  /** Monotonic time. */
  #startedAt = 0;
  #countedFrom = 0;
  /** Saves since then, and in the interval before. */
  #count = 0;
  #countBefore = 0;

  constructor(options: Pick<HostOptions, 'checkpointMs' | 'checkpointBytes'>, clock: Pick<Clock, 'elapsed'>) {
    this.#options = options;
    this.#clock = clock;
  }

  /** Saves what is due; `partitions` keeps the order of turns. */
  start(partitions: Map<number, HostedPartition>): void {
    const { checkpointMs, checkpointBytes } = this.#options;
    let saving = 0;
    for (const partition of partitions.values()) if (partition.isSaving) saving++;
    const most = Math.max(SAVES_MIN, Math.ceil(partitions.size / ROUNDS_MAX));
    for (const [number, partition] of partitions) {
      const intervalMs = saving < most ? checkpointMs : Number.POSITIVE_INFINITY;
      if (partition.isDue(intervalMs, checkpointBytes) && this.#save(partitions, number, partition)) saving++;
    }
    if (saving < most && this.#isEarlyTurn()) this.#saveEarly(partitions);
  }

  /** U4. Whether there is room for one between those of an interval. */
  #isEarlyTurn(): boolean {
    const now = this.#clock.elapsed();
    const { checkpointMs } = this.#options;
    if (now - this.#countedFrom >= checkpointMs) {
      this.#countBefore = this.#count;
      this.#count = 0;
      this.#countedFrom = now;
    }
    return now - this.#startedAt >= checkpointMs / Math.max(1, this.#countBefore);
  }

  #saveEarly(partitions: Map<number, HostedPartition>): void {
    const { checkpointMs, checkpointBytes } = this.#options;
    for (const [number, partition] of partitions) {
      if (!partition.isDue(checkpointMs * EARLY_SHARE, checkpointBytes)) continue;
      if (this.#save(partitions, number, partition)) return;
    }
  }

  #save(partitions: Map<number, HostedPartition>, number: number, partition: HostedPartition): boolean {
    partition.save();
    if (!partition.isSaving) return false;
    this.#startedAt = this.#clock.elapsed();
    this.#count++;
    // Behind the others; a loop under way comes to it again and passes over it, because it is being saved.
    partitions.delete(number);
    partitions.set(number, partition);
    return true;
  }
}

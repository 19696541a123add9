/** What this node knows of each of its partitions. One place, so that status, metrics and readiness agree. */
import type { Fault, PartitionReport } from '../protocol/messages.js';

/**
 *   unclaimed → claiming → running → halted
 *        ↖──────────────────┘ (fenced, thread lost)
 *   any of them but claiming → releasing → gone from the table (another node is to own it)
 */
export type PartitionPhase = 'unclaimed' | 'claiming' | 'running' | 'halted' | 'releasing';

export interface PartitionStatus {
  readonly partition: number;
  readonly slot: number;
  phase: PartitionPhase;
  /** Epoch of the newest claim, 0 before the first. */
  epoch: number;
  /** Why it is halted. */
  fault: Fault | undefined;
  report: PartitionReport | undefined;
  /** Wall clock of the last change of phase, epoch ms. */
  since: number;
  /** How often it was claimed again after it had run. */
  recoveries: number;
}

/** Partitions in contiguous runs over the slots, as even as it goes. */
export function slotOf(index: number, count: number, slots: number): number {
  return Math.floor((index * slots) / count);
}

/** A partition of which nothing is known yet; `since`: epoch ms. */
export function newPartition(partition: number, slot: number, since: number): PartitionStatus {
  return { partition, slot, phase: 'unclaimed', epoch: 0, fault: undefined, report: undefined, since, recoveries: 0 };
}

/** Notes another phase, `now` (epoch ms), and why. */
export function setPhase(status: PartitionStatus, phase: PartitionPhase, now: number, fault?: Fault): void {
  status.phase = phase;
  status.fault = fault;
  status.since = now;
}

/** The slot with the fewest partitions. */
export function emptiestSlot(partitions: Iterable<Pick<PartitionStatus, 'slot'>>, slots: number): number {
  const counts = new Array<number>(slots).fill(0);
  for (const { slot } of partitions) counts[slot]!++;
  return counts.indexOf(Math.min(...counts));
}

/** Where the node stands, as few numbers, from its status. */
import { streamIndexOf } from '../../core/key/stream-share.js';
import type { NodeStatus } from '../../runtime/node-status.js';

/** Sums over the partitions of a node. */
export interface Progress {
  readonly applied: number;
  readonly duplicates: number;
  readonly late: number;
  readonly dead: number;
  /** Events that wait for earlier ones. */
  readonly buffered: number;
  /** Events of the stream that were not read yet. */
  readonly lag: number;
  /** Age of the newest checkpoint of a partition, the median of them, ms; undefined before the first. */
  readonly checkpointAgeMs: number | undefined;
  /** Partitions that stand still, with the reason. */
  readonly halted: readonly { readonly partition: number; readonly reason: string }[];
}

export function progressOf(status: NodeStatus, now: number): Progress {
  const reports = status.partitions.flatMap(({ report }) => (report === undefined ? [] : [report]));
  const sum = (value: (report: (typeof reports)[number]) => number): number =>
    reports.reduce((total, report) => total + value(report), 0);
  // The oldest would mislead: a partition whose few keys have no events is not saved.
  const saved = reports.filter(({ savedAt, counters }) => savedAt > 0 && counters.applied > 0);
  const ages = saved.map(({ savedAt }) => Math.max(0, now - savedAt)).sort((a, b) => a - b);
  return {
    applied: sum(({ counters }) => counters.applied),
    duplicates: sum(({ counters }) => counters.duplicates),
    late: sum(({ counters }) => counters.late),
    dead: sum(({ deadStored }) => deadStored),
    buffered: sum(({ buffered }) => buffered),
    lag: status.unread ?? 0,
    checkpointAgeMs: ages[Math.floor(ages.length / 2)],
    halted: status.partitions.flatMap(({ partition, phase, fault }) =>
      phase === 'halted' ? [{ partition, reason: `${fault?.code}: ${fault?.message}` }] : [],
    ),
  };
}

/** Whether every running partition has decided everything up to the `lasts` of the streams and holds nothing back. */
export function hasSettled(status: NodeStatus, lasts: readonly number[]): boolean {
  const count = status.partitions.length;
  return status.partitions.every(
    ({ phase, report }, partition) =>
      phase === 'halted' ||
      (report !== undefined &&
        report.buffered === 0 &&
        report.floor >= lasts[streamIndexOf(partition, count, lasts.length)]!),
  );
}

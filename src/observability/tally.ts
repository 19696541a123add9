/**
 * From the counts in a node's status to counters that a monitoring system can use.
 *
 * The counters of a partition are part of its checkpoint: they outlive the process, fall back with a replay, and move
 * to another node with the partition. Exported as they are, a fall would look like a restart from 0 and be counted as
 * a burst of everything ever applied; as gauges, rates could not be taken at all. So the exported counters begin at 0
 * with the process and grow by what its partitions gained since they were claimed, whenever they are looked at first.
 *
 * Invariants
 * C1. A total never falls.
 * C2. What a replay decides again is counted once: a partition adds only above the highest value it has had.
 * C3. What another node decided is not counted here: after a foreign claim a partition starts anew, from what was stored.
 */
import type { Counters } from '../core/checkpoint/record.js';
import type { HandlerReport, PartitionReport, ThreadReport } from '../protocol/messages.js';
import type { Timing } from '../protocol/timing.js';
import type { Moves } from '../runtime/handover.js';
import type { NodeStatus } from '../runtime/node-status.js';
import type { MetricName } from './names.js';

/** Calls `gain` with what each counter grew by; dead letters have their reason as the label. */
export type Gain = (name: MetricName, by: number, label?: string) => void;
/** Calls with what each histogram grew by: a count per bucket, and their sum in ms. */
export type TimingGain = (name: MetricName, by: Timing) => void;

const ofTimings = {
  time: 'millrace_handler_seconds',
  applied: 'millrace_event_applied_seconds',
  durable: 'millrace_event_durable_seconds',
} as const satisfies Partial<Record<keyof HandlerReport, MetricName>>;

const ofCounters = {
  applied: 'millrace_events_applied_total',
  duplicates: 'millrace_events_duplicate_total',
  conflicts: 'millrace_events_conflict_total',
  late: 'millrace_events_late_total',
  clamped: 'millrace_events_clamped_total',
  skipped: 'millrace_sequence_numbers_skipped_total',
} as const satisfies Record<Exclude<keyof Counters, 'dead'>, MetricName>;

const ofMoves = {
  handedOver: 'millrace_partitions_handed_over_total',
  takenOver: 'millrace_partitions_taken_over_total',
  released: 'millrace_partitions_released_total',
  lost: 'millrace_partitions_lost_total',
  replayed: 'millrace_handover_replayed_events_total',
} as const satisfies Record<keyof Moves, MetricName>;

export class Tally {
  readonly #gain: Gain;
  readonly #timed: TimingGain;
  /** Epoch of the claim that each partition was last seen with. */
  readonly #epochs = new Map<number, number>();
  /** Highest value of each counter that is stored with its partition. */
  readonly #highest = new Map<string, number>();
  /** Last value of each counter that begins at 0 with its owner: process, thread, incarnation. */
  readonly #last = new Map<string, number>();
  /** Last timings of each thread. */
  readonly #timings = new Map<string, Timing>();

  constructor(gain: Gain, timed: TimingGain) {
    this.#gain = gain;
    this.#timed = timed;
  }

  /** Adds what was gained since the last call. */
  update({ partitions, threads, eventsRead, moves }: NodeStatus): void {
    this.#since('node', 'millrace_events_read_total', eventsRead);
    for (const [move, name] of Object.entries(ofMoves)) this.#since('node', name, moves[move as keyof Moves]);
    for (const { partition, report, recoveries } of partitions) {
      this.#since(`partition ${partition}`, 'millrace_partition_recoveries_total', recoveries);
      if (report !== undefined) this.#partition(partition, report);
    }
    for (const [slot, report] of threads.entries()) this.#thread(slot, report);
  }

  #partition(partition: number, report: PartitionReport): void {
    const owner = `partition ${partition}`;
    const { epoch, counters: stored } = report.claimed;
    const seen = this.#epochs.get(partition);
    this.#epochs.set(partition, epoch);
    if (seen === undefined || epoch > seen + 1)
      this.#eachStored(owner, stored, (counter, value) => this.#raise(counter, value));
    this.#eachStored(owner, report.counters, (counter, value, name, label) => {
      this.#gain(name, Math.max(0, value - (this.#highest.get(counter) ?? 0)), label);
      this.#raise(counter, value);
    });
    this.#since(owner, 'millrace_events_forced_total', report.forced);
    this.#since(owner, 'millrace_dedupe_evicted_early_total', report.dedupeEvictedEarly);
  }

  #thread(slot: number, { commits, commitMs, commitKeys, handler, sink }: ThreadReport): void {
    const owner = `thread ${slot}`;
    this.#since(owner, 'millrace_commits_total', commits);
    this.#since(owner, 'millrace_commit_seconds_total', commitMs / 1000);
    this.#since(owner, 'millrace_commit_keys_total', commitKeys);
    this.#since(owner, 'millrace_handler_calls_total', handler?.calls ?? 0);
    if (handler !== undefined)
      for (const [part, name] of Object.entries(ofTimings))
        this.#sinceTimed(owner, name, handler[part as keyof typeof ofTimings]);
    if (sink === undefined) return;
    this.#since(owner, 'millrace_sink_rows_total', sink.rows);
    this.#since(owner, 'millrace_sink_resyncs_total', sink.resyncs);
  }

  #eachStored(
    owner: string,
    { dead, ...counters }: Readonly<Counters>,
    act: (counter: string, value: number, name: MetricName, label?: string) => void,
  ): void {
    for (const [counter, name] of Object.entries(ofCounters))
      act(`${owner} ${name}`, counters[counter as keyof typeof counters], name);
    for (const [reason, count] of Object.entries(dead))
      act(`${owner} dead ${reason}`, count, 'millrace_events_dead_total', reason);
  }

  /** C2. */
  #raise(counter: string, value: number): void {
    this.#highest.set(counter, Math.max(value, this.#highest.get(counter) ?? 0));
  }

  #since(owner: string, name: MetricName, value: number): void {
    const counter = `${owner} ${name}`;
    const last = this.#last.get(counter) ?? 0;
    this.#gain(name, value < last ? value : value - last);
    this.#last.set(counter, value);
  }

  /** All buckets at once: a thread that began anew has none of the counts of the one before. */
  #sinceTimed(owner: string, name: MetricName, timing: Timing): void {
    const key = `${owner} ${name}`;
    const last = this.#timings.get(key);
    this.#timings.set(key, timing);
    const isSame = last?.counts.every((count, at) => count <= timing.counts[at]!) === true;
    const counts = timing.counts.map((count, at) => count - (isSame ? last!.counts[at]! : 0));
    this.#timed(name, { counts, sumMs: timing.sumMs - (isSame ? last!.sumMs : 0) });
  }
}

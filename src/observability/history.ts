/**
 * The last ten minutes of a node, a sample a second, in memory: what the charts of the dashboard show when they are
 * opened. Monitoring keeps the rest.
 */
import { meanOf, sumOf, type Timing } from '../protocol/timing.js';
import type { NodeStatus } from '../runtime/node-status.js';
import type { MetricName } from './names.js';
import { Tally } from './tally.js';

/** One moment. Rates are events a second since the sample before. */
export interface Sample {
  /** Wall clock, epoch ms. */
  readonly at: number;
  readonly read: number;
  readonly applied: number;
  readonly duplicates: number;
  readonly late: number;
  readonly dead: number;
  /** Events that are not read yet, and how old the newest one that was read is, ms; null while unknown. */
  readonly lagEvents: number | null;
  readonly lagMs: number | null;
  readonly buffered: number;
  /** Mean age of events when they were applied, and when they were stored, ms; null if none was looked at. */
  readonly appliedMs: number | null;
  readonly durableMs: number | null;
  /** Mean time that a checkpoint took, ms; null if none was stored since the sample before. */
  readonly commitMs: number | null;
}

const SAMPLES_MAX = 600;

export class History {
  readonly #samples: Sample[] = [];
  readonly #gained = new Map<MetricName, number>();
  readonly #timed = new Map<MetricName, Timing>();
  readonly #tally = new Tally(
    (name, by) => this.#gained.set(name, (this.#gained.get(name) ?? 0) + by),
    (name, by) => this.#timed.set(name, sumOf(this.#timed.get(name), by)),
  );
  #at = 0;

  /** Takes a sample; `now` is wall clock, epoch ms. The first one only sets the mark that rates begin at. */
  add(status: NodeStatus, now: number): void {
    this.#gained.clear();
    this.#timed.clear();
    this.#tally.update(status);
    const seconds = Math.max(0.001, (now - this.#at) / 1000);
    const isFirst = this.#at === 0;
    this.#at = now;
    if (isFirst) return;
    const rate = (name: MetricName): number => (this.#gained.get(name) ?? 0) / seconds;
    const age = (name: MetricName): number | null => meanOf(this.#timed.get(name)) ?? null;
    const commits = this.#gained.get('millrace_commits_total') ?? 0;
    this.#samples.push({
      at: now,
      read: rate('millrace_events_read_total'),
      applied: rate('millrace_events_applied_total'),
      duplicates: rate('millrace_events_duplicate_total'),
      late: rate('millrace_events_late_total'),
      dead: rate('millrace_events_dead_total'),
      lagEvents: status.unread ?? null,
      lagMs: lagMsOf(status, now) ?? null,
      buffered: status.partitions.reduce((all, { report }) => all + (report?.buffered ?? 0), 0),
      appliedMs: age('millrace_event_applied_seconds'),
      durableMs: age('millrace_event_durable_seconds'),
      commitMs: commits === 0 ? null : ((this.#gained.get('millrace_commit_seconds_total') ?? 0) * 1000) / commits,
    });
    if (this.#samples.length > SAMPLES_MAX) this.#samples.shift();
  }

  /** Samples after `at`, oldest first. */
  since(at: number): readonly Sample[] {
    return this.#samples.filter((sample) => sample.at > at);
  }
}

/**
 * Lag as time: how long ago the newest event that was read came into the stream; 0 where everything is read, undefined
 * while that is not known.
 */
export function lagMsOf({ unread, streamTime }: NodeStatus, now: number): number | undefined {
  if (unread === undefined) return undefined;
  if (unread === 0) return 0;
  return streamTime === undefined ? undefined : Math.max(0, now - streamTime);
}

/** Latencies in a histogram of constant size and three figures, and what is said of them. */
import { createHistogram } from 'node:perf_hooks';

/** Latencies in ms. */
export interface LatencyReport {
  readonly count: number;
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

/** One hour, µs; what took longer counts as that. */
const LONGEST = 3_600_000_000;

export class Latency {
  readonly #histogram = createHistogram({ lowest: 1, highest: LONGEST, figures: 3 });

  /** Takes a latency in µs; one below 1 counts as 1. */
  add(micros: number): void {
    this.#histogram.record(Math.min(LONGEST, Math.max(1, Math.round(micros))));
  }

  addAll(micros: Iterable<number>): void {
    for (const one of micros) this.add(one);
  }

  /** Takes over what another one has, and empties that. */
  drain(other: Latency): void {
    if (other.#histogram.count > 0) this.#histogram.add(other.#histogram);
    other.clear();
  }

  clear(): void {
    this.#histogram.reset();
  }

  /** Null where nothing was measured. */
  report(): LatencyReport | null {
    const { count, max } = this.#histogram;
    if (count === 0) return null;
    const at = (percentile: number): number => milliseconds(this.#histogram.percentile(percentile));
    return { count, p50: at(50), p99: at(99), p999: at(99.9), max: milliseconds(max) };
  }
}

const milliseconds = (micros: number): number => micros / 1_000;

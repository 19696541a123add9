/**
 * How long things took, as counts per bucket: what threads can report and the main thread can add up, which quantiles
 * cannot be. Bounds are part of the metrics' names for their buckets, so dashboards rely on them.
 */

/** Counts of one thread since it started. */
export interface Timing {
  /** One per bound, then one for what took longer than all of them. */
  readonly counts: readonly number[];
  readonly sumMs: number;
}

/** Upper bounds of a call of the handler, ms. */
export const handlerBoundsMs: readonly number[] = [
  ...[0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5],
  ...[1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000],
];

/** Upper bounds of the way of an event, from its time until it was applied or stored, ms. */
export const latencyBoundsMs: readonly number[] = [
  ...[1, 2, 5, 10, 20, 50, 100, 200, 500],
  ...[1_000, 2_000, 5_000, 10_000, 30_000, 60_000, 300_000, 3_600_000],
];

export class TimingCounter {
  readonly #boundsMs: readonly number[];
  readonly #counts: number[];
  #sumMs = 0;

  constructor(boundsMs: readonly number[]) {
    this.#boundsMs = boundsMs;
    this.#counts = new Array<number>(boundsMs.length + 1).fill(0);
  }

  add(ms: number): void {
    const bucket = this.#boundsMs.findIndex((bound) => ms <= bound);
    this.#counts[bucket < 0 ? this.#boundsMs.length : bucket]!++;
    this.#sumMs += ms;
  }

  get timing(): Timing {
    return { counts: [...this.#counts], sumMs: this.#sumMs };
  }
}

/** Undefined where nothing was counted. */
export function meanOf(timing: Timing | undefined): number | undefined {
  const all = timing === undefined ? 0 : totalOf(timing.counts);
  return all === 0 ? undefined : timing!.sumMs / all;
}

export function sumOf(a: Timing | undefined, b: Timing): Timing {
  if (a === undefined) return b;
  return { counts: a.counts.map((count, at) => count + b.counts[at]!), sumMs: a.sumMs + b.sumMs };
}

/**
 * Upper bound of the bucket that holds the quantile `share`, 0 to 1, in ms; undefined where nothing was counted. What took
 * longer than every bound is given as the last of them.
 */
export function quantileMs(counts: readonly number[], boundsMs: readonly number[], share: number): number | undefined {
  let left = Math.ceil(totalOf(counts) * share);
  if (left === 0) return undefined;
  for (const [at, count] of counts.entries()) {
    left -= count;
    if (left <= 0) return boundsMs[at] ?? boundsMs.at(-1)!;
  }
  return undefined;
}

function totalOf(counts: readonly number[]): number {
  return counts.reduce((all, count) => all + count, 0);
}

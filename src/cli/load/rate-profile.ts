/**
 * The schedule of a load: how many events a second are offered, and the moment of every single event, fixed before the
 * first one is sent. Latency counts from that moment, so that a target that stalls cannot hide what waited meanwhile.
 *
 * Invariants
 * L1. `momentOf` grows with the number of the event, and depends on nothing but the profile.
 * L2. `dueAt(momentOf(n))` is n + 1 at the least, up to rounding: both read the same curve.
 */

export const profileNames = ['constant', 'ramp', 'burst'] as const;
export type ProfileName = (typeof profileNames)[number];

export interface ProfileOptions {
  readonly profile: ProfileName;
  /** Events per second: all the time, at the end of a ramp, between the bursts. */
  readonly rate: number;
  /** Events per second in a burst. */
  readonly peak: number;
  readonly durationMs: number;
}

/** Rates are linear within a piece; events per ms. */
interface Piece {
  readonly fromMs: number;
  readonly ms: number;
  readonly from: number;
  readonly to: number;
  /** Events before it. */
  readonly before: number;
}

/** A burst takes a tenth of every period, in its middle. */
const PERIOD_MS = 10_000;
const BURST_SHARE = 0.1;

export class RateProfile {
  /** How many events there are. */
  readonly total: number;
  readonly #pieces: readonly Piece[];

  constructor(options: ProfileOptions) {
    let fromMs = 0;
    let before = 0;
    this.#pieces = shapesOf(options).map(({ ms, from, to }) => {
      const piece = { fromMs, ms, from, to, before };
      fromMs += ms;
      before += ((from + to) / 2) * ms;
      return piece;
    });
    this.total = Math.round(before);
  }

  /** How many events have their moment at `elapsedMs` or before. */
  dueAt(elapsedMs: number): number {
    if (elapsedMs < 0) return 0;
    const { fromMs, ms, from, to, before } = this.#find((piece) => piece.fromMs <= elapsedMs);
    const within = Math.min(elapsedMs - fromMs, ms);
    const events = before + from * within + ((to - from) / ms / 2) * within * within;
    return Math.min(this.total, Math.floor(events) + 1);
  }

  /** Ms from the start to the moment of event `n`, counted from 0. */
  momentOf(n: number): number {
    const { fromMs, ms, from, to, before } = this.#find((piece) => piece.before <= n);
    const events = n - before;
    const slope = (to - from) / ms;
    const within = slope === 0 ? events / from : (Math.sqrt(from * from + 2 * slope * events) - from) / slope;
    return fromMs + Math.min(within, ms);
  }

  /** The last piece that has begun. */
  #find(hasBegun: (piece: Piece) => boolean): Piece {
    let [low, high] = [0, this.#pieces.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (hasBegun(this.#pieces[middle]!)) low = middle;
      else high = middle - 1;
    }
    return this.#pieces[low]!;
  }
}

type Shape = Pick<Piece, 'ms' | 'from' | 'to'>;

function shapesOf({ profile, rate, peak, durationMs }: ProfileOptions): Shape[] {
  const flat = (perSecond: number, ms: number): Shape => ({ ms, from: perSecond / 1_000, to: perSecond / 1_000 });
  if (profile === 'constant') return [flat(rate, durationMs)];
  if (profile === 'ramp') return [{ ms: durationMs, from: 0, to: rate / 1_000 }];
  const periods = Math.max(1, Math.round(durationMs / PERIOD_MS));
  const periodMs = durationMs / periods;
  const burst = flat(peak, periodMs * BURST_SHARE);
  const quiet = flat(rate, (periodMs - burst.ms) / 2);
  return Array.from({ length: periods }, () => [quiet, burst, quiet]).flat();
}

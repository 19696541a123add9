/**
 * Which key an event is of: all alike, or some more often than others by Zipf's law, and on request one of them above all.
 *
 * Source: W. Hörmann, G. Derflinger, "Rejection-inversion to generate variates from monotone discrete distributions",
 * ACM TOMACS 6.3 (1996). It needs no table, so ten million keys cost as little as ten.
 */

export interface KeyOptions {
  readonly keys: number;
  /** Exponent: the nth key comes 1 / n ** skew as often as the first. 0 is all alike. */
  readonly skew: number;
  /** Part of all events that is of the first key, besides its share of the rest; 0 to 1. */
  readonly hot: number;
}

export class KeyPicker {
  readonly #options: KeyOptions;
  /** 0 (included) to 1 (excluded). */
  readonly #random: () => number;
  readonly #first: number;
  readonly #last: number;
  readonly #near: number;

  constructor(options: KeyOptions, random: () => number) {
    this.#options = options;
    this.#random = random;
    this.#first = this.#area(1.5) - 1;
    this.#last = this.#area(options.keys + 0.5);
    this.#near = 2 - this.#areaInverse(this.#area(2.5) - this.#weight(2));
  }

  /** Number of a key, from 0 on; the busiest is 0. */
  pick(): number {
    const { keys, skew, hot } = this.#options;
    if (hot > 0 && this.#random() < hot) return 0;
    return skew === 0 ? Math.floor(this.#random() * keys) : this.#zipf() - 1;
  }

  #zipf(): number {
    for (;;) {
      const at = this.#last + this.#random() * (this.#first - this.#last);
      const x = this.#areaInverse(at);
      const rank = Math.min(this.#options.keys, Math.max(1, Math.round(x)));
      if (rank - x <= this.#near || at >= this.#area(rank + 0.5) - this.#weight(rank)) return rank;
    }
  }

  #weight(x: number): number {
    return Math.exp(-this.#options.skew * Math.log(x));
  }

  /** Integral of the weight from 1 to `x`. */
  #area(x: number): number {
    const log = Math.log(x);
    const power = (1 - this.#options.skew) * log;
    return (Math.abs(power) < TINY ? 1 + power / 2 : Math.expm1(power) / power) * log;
  }

  #areaInverse(area: number): number {
    const power = Math.max(-1, area * (1 - this.#options.skew));
    return Math.exp((Math.abs(power) < TINY ? 1 - power / 2 : Math.log1p(power) / power) * area);
  }
}

/** Below it a quotient of two tiny numbers is replaced by the start of its series. */
const TINY = 1e-8;

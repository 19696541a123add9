/**
 * Where the time of a thread goes: how long the handler takes, and which keys ask for it most. One call in
 * `SAMPLE_EVERY` is looked at, so that looking costs nothing that could be measured.
 */
import type { Handler } from '../core/actor/handler.js';
import { TopKeys } from '../core/sketch/top-keys.js';
import type { HandlerReport } from '../protocol/messages.js';

const SAMPLE_EVERY = 16;
const KEYS_MAX = 16;
const TOP = 5;
/** Counts are halved this often, ms: a key that was hot a minute ago is not. */
const FADE_MS = 10_000;
/** Upper bounds of the histogram, ms; the last bucket has none. */
const BOUNDS = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000];

export class HandlerMeter {
  readonly #elapsed: () => number;
  readonly #keys = new Map<number, TopKeys>();
  readonly #buckets = new Array<number>(BOUNDS.length + 1).fill(0);
  #calls = 0;
  #samples = 0;
  #sampledMs = 0;
  #fadedAt: number;

  /** `elapsed`: monotonic, ms, as fine as it goes. */
  constructor(elapsed: () => number) {
    this.#elapsed = elapsed;
    this.#fadedAt = elapsed();
  }

  /** The handler, measured. */
  around(handler: Handler): Handler {
    return {
      name: handler.name,
      initial: (key) => handler.initial(key),
      apply: (state, event, context) => {
        if (++this.#calls % SAMPLE_EVERY !== 0) return handler.apply(state, event, context);
        const from = this.#elapsed();
        try {
          return handler.apply(state, event, context);
        } finally {
          this.#sample(event.key, context.partition, this.#elapsed() - from);
        }
      },
    };
  }

  report(): HandlerReport {
    const now = this.#elapsed();
    const all = [...this.#keys.values()].reduce((sum, { added }) => sum + added, 0);
    const keys = [...this.#keys].flatMap(([partition, top]) =>
      top.top(TOP).map(({ key, count }) => ({ partition, key, share: all === 0 ? 0 : Math.min(1, count / all) })),
    );
    if (now - this.#fadedAt >= FADE_MS) {
      this.#fadedAt = now;
      for (const top of this.#keys.values()) top.fade();
    }
    return {
      calls: this.#calls,
      meanMs: this.#samples === 0 ? 0 : this.#sampledMs / this.#samples,
      quantilesMs: [this.#quantile(0.5), this.#quantile(0.99), this.#quantile(1)],
      hotKeys: keys.sort((a, b) => b.share - a.share).slice(0, TOP),
    };
  }

  #sample(key: string, partition: number, ms: number): void {
    this.#samples++;
    this.#sampledMs += ms;
    const bucket = BOUNDS.findIndex((bound) => ms <= bound);
    this.#buckets[bucket < 0 ? BOUNDS.length : bucket]!++;
    let top = this.#keys.get(partition);
    if (top === undefined) {
      top = new TopKeys(KEYS_MAX);
      this.#keys.set(partition, top);
    }
    top.add(key);
  }

  /** Upper bound of the bucket that holds the quantile. */
  #quantile(share: number): number {
    let left = Math.ceil(this.#samples * share);
    for (const [at, count] of this.#buckets.entries()) {
      left -= count;
      if (left <= 0 && count > 0) return BOUNDS[at] ?? BOUNDS.at(-1)!;
    }
    return 0;
  }
}

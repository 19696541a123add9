/**
 * Where the time of a thread goes: how long the handler takes, which keys ask for it most, and how old events are by
 * then. One call in `SAMPLE_EVERY` is looked at, so that looking costs nothing that could be measured, and one after
 * each report, so that something is known where little happens.
 */
import type { Handler } from '../core/actor/handler.js';
import { TopKeys } from '../core/sketch/top-keys.js';
import type { HandlerReport } from '../protocol/messages.js';
import { handlerBoundsMs, TimingCounter } from '../protocol/timing.js';
import type { EventAges } from './event-ages.js';

const SAMPLE_EVERY = 16;
const KEYS_MAX = 16;
const TOP = 5;
/** Counts are halved this often, ms: a key that was hot a minute ago is not. */
const FADE_MS = 10_000;

export class HandlerMeter {
  readonly #elapsed: () => number;
  readonly #ages: EventAges;
  readonly #keys = new Map<number, TopKeys>();
  readonly #time = new TimingCounter(handlerBoundsMs);
  #calls = 0;
  #sampleAt = SAMPLE_EVERY;
  #fadedAt: number;

  /** `elapsed`: monotonic, ms, as fine as it goes. `ages` is told of every applied event that is looked at. */
  constructor(elapsed: () => number, ages: EventAges) {
    this.#elapsed = elapsed;
    this.#ages = ages;
    this.#fadedAt = elapsed();
  }

  /** The handler, measured. */
  around(handler: Handler): Handler {
    return {
      name: handler.name,
      initial: (key) => handler.initial(key),
      apply: (state, event, context) => {
        if (++this.#calls < this.#sampleAt) return handler.apply(state, event, context);
        this.#sampleAt = this.#calls + SAMPLE_EVERY;
        const from = this.#elapsed();
        try {
          const next = handler.apply(state, event, context);
          this.#ages.applied(context.partition, event.time);
          return next;
        } finally {
          this.#time.add(this.#elapsed() - from);
          this.#count(event.key, context.partition);
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
    this.#sampleAt = this.#calls + 1;
    return {
      calls: this.#calls,
      time: this.#time.timing,
      ...this.#ages.report(),
      hotKeys: keys.sort((a, b) => b.share - a.share).slice(0, TOP),
    };
  }

  #count(key: string, partition: number): void {
    let top = this.#keys.get(partition);
    if (top === undefined) {
      top = new TopKeys(KEYS_MAX);
      this.#keys.set(partition, top);
    }
    top.add(key);
  }
}

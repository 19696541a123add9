/** Says when one key, or a slow handler, is what a node that falls behind waits for. Said once a minute, not per second. */
import type { LogLine } from '../ports/log.js';
import { meanOf } from '../protocol/timing.js';
import type { NodeStatus } from '../runtime/node-status.js';
import { lagMsOf } from './history.js';

const LAG_MS_MIN = 5_000;
/** A key is hot when so much of a thread's work is its own; no number of threads or partitions then helps. */
const SHARE_MIN = 0.3;
/** A handler is slow when it takes so much of a thread's time. */
const BUSY_MIN = 0.7;
const REPEAT_MS = 60_000;

type Spot = { readonly slot: number } & Readonly<Record<string, string | number>>;

export class HotSpots {
  readonly #line: LogLine;
  readonly #calls = new Map<number, number>();
  readonly #saidAt = new Map<string, number>();
  #at = 0;

  constructor(line: LogLine) {
    this.#line = line;
  }

  /** Looks at the node; `now` is wall clock, epoch ms. */
  look(status: NodeStatus, now: number): void {
    const passedMs = now - this.#at;
    this.#at = now;
    const isBehind = (lagMsOf(status, now) ?? 0) >= LAG_MS_MIN;
    for (const { slot, handler } of status.threads) {
      if (handler === undefined) continue;
      const calls = handler.calls - (this.#calls.get(slot) ?? handler.calls);
      this.#calls.set(slot, handler.calls);
      if (!isBehind || calls <= 0) continue;
      const [hottest] = handler.hotKeys;
      if (hottest !== undefined && hottest.share >= SHARE_MIN) {
        const { key, partition, share } = hottest;
        this.#say(now, 'key.hot', { slot, partition, key, percent: Math.round(share * 100) });
      }
      const meanMs = meanOf(handler.time) ?? 0;
      const busy = (calls * meanMs) / passedMs;
      if (busy >= BUSY_MIN) this.#say(now, 'handler.slow', { slot, percent: Math.round(busy * 100), meanMs });
    }
  }

  #say(now: number, event: 'key.hot' | 'handler.slow', fields: Spot): void {
    const name = `${event} ${fields.slot}`;
    if (now - (this.#saidAt.get(name) ?? Number.NEGATIVE_INFINITY) < REPEAT_MS) return;
    this.#saidAt.set(name, now);
    if (event === 'key.hot') this.#line('warn', 'key.hot', fields);
    else this.#line('warn', 'handler.slow', fields);
  }
}

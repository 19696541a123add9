/**
 * How long partitions stand still while others publish without a pause: the longest time in which nothing more of a
 * partition was applied and stored, as an outsider sees it in Redis.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { readRecords } from './redis-state.js';

const ASK_AGAIN_MS = 15;

export class PauseWatch {
  readonly #db: Redis;
  readonly #app: string;
  readonly #partitions: number;
  #longest: number[] = [];
  #changed: { readonly applied: number; readonly at: number }[] = [];
  #isStopped = false;
  readonly #done: Promise<void>;

  constructor(db: Redis, app: string, partitions = 64) {
    this.#db = db;
    this.#app = app;
    this.#partitions = partitions;
    this.#done = this.#watch();
    this.#done.catch(() => undefined);
  }

  /** The longest pause of each partition since the last call, ms. What still lasts counts as long as it has lasted. */
  take(): number[] {
    const now = performance.now();
    const pauses = this.#changed.map(({ at }, p) => Math.max(this.#longest[p] ?? 0, now - at));
    this.#longest = [];
    this.#changed = this.#changed.map(({ applied }) => ({ applied, at: now }));
    return pauses;
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#done;
  }

  async #watch(): Promise<void> {
    while (!this.#isStopped) {
      const records = await readRecords(this.#db, this.#app, this.#partitions).catch(() => []);
      const now = performance.now();
      for (const [p, record] of records.entries()) {
        const applied = record?.applied ?? 0;
        const before = this.#changed[p];
        if (before !== undefined && before.applied === applied) continue;
        if (before !== undefined) this.#longest[p] = Math.max(this.#longest[p] ?? 0, now - before.at);
        this.#changed[p] = { applied, at: now };
      }
      await delay(ASK_AGAIN_MS);
    }
  }
}

/** The value that `share` of the values do not exceed. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? 0;
}

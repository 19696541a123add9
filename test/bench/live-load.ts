/**
 * A live load: events of many keys at a steady rate, each some time after it happened, and the time until each is
 * part of a stored checkpoint. The same seed gives the same events, delays and repeats.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { decodeRecord } from '../../src/core/checkpoint/record.js';
import { partitionOf } from '../../src/core/key/partition.js';
import type { Position } from '../../src/core/position/position-window.js';
import { isDecided } from '../../src/core/position/position-window.js';
import type { EventSink } from '../../src/ports/event-log.js';
import { Random } from '../support/random.js';
import type { Ground } from './grounds.js';

export interface LoadOptions {
  readonly seed: number;
  readonly keys: number;
  readonly partitions: number;
  /** Events per second. */
  readonly rate: number;
  readonly seconds: number;
  /** What was appended in the first and in the last seconds is not measured. */
  readonly warmUpSeconds: number;
  readonly coolDownSeconds: number;
}

export interface LoadResult {
  readonly events: number;
  readonly seconds: number;
  /** Times from the append of an event to the checkpoint that has decided it, ms, in ascending order. */
  readonly freshness: readonly number[];
}

/** Delays of the publishers, ms: most are quick, some have a slow network, a few were offline for a moment. */
const DELAYS = [
  { share: 0.7, from: 0, to: 50 },
  { share: 0.25, from: 50, to: 500 },
  { share: 0.05, from: 500, to: 3_000 },
] as const;
const REPEATED = 0.03;
const BUSY_SHARE = 0.2;
const TICK_MS = 10;
const LOOK_MS = 10;
const END_MS = 60_000;
/** After this time the node's own figures have everything. */
const REPORTED_MS = 1_200;

export class LoadEvents {
  readonly #random: Random;
  readonly #keys: number;
  /** No other load has ids like these. */
  readonly #prefix: string;
  #count = 0;
  #last: { readonly key: string; readonly id: string; readonly body: Uint8Array } | undefined;

  constructor(seed: number, keys: number) {
    this.#random = new Random(seed);
    this.#keys = keys;
    this.#prefix = `${seed}`;
  }

  /** Every fifth event is of one key in a hundred. */
  next(now: number): { readonly key: string; readonly id: string; readonly body: Uint8Array } {
    const random = this.#random;
    if (this.#last !== undefined && random.chance(REPEATED))
      return { ...this.#last, id: `${this.#prefix}-r-${this.#count++}` };
    const busy = Math.max(1, Math.floor(this.#keys / 100));
    const key = `account-${random.between(1, random.chance(BUSY_SHARE) ? busy : this.#keys)}`;
    const id = `${this.#prefix}-${this.#count++}`;
    const time = now - this.#delay();
    const data = { amount: random.between(1, 1_000), by: 'api-1', note: 'as many bytes as events have' };
    this.#last = { key, id, body: Buffer.from(JSON.stringify({ id, time, type: 'deposit', data })) };
    return this.#last;
  }

  #delay(): number {
    let at = this.#random.next();
    for (const { share, from, to } of DELAYS) {
      if (at < share) return from + Math.floor((at / share) * (to - from));
      at -= share;
    }
    return 0;
  }
}

/** Publishes for some time and waits until everything is decided and stored. */
export async function runLoad(ground: Ground, app: string, options: LoadOptions): Promise<LoadResult> {
  const { seed, keys, partitions, rate, seconds, warmUpSeconds, coolDownSeconds } = options;
  const events = new LoadEvents(seed, keys);
  const watch = new FreshnessWatch(ground, app, partitions);
  const startedAt = performance.now();
  const pending = new Set<Promise<unknown>>();
  let count = 0;
  for (let elapsed = 0; elapsed < seconds * 1_000; elapsed = performance.now() - startedAt) {
    for (; count < (elapsed * rate) / 1_000; count++) {
      const { key, id, body } = events.next(Date.now());
      const at = performance.now();
      const isMeasured = elapsed >= warmUpSeconds * 1_000 && elapsed < (seconds - coolDownSeconds) * 1_000;
      const sent = append(ground.sink, key, id, body).then((sequence) => {
        pending.delete(sent);
        watch.add(partitionOf(key, partitions), sequence, at, isMeasured);
      });
      pending.add(sent);
    }
    await delay(TICK_MS);
  }
  await Promise.all(pending);
  const publishedAt = performance.now();
  const freshness = await watch.end(END_MS);
  await delay(REPORTED_MS);
  return { events: count, seconds: (publishedAt - startedAt) / 1_000, freshness: freshness.sort((a, b) => a - b) };
}

export async function append(sink: EventSink, key: string, id: string, body: Uint8Array): Promise<number> {
  return (await sink.append({ subject: `events.${key}`, id, body })).sequence;
}

interface Waiting {
  readonly sequence: number;
  readonly at: number;
  readonly isMeasured: boolean;
}

/** Looks at the stored positions, again and again, for what is decided now. */
class FreshnessWatch {
  readonly #waiting: Waiting[][];
  readonly #freshness: number[] = [];
  readonly #done: Promise<void>;
  #isLast = false;
  #deadline = Number.POSITIVE_INFINITY;

  constructor(ground: Ground, app: string, partitions: number) {
    this.#waiting = Array.from({ length: partitions }, () => []);
    this.#done = this.#run(() => ground.records(app, partitions));
    this.#done.catch(() => undefined);
  }

  add(partition: number, sequence: number, at: number, isMeasured: boolean): void {
    this.#waiting[partition]!.push({ sequence, at, isMeasured });
  }

  async end(deadlineMs: number): Promise<number[]> {
    this.#isLast = true;
    this.#deadline = performance.now() + deadlineMs;
    await this.#done;
    return this.#freshness;
  }

  async #run(records: () => Promise<readonly (string | undefined)[]>): Promise<void> {
    while (!this.#isLast || this.#waiting.some((waiting) => waiting.length > 0)) {
      if (performance.now() > this.#deadline) throw new Error('events are still undecided');
      const texts = await records();
      const now = performance.now();
      for (const [partition, text] of texts.entries()) if (text !== undefined) this.#look(partition, text, now);
      await delay(LOOK_MS);
    }
  }

  #look(partition: number, text: string, now: number): void {
    const decoded = decodeRecord(text);
    if (decoded.kind !== 'record') throw new Error(`the record of partition ${partition} cannot be read`);
    const position: Position = decoded.record.position;
    this.#waiting[partition] = this.#waiting[partition]!.filter(({ sequence, at, isMeasured }) => {
      if (!isDecided(position, sequence)) return true;
      if (isMeasured) this.#freshness.push(now - at);
      return false;
    });
  }
}

/** The value below which a share of ascending values lies. */
export function quantile(ascending: readonly number[], share: number): number {
  return ascending[Math.min(ascending.length - 1, Math.floor(ascending.length * share))] ?? 0;
}

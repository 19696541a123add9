/**
 * Committed state as rows in Postgres, after the commit. Owns the loop that writes, and what is still to be written.
 *
 * One transaction: lock the position rows of some partitions, *then* read from the store what their changed keys are
 * now, write the rows, write the positions. Whoever holds the lock writes what is stored at that time, so there is no
 * older value that could overwrite a newer one, whoever the writer is and in whatever order the writers come.
 *
 * Invariants
 * Q1. State is read from the store only while the position row of its partition is locked.
 * Q2. A partition whose record has another owner, or an earlier checkpoint than was noted, is let go: the store has
 *     moved on or gone back, and whoever claims it next compares.
 * Q3. Memory is bounded: past `keysMax` keys of a partition are forgotten, and it is compared as a whole later.
 * Q4. A partition is compared as a whole wherever its row is not what the last writer of its lineage left.
 */
import type { GuardedRecord } from '../../core/checkpoint/guard.js';
import { codeOf, messageOf } from '../../errors.js';
import type { Clock } from '../../ports/clock.js';
import type { LogLine } from '../../ports/log.js';
import type { SinkReport, StateSource, StatusSink } from '../../ports/status-sink.js';
import { Resync } from './resync.js';
import type { Query, SinkConnection } from './sink-connection.js';
import { SinkPartition } from './sink-partition.js';
import type { Item, Reading } from './sink-transaction.js';
import { lockPositions, readStored, writePositions, writeStates } from './sink-transaction.js';

export interface PostgresStatusSinkOptions {
  readonly app: string;
  readonly connection: SinkConnection;
  readonly source: StateSource;
  readonly clock: Clock;
  readonly log: LogLine;
  /** Most keys that are remembered as waiting; 200,000 by default. */
  readonly keysMax?: number | undefined;
}

/** Rows of one transaction. */
const ROWS_MAX = 2_000;
const KEYS_MAX = 200_000;
/** Checkpoints that come within this time share a transaction, ms. */
const GATHER_MS = 100;
const RETRY_MS_MIN = 100;
const RETRY_MS_MAX = 5_000;

export class PostgresStatusSink implements StatusSink {
  readonly #options: PostgresStatusSinkOptions;
  readonly #keysMax: number;
  readonly #partitions = new Map<number, SinkPartition>();
  readonly #resyncs = new Map<SinkPartition, Resync>();
  #rows = 0;
  #resyncCount = 0;
  #isClosed = false;
  #isBusy = false;
  #failures = 0;
  #cancelNext: (() => void) | undefined;
  #idle: (() => void)[] = [];

  constructor(options: PostgresStatusSinkOptions) {
    this.#options = options;
    this.#keysMax = options.keysMax ?? KEYS_MAX;
  }

  claimed(partition: number, owner: string, seen: GuardedRecord | undefined): void {
    this.#letGo(partition);
    this.#partitions.set(partition, new SinkPartition(partition, owner, seen, this.#options.clock.elapsed()));
    this.#soon();
  }

  committed(partition: number, owner: string, number: number, keys: readonly string[]): void {
    const found = this.#partitions.get(partition);
    if (found?.owner !== owner) return;
    const now = this.#options.clock.elapsed();
    // A comparison that has not begun yet will see them.
    const areSeen = this.#resyncs.get(found)?.isFresh === true;
    found.committed(number, areSeen ? [] : keys, now);
    if (this.#waitingKeys() > this.#keysMax) this.#compareWhole(found);
    this.#soon();
  }

  report(): SinkReport {
    let since = Number.POSITIVE_INFINITY;
    for (const { behindSince } of this.#partitions.values()) since = Math.min(since, behindSince ?? since);
    const lagMs = Number.isFinite(since) ? this.#options.clock.elapsed() - since : 0;
    return { lagMs, waitingKeys: this.#waitingKeys(), rows: this.#rows, resyncs: this.#resyncCount };
  }

  settle(ms: number): Promise<void> {
    return new Promise((resolve) => {
      if (this.#isIdle()) {
        resolve();
        return;
      }
      const cancel = this.#options.clock.after(ms, resolve);
      this.#idle.push(() => {
        cancel();
        resolve();
      });
    });
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#cancelNext?.();
    this.#options.connection.close();
    await Promise.all([...this.#resyncs.values()].map((resync) => resync.close()));
  }

  #waitingKeys(): number {
    let keys = 0;
    for (const { waitingKeys } of this.#partitions.values()) keys += waitingKeys;
    return keys;
  }

  #isIdle(): boolean {
    for (const { behindSince } of this.#partitions.values()) if (behindSince !== undefined) return false;
    return true;
  }

  /** Q3, Q4. */
  #compareWhole(partition: SinkPartition): void {
    if (!partition.isResyncing) this.#resyncCount++;
    partition.forget(this.#options.clock.elapsed());
    void this.#resyncs.get(partition)?.close();
    const { app, connection, source } = this.#options;
    this.#resyncs.set(partition, new Resync(app, partition.partition, connection, source));
  }

  #letGo(number: number): void {
    const partition = this.#partitions.get(number);
    if (partition === undefined) return;
    this.#partitions.delete(number);
    void this.#resyncs.get(partition)?.close();
    this.#resyncs.delete(partition);
  }

  /** Plans the next transaction, unless one is planned or under way. */
  #soon(ms = GATHER_MS): void {
    if (this.#isClosed || this.#isBusy || this.#cancelNext !== undefined) return;
    this.#cancelNext = this.#options.clock.after(ms, () => {
      this.#cancelNext = undefined;
      this.#isBusy = true;
      void this.#step().finally(() => {
        this.#isBusy = false;
        if (this.#isIdle()) for (const told of this.#idle.splice(0)) told();
        else this.#soon(this.#pauseMs());
      });
    });
  }

  #pauseMs(): number {
    if (this.#failures > 0) return Math.min(RETRY_MS_MIN * 2 ** Math.min(this.#failures, 10), RETRY_MS_MAX);
    const isFull = this.#waitingKeys() >= ROWS_MAX || this.#resyncs.size > 0;
    return isFull ? 0 : GATHER_MS;
  }

  /** One transaction, and one page of the comparisons. Logs the first failure and the recovery. */
  async #step(): Promise<void> {
    const { log } = this.#options;
    try {
      await this.#compareOn();
      await this.#flush();
      if (this.#failures > 0) log('info', 'sink.recovered', { failures: this.#failures });
      this.#failures = 0;
    } catch (error) {
      if (this.#isClosed) return;
      if (this.#failures++ === 0) log('warn', 'sink.waiting', { code: codeOf(error), error: messageOf(error) });
    }
  }

  /** Looks at the next keys of one comparison. */
  async #compareOn(): Promise<void> {
    if (this.#waitingKeys() >= ROWS_MAX) return;
    const [next] = this.#resyncs;
    if (next === undefined) return;
    const [partition, resync] = next;
    let keys: readonly string[] | undefined;
    try {
      keys = await resync.next();
    } catch (error) {
      if (this.#resyncs.get(partition) === resync) this.#compareWhole(partition); // from the start
      throw error;
    }
    if (this.#resyncs.get(partition) !== resync) return; // it began anew meanwhile
    if (keys !== undefined) {
      partition.want(keys);
      return;
    }
    this.#resyncs.delete(partition);
    partition.resynced();
  }

  async #flush(): Promise<void> {
    const items = this.#take();
    if (items.length === 0) return;
    try {
      const settle = await this.#options.connection.transaction((query) => this.#write(query, items));
      settle();
    } catch (error) {
      for (const { partition, work } of items) partition.putBack(work);
      throw error;
    }
  }

  #take(): Item[] {
    const items: Item[] = [];
    let room = ROWS_MAX;
    const due = [...this.#partitions.values()].filter(({ isDue }) => isDue);
    // Who waits longest comes first, or a busy partition would keep the others from their turn.
    due.sort((a, b) => (a.behindSince ?? 0) - (b.behindSince ?? 0));
    for (const partition of due) {
      if (room === 0) break;
      const work = partition.take(room);
      room -= work.keys.length;
      items.push({ partition, work });
    }
    return items.sort((a, b) => a.partition.partition - b.partition.partition);
  }

  /** Returns what is to be done once the transaction is stored. */
  async #write(query: Query, items: readonly Item[]): Promise<() => void> {
    const { app, source } = this.#options;
    const positions = await lockPositions(query, app, items);
    const readings: Reading[] = [];
    for (const [at, reading] of (await Promise.all(items.map((item) => readStored(source, item)))).entries()) {
      const { partition } = items[at]!;
      if (reading !== undefined) readings.push(reading);
      else if (this.#partitions.get(partition.partition) === partition) this.#letGo(partition.partition); // Q2
    }
    for (const { partition } of readings) {
      if (!partition.agrees(positions.get(partition.partition)!)) this.#compareWhole(partition);
    }
    const rows = await writeStates(query, app, readings);
    const stored = readings.map(({ partition, work, checkpoint }) => {
      const isExact = checkpoint !== undefined && checkpoint === work.covers && !partition.isResyncing;
      const writes = positions.get(partition.partition)!.writes + 1;
      return { partition, work, isExact, writes, checkpoint: isExact ? checkpoint : null };
    });
    await writePositions(query, app, stored);
    return () => {
      this.#rows += rows;
      for (const { partition, work, writes, isExact } of stored) partition.written(work, writes, isExact);
    };
  }
}

/**
 * What the sink knows of one incarnation of a partition: which keys have changed, and how the table stands.
 *
 *   claimed → (compared with the table) → following ⇄ resyncing
 *
 * Invariants
 * P1. Keys are remembered, never values: what is written is read from the store at that time.
 * P2. Where keys were forgotten or are not known, the partition is compared as a whole (`resyncing`).
 * P3. `checkpoint` of the table is a number only if the table is exactly the state of that checkpoint.
 */
import type { GuardedRecord } from '../../core/checkpoint/guard.js';

/** A row of the position table. */
export interface SinkPosition {
  /** '' before the first owner. */
  readonly owner: string;
  /** Checkpoint that the table shows exactly, undefined while it is behind or ahead. */
  readonly checkpoint: number | undefined;
  /** How often the row was written: a table that lost its tail has an earlier one. */
  readonly writes: number;
}

/** The part of a partition's work that goes into one transaction. */
export interface SinkWork {
  readonly keys: readonly string[];
  /** Checkpoint that is covered once these keys are written, undefined while more has to come. */
  readonly covers: number | undefined;
}

export class SinkPartition {
  readonly partition: number;
  readonly owner: string;
  readonly #seen: GuardedRecord | undefined;
  readonly #keys = new Set<string>();
  /** Newest checkpoint that was noted. */
  #number: number;
  /** Writes of our own row, undefined until it is ours. */
  #writes: number | undefined;
  /** The last transaction may or may not have happened. */
  #isUncertain = false;
  #isResyncing = false;
  /** The store was read with a commit in it that is not noted yet: its note is waited for. */
  #isAhead = false;
  /** Undefined while nothing is to be written; since when something is, monotonic ms. */
  #behindSince: number | undefined;

  constructor(partition: number, owner: string, seen: GuardedRecord | undefined, now: number) {
    this.partition = partition;
    this.owner = owner;
    this.#seen = seen;
    this.#number = seen?.number ?? 0;
    this.#behindSince = now;
  }

  get number(): number {
    return this.#number;
  }

  get waitingKeys(): number {
    return this.#keys.size;
  }

  get isResyncing(): boolean {
    return this.#isResyncing;
  }

  get behindSince(): number | undefined {
    return this.#behindSince;
  }

  /** Something can be written now. */
  get isDue(): boolean {
    if (this.#writes === undefined || this.#keys.size > 0) return true;
    return this.#behindSince !== undefined && !this.#isResyncing && !this.#isAhead;
  }

  committed(number: number, keys: readonly string[], now: number): void {
    this.#number = number;
    this.#isAhead = false;
    this.#behindSince ??= now;
    this.want(keys);
  }

  want(keys: readonly string[]): void {
    for (const key of keys) this.#keys.add(key);
  }

  /** P2: too much waits, or the table is not what it was. */
  forget(now: number): void {
    this.#keys.clear();
    this.#isResyncing = true;
    this.#behindSince ??= now;
  }

  /** Every key of the partition was wanted since it began to resync. */
  resynced(): void {
    this.#isResyncing = false;
  }

  take(keysMax: number): SinkWork {
    const keys: string[] = [];
    for (const key of this.#keys) {
      if (keys.length === keysMax) break;
      keys.push(key);
      this.#keys.delete(key);
    }
    return { keys, covers: this.#keys.size === 0 && !this.#isResyncing ? this.#number : undefined };
  }

  /** The transaction failed or its outcome is not known. */
  putBack({ keys }: SinkWork): void {
    this.want(keys);
    this.#isUncertain = true;
  }

  /** Whether the table, as its row says, holds what this incarnation believes that it holds. */
  agrees({ owner, checkpoint, writes }: SinkPosition): boolean {
    if (this.#writes !== undefined) {
      const isKnown = writes === this.#writes || (this.#isUncertain && writes === this.#writes + 1);
      return owner === this.owner && isKnown;
    }
    if (this.#seen === undefined) return owner === '' || (owner === this.owner && this.#isUncertain);
    const isSeen = owner === this.#seen.owner || (owner === this.owner && this.#isUncertain);
    return isSeen && checkpoint === this.#seen.number;
  }

  /** The transaction is stored; `isExact`: the table now is the state of checkpoint `work.covers`. */
  written(work: SinkWork, writes: number, isExact: boolean): void {
    this.#writes = writes;
    this.#isUncertain = false;
    if (work.covers !== this.#number || this.#keys.size > 0 || this.#isResyncing) return;
    if (isExact) this.#behindSince = undefined;
    else this.#isAhead = true;
  }
}

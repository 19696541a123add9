/**
 * The reference model of a checkpoint store: what every other one must do, in plain maps. For tests, the simulator
 * and `createTestCluster`; nothing of it survives the process.
 *
 * Each method does its whole work before it returns its promise, so calls take effect in the order they are made.
 */
import type { Commit, FieldChanges } from '../../core/checkpoint/commit.js';
import { type CommitVerdict, judgeClaim, judgeCommit } from '../../core/checkpoint/guard.js';
import type {
  CheckpointStore,
  Claim,
  StateReading,
  StoredPartition,
  StoredRecord,
} from '../../ports/checkpoint-store.js';

interface Partition {
  record: StoredRecord | undefined;
  readonly state: Map<string, string>;
  readonly segments: Map<number, Uint8Array>;
  readonly dead: Map<string, string>;
  readonly parked: Map<string, string>;
  readonly outbox: Map<string, string>;
}

/** Everything a `MemoryCheckpointStore` held at one moment. */
export class MemorySnapshot {
  readonly #partitions: ReadonlyMap<number, Partition>;

  constructor(partitions: ReadonlyMap<number, Partition>) {
    this.#partitions = copyAll(partitions);
  }

  /** A copy of its own for each caller, so that one snapshot can be gone back to many times. */
  partitions(): Map<number, Partition> {
    return copyAll(this.#partitions);
  }
}

/** A `CheckpointStore` in memory that can be set back to an earlier point, as Redis does when it loses its tail. */
export class MemoryCheckpointStore implements CheckpointStore {
  #partitions = new Map<number, Partition>();

  /** What is stored now. */
  snapshot(): MemorySnapshot {
    return new MemorySnapshot(this.#partitions);
  }

  /** Falls back to an earlier moment, as a whole and without telling anybody. */
  rollback(snapshot: MemorySnapshot): void {
    this.#partitions = snapshot.partitions();
  }

  /** Loses the record of a partition and keeps the rest, as a key deleted by hand would. */
  loseRecord(partition: number): void {
    const stored = this.#partitions.get(partition);
    if (stored !== undefined) stored.record = undefined;
  }

  async read(partition: number): Promise<StoredRecord | undefined> {
    return this.#partitions.get(partition)?.record;
  }

  async claim(claim: Claim): Promise<CommitVerdict> {
    const stored = this.#partitions.get(claim.partition);
    const verdict = judgeClaim(stored?.record, claim.seen, claim.owner);
    if (verdict !== 'accept') return verdict;
    const { owner, record } = claim;
    if (stored?.record !== undefined) {
      stored.record = { owner, number: stored.record.number, record };
    } else {
      // A first record stands for an empty partition: what a lost one left behind would be applied on top of again.
      const dead = stored?.dead ?? new Map();
      const first = { owner, number: 0, record };
      this.#partitions.set(claim.partition, {
        record: first,
        state: new Map(),
        segments: new Map(),
        dead,
        parked: new Map(),
        outbox: new Map(),
      });
    }
    return verdict;
  }

  async load(partition: number): Promise<StoredPartition | undefined> {
    const stored = this.#partitions.get(partition);
    if (stored?.record === undefined) return undefined;
    return {
      stored: stored.record,
      segments: [...stored.segments]
        .map(([number, bytes]) => ({ number, bytes: bytes.slice() }))
        .sort((a, b) => a.number - b.number),
      parked: [...stored.parked],
      outbox: [...stored.outbox].sort(([a], [b]) => compareOutputs(a, b)),
      empty: stored.state.size === 0,
    };
  }

  async loadStates(partition: number, keys: readonly string[]): Promise<(string | undefined)[]> {
    const state = this.#partitions.get(partition)?.state;
    return keys.map((key) => state?.get(key));
  }

  async *stateKeys(partition: number): AsyncGenerator<readonly string[], void> {
    yield [...(this.#partitions.get(partition)?.state.keys() ?? [])];
  }

  async commit(commit: Commit): Promise<CommitVerdict> {
    const stored = this.#partitions.get(commit.partition);
    const verdict = judgeCommit(stored?.record, commit.owner, commit.number);
    if (verdict !== 'accept' || stored === undefined) return verdict;
    stored.record = { owner: commit.owner, number: commit.number, record: commit.record };
    change(stored.state, commit.state);
    for (const { number, bytes } of commit.dedupePut) stored.segments.set(number, bytes.slice());
    for (const number of commit.dedupeDrop) stored.segments.delete(number);
    change(stored.dead, commit.dead);
    change(stored.parked, commit.parked);
    change(stored.outbox, commit.outbox);
    return verdict;
  }

  async readState(partition: number, key: string): Promise<StateReading | undefined> {
    const stored = this.#partitions.get(partition);
    if (stored?.record === undefined) return undefined;
    return { stored: stored.record, state: stored.state.get(key) };
  }

  async deadLetters(partition: number, after: number, limit: number): Promise<string[]> {
    const dead = [...(this.#partitions.get(partition)?.dead ?? [])]
      .map(([sequence, text]) => ({ sequence: BigInt(sequence), text }))
      .filter(({ sequence }) => sequence > BigInt(after))
      .sort((a, b) => Number(a.sequence > b.sequence) - Number(a.sequence < b.sequence));
    return dead.slice(0, limit).map(({ text }) => text);
  }

  async close(): Promise<void> {}
}

/** Sets, then removes: a field in both is gone afterwards. */
function change(fields: Map<string, string>, { set, remove }: FieldChanges): void {
  for (const [field, value] of set) fields.set(field, value);
  for (const field of remove) fields.delete(field);
}

/** Output ids end in `.sequence.index`, which are numbers of any length. */
function compareOutputs(a: string, b: string): number {
  const [aSequence, aIndex] = a.split('.').slice(-2).map(BigInt);
  const [bSequence, bIndex] = b.split('.').slice(-2).map(BigInt);
  const difference = aSequence! - bSequence! || aIndex! - bIndex!;
  return difference < 0n ? -1 : Number(difference > 0n);
}

function copyAll(partitions: ReadonlyMap<number, Partition>): Map<number, Partition> {
  const copy = new Map<number, Partition>();
  for (const [number, { record, state, segments, dead, parked, outbox }] of partitions) {
    copy.set(number, {
      record,
      state: new Map(state),
      segments: new Map(segments),
      dead: new Map(dead),
      parked: new Map(parked),
      outbox: new Map(outbox),
    });
  }
  return copy;
}

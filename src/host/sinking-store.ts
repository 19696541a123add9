/** A checkpoint store that tells a sink of every accepted claim and commit. It changes no answer and adds no wait. */
import type { Commit } from '../core/checkpoint/commit.js';
import type { CommitVerdict } from '../core/checkpoint/guard.js';
import type { CheckpointStore, Claim, StateReading, StoredPartition, StoredRecord } from '../ports/checkpoint-store.js';
import type { StatusSink } from '../ports/status-sink.js';

export class SinkingStore implements CheckpointStore {
  readonly #store: CheckpointStore;
  readonly #sink: StatusSink;

  constructor(store: CheckpointStore, sink: StatusSink) {
    this.#store = store;
    this.#sink = sink;
  }

  async claim(claim: Claim): Promise<CommitVerdict> {
    const verdict = await this.#store.claim(claim);
    if (verdict !== 'fenced') this.#sink.claimed(claim.partition, claim.owner, claim.seen);
    return verdict;
  }

  /** A commit whose reply was lost is noted when it is sent again and answered `already`. */
  async commit(commit: Commit): Promise<CommitVerdict> {
    const verdict = await this.#store.commit(commit);
    if (verdict !== 'fenced') {
      const { partition, owner, number, state } = commit;
      this.#sink.committed(partition, owner, number, [...state.set.map(([key]) => key), ...state.remove]);
    }
    return verdict;
  }

  read(partition: number): Promise<StoredRecord | undefined> {
    return this.#store.read(partition);
  }

  load(partition: number): Promise<StoredPartition | undefined> {
    return this.#store.load(partition);
  }

  loadStates(partition: number, keys: readonly string[]): Promise<(string | undefined)[]> {
    return this.#store.loadStates(partition, keys);
  }

  readState(partition: number, key: string): Promise<StateReading | undefined> {
    return this.#store.readState(partition, key);
  }

  deadLetters(partition: number, after: number, limit: number): Promise<string[]> {
    return this.#store.deadLetters(partition, after, limit);
  }

  async close(): Promise<void> {
    await this.#sink.close();
    await this.#store.close();
  }
}

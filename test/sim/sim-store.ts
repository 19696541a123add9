/** One connection to the store: every call crosses the network, and the auditor sees what took effect. */
import type { Commit } from '../../src/core/checkpoint/commit.js';
import type { CommitVerdict } from '../../src/core/checkpoint/guard.js';
import type {
  CheckpointStore,
  Claim,
  StateReading,
  StoredPartition,
  StoredRecord,
} from '../../src/ports/checkpoint-store.js';
import type { Connection } from './network.js';

/** What is told of the writes, after they took effect. */
export interface StoreWitness {
  committed(commit: Commit, verdict: CommitVerdict): void;
  claimed(claim: Claim, verdict: CommitVerdict): void;
}

export class SimStore implements CheckpointStore {
  readonly #store: CheckpointStore;
  readonly #connection: Connection;
  readonly #witness: StoreWitness;

  constructor(store: CheckpointStore, connection: Connection, witness: StoreWitness) {
    this.#store = store;
    this.#connection = connection;
    this.#witness = witness;
  }

  read(partition: number): Promise<StoredRecord | undefined> {
    return this.#connection.ask('read', partition, 0, () => this.#store.read(partition));
  }

  claim(claim: Claim): Promise<CommitVerdict> {
    return this.#connection.ask('claim', claim.partition, claim.seen?.number ?? -1, async () => {
      const verdict = await this.#store.claim(claim);
      this.#witness.claimed(claim, verdict);
      return verdict;
    });
  }

  load(partition: number): Promise<StoredPartition | undefined> {
    return this.#connection.ask('load', partition, 0, () => this.#store.load(partition));
  }

  loadStates(partition: number, keys: readonly string[]): Promise<(string | undefined)[]> {
    return this.#connection.ask('loadStates', partition, keys.length, () => this.#store.loadStates(partition, keys));
  }

  commit(commit: Commit): Promise<CommitVerdict> {
    return this.#connection.ask('commit', commit.partition, commit.number, async () => {
      const verdict = await this.#store.commit(commit);
      this.#witness.committed(commit, verdict);
      return verdict;
    });
  }

  readState(partition: number, key: string): Promise<StateReading | undefined> {
    return this.#connection.ask('readState', partition, 0, () => this.#store.readState(partition, key));
  }

  deadLetters(partition: number, after: number, limit: number): Promise<string[]> {
    return this.#connection.ask('deadLetters', partition, after, () =>
      this.#store.deadLetters(partition, after, limit),
    );
  }

  async close(): Promise<void> {}
}

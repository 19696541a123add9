/**
 * Where checkpoints live. One record per partition, with keyed state, dedupe segments, dead letters and outbox
 * beside it; a commit changes all of them or nothing.
 *
 * Contract
 * C1. `commit` and `claim` judge exactly as core/checkpoint/guard.ts does, atomically with the write.
 * C2. Whatever a method throws leaves the store unchanged or changed as a whole. The outcome of a `commit` or
 *     `claim` that threw a `transient` error is unknown: send the same one again, the guard makes that harmless.
 * C3. A claim of a partition without a record makes it empty: state, dedupe, parked events and outbox of a lost one
 *     would be applied on top of again. Dead letters stay, they may be the last copy.
 * C4. Numbers are kept as text; keys, ids and bodies come back byte for byte.
 */
import type { Commit } from '../core/checkpoint/commit.js';
import type { CommitVerdict, GuardedRecord } from '../core/checkpoint/guard.js';
import type { StoredSegment } from '../core/dedupe/dedupe-segments.js';

/** The guarded record as stored; `record` is the text that `encodeRecord` wrote. */
export interface StoredRecord extends GuardedRecord {
  readonly record: string;
}

/** What a claim reads besides the record. */
export interface StoredPartition {
  readonly stored: StoredRecord;
  readonly segments: readonly StoredSegment[];
  /** Parked events and quarantines, `[field, JSON]`: see core/actor/parking.ts. */
  readonly parked: readonly (readonly [field: string, value: string])[];
  /** Outputs of the outbox, `[id, JSON of {subject, data, trace?}]`, in the order of their ids' sequence and index. */
  readonly outbox: readonly (readonly [id: string, output: string])[];
  /** Whether no key's state is stored. */
  readonly empty: boolean;
}

export interface Claim {
  readonly partition: number;
  /** `epoch:nonce` of the new owner. */
  readonly owner: string;
  /** The record that the claimer read before, undefined if there was none. */
  readonly seen: GuardedRecord | undefined;
  /** The record text to store: the one that was read, or a first one. */
  readonly record: string;
}

/** A key's state together with the record of the same moment. */
export interface StateReading {
  readonly stored: StoredRecord;
  /** Envelope text, or undefined if the key has no state. */
  readonly state: string | undefined;
}

export interface CheckpointStore {
  /** Record of a partition, or undefined if none was ever written. */
  read(partition: number): Promise<StoredRecord | undefined>;
  /** Takes the partition over: writes the owner if nothing has changed since `seen` was read. The number stays. */
  claim(claim: Claim): Promise<CommitVerdict>;
  /** Everything a new owner starts from; undefined if there is no record. */
  load(partition: number): Promise<StoredPartition | undefined>;
  /** Envelopes of these keys, in this order; undefined where nothing is stored. */
  loadStates(partition: number, keys: readonly string[]): Promise<(string | undefined)[]>;
  commit(commit: Commit): Promise<CommitVerdict>;
  /** State of a key and the record it belongs to, of one moment; undefined if the partition has no record. */
  readState(partition: number, key: string): Promise<StateReading | undefined>;
  /** Dead letters of a partition by stream sequence: at most `limit` from after `after`, JSON texts. */
  deadLetters(partition: number, after: number, limit: number): Promise<string[]>;
  close(): Promise<void>;
}

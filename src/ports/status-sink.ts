/**
 * A copy of the committed state for readers that want SQL. It follows the checkpoints, decides nothing, and nobody
 * waits for it.
 *
 * Contract
 * K1. Calls return at once and never throw: a sink that is slow or away costs memory up to a bound, nothing else.
 * K2. What was noted arrives in the end, also after a crash of this process or of the sink: whoever claims the
 *     partition next brings the copy up to what is stored.
 * K3. The copy never goes back behind another writer's: a stale owner writes what is stored now, or nothing.
 */
import type { GuardedRecord } from '../core/checkpoint/guard.js';
import type { CheckpointStore } from './checkpoint-store.js';

/** What a sink reads: the truth that it copies. */
export interface StateSource extends Pick<CheckpointStore, 'read' | 'loadStates'> {
  /**
   * Keys of a partition that have state, page by page; every key that is stored all along comes at least once. No key is
   * empty: such an event is a dead letter before an actor sees it (core/key/key.ts).
   */
  stateKeys(partition: number): AsyncIterable<readonly string[]>;
}

/** How far the copy is behind. */
export interface SinkReport {
  /** Age of the oldest checkpoint that is not in the copy, ms; 0 if all are. */
  readonly lagMs: number;
  /** Keys that are known to wait. */
  readonly waitingKeys: number;
  /** Rows written since the start. */
  readonly rows: number;
  /** Partitions that were compared as a whole since the start. */
  readonly resyncs: number;
}

export interface StatusSink {
  /** The partition was claimed by `owner` on the record `seen`. */
  claimed(partition: number, owner: string, seen: GuardedRecord | undefined): void;
  /** Checkpoint `number` is stored and has changed these keys. */
  committed(partition: number, owner: string, number: number, keys: readonly string[]): void;
  report(): SinkReport;
  /** Settles when the copy has everything that was noted, after `ms` at the latest. */
  settle(ms: number): Promise<void>;
  close(): Promise<void>;
}

/**
 * What the main thread and a host thread say to each other. Ports keep order, and the protocol leans on it:
 * a batch that was sent before `run` belongs to an earlier incarnation of the partition and is passed over.
 *
 * Life of a partition on a host:  claim → claimed → run → (batch | mark)* → release → released
 *                                      ↘ refused            ↘ stopped (fenced, halted)
 */
import type { Anchor, Counters } from '../core/checkpoint/record.js';
import type { Position } from '../core/position/position-window.js';
import type { ErrorCode } from '../errors.js';

/** An error on its way between threads. */
export interface Fault {
  readonly code: ErrorCode;
  readonly message: string;
  readonly problems: readonly string[];
}

export type MainToHost =
  /** Take the partition over and load it. `origin`: see ClaimTicket. `first`: first stored sequence of the stream. */
  | {
      readonly kind: 'claim';
      readonly partition: number;
      readonly epoch: number;
      readonly origin: number | undefined;
      readonly first: number;
      readonly acceptGap: boolean;
    }
  /** From now on batches hold this partition's events from `floor + 1` on; `gap` was declared lost before that. */
  | { readonly kind: 'run'; readonly partition: number; readonly floor: number; readonly gap: readonly number[] }
  /** Events, in stream order; everything of the host's running partitions up to `anchor` is in this batch or was in an earlier one. */
  | {
      readonly kind: 'batch';
      readonly buffer: ArrayBuffer;
      readonly length: number;
      readonly count: number;
      readonly anchor: Anchor;
      readonly streamTime: number;
    }
  /** Nothing for this host up to `anchor`; the stream has reached `streamTime` (epoch ms). */
  | { readonly kind: 'mark'; readonly anchor: Anchor; readonly streamTime: number }
  /** Stop the partition for good, its last decided state saved. */
  | { readonly kind: 'halt'; readonly partition: number; readonly fault: Fault }
  /** Sequences that are gone, accepted by the operator, for all running partitions below. */
  | { readonly kind: 'gap'; readonly first: number; readonly last: number }
  /** Save everything decided, then let go of all partitions. */
  | { readonly kind: 'drain' }
  | { readonly kind: 'published'; readonly partition: number; readonly ids: readonly string[] };

export type HostToMain =
  | { readonly kind: 'started' }
  | {
      readonly kind: 'claimed';
      readonly partition: number;
      readonly stream: string;
      readonly position: Position;
      readonly anchor: Anchor;
      /** A record was written that was not there before. */
      readonly created: boolean;
    }
  | { readonly kind: 'refused'; readonly partition: number; readonly fault: Fault }
  /** The batch is taken in; its buffer comes back for the next one. */
  | { readonly kind: 'done'; readonly buffer: ArrayBuffer; readonly length: number; readonly count: number }
  /** The incarnation is over: `fenced` means claim again, everything else that an operator must look. */
  | { readonly kind: 'stopped'; readonly partition: number; readonly fault: Fault }
  | { readonly kind: 'outputs'; readonly partition: number; readonly outputs: readonly (readonly [id: string, output: string])[] }
  | { readonly kind: 'report'; readonly partitions: readonly PartitionReport[]; readonly thread: ThreadReport }
  | { readonly kind: 'log'; readonly level: 'debug' | 'info' | 'warn' | 'error'; readonly event: string; readonly fields: object }
  | { readonly kind: 'drained' };

/** What status and metrics show of a partition. */
export interface PartitionReport {
  readonly partition: number;
  readonly floor: number;
  readonly high: number;
  readonly checkpoint: number;
  /** Wall clock of the last confirmed checkpoint, epoch ms, 0 before the first. */
  readonly savedAt: number;
  /** Epoch ms, null before the first event. */
  readonly watermark: number | null;
  readonly buffered: number;
  readonly residentKeys: number;
  readonly dedupeIds: number;
  readonly dedupeEvictedEarly: number;
  readonly forced: number;
  readonly deadStored: number;
  readonly counters: Readonly<Counters>;
}

export interface ThreadReport {
  /** Bytes of the thread's heap. */
  readonly heapBytes: number;
  /** Commits confirmed since the thread started. */
  readonly commits: number;
  /** Sum of their durations, ms. */
  readonly commitMs: number;
  readonly commitKeys: number;
}

/**
 * What the main thread and a host thread say to each other. Ports keep order, and the protocol leans on it:
 * a batch that was sent before `run` belongs to an earlier incarnation of the partition and is passed over.
 *
 * Life of a partition on a host:  claim → claimed → run → (batch | mark)* → release → released
 *                                      ↘ refused            ↘ stopped (fenced, halted)
 */
import type { Explanation } from '../core/actor/actor.js';
import type { KeyInspection } from '../core/actor/key-inspection.js';
import type { Anchor, Counters } from '../core/checkpoint/record.js';
import type { Position } from '../core/position/position-window.js';
import type { ErrorCode } from '../errors.js';
import type { SinkReport } from '../ports/status-sink.js';
import type { Timing } from './timing.js';

/** An error on its way between threads. */
export interface Fault {
  readonly code: ErrorCode;
  readonly message: string;
  readonly problems: readonly string[];
}

/** What can be asked of a partition. `body` is the text that takes the place of the event's own. */
export type Question =
  | { readonly kind: 'explain'; readonly id: string }
  /** Explained once it is decided, or stored as well; after `waitMs` as it is then. */
  | { readonly kind: 'await'; readonly id: string; readonly until: 'decided' | 'durable'; readonly waitMs: number }
  | { readonly kind: 'quarantined' }
  | { readonly kind: 'inspect'; readonly key: string }
  | { readonly kind: 'release' | 'skip'; readonly key: string }
  | { readonly kind: 'edit'; readonly key: string; readonly body: string }
  | { readonly kind: 'replay-letter'; readonly sequence: number; readonly body: string | undefined }
  | { readonly kind: 'discard-letter'; readonly sequence: number };

/** A question that changes something. */
export type Change = Exclude<Question, { kind: 'explain' | 'await' | 'quarantined' | 'inspect' }>;

/** A quarantined key. */
export interface QuarantinedKey {
  readonly key: string;
  readonly code: string;
  readonly problems: readonly string[];
  /** Stream sequence of the event that caused it, and the stream time at which it began (epoch ms). */
  readonly sequence: number;
  readonly since: number;
  readonly parked: number;
}

/** How long ago it happened, ms; null where it has not. What was so before the question came counts from the question. */
export interface Waited {
  readonly decidedMsAgo: number | null;
  /** A checkpoint was stored that holds it. */
  readonly durableMsAgo: number | null;
}

export type Answer =
  | { readonly kind: 'explanation'; readonly explanation: Explanation; readonly waited?: Waited }
  | { readonly kind: 'quarantined'; readonly keys: readonly QuarantinedKey[] }
  | { readonly kind: 'inspection'; readonly inspection: KeyInspection }
  /** The change is durable. `again`: the key is quarantined once more, by this event or a later one. */
  | { readonly kind: 'changed'; readonly again: boolean }
  | { readonly kind: 'fault'; readonly fault: Fault };

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
  /**
   * From now on batches hold this partition's events from the position on. It is the claimed one, or where an operator's
   * decision about a lost range (`gap`, as `[first, last]` or empty) leaves it.
   */
  | {
      readonly kind: 'run';
      readonly partition: number;
      /** Of the claim that it is meant for: it may wait behind batches until the partition is back under another one. */
      readonly epoch: number;
      readonly position: Position;
      readonly anchor: Anchor;
      readonly gap: readonly number[];
    }
  /**
   * Events of one stream, in its order; everything up to `anchor` of the host's running partitions of that stream is in
   * this batch or was in an earlier one. `stream` is its index, here and below.
   */
  | {
      readonly kind: 'batch';
      readonly stream: number;
      readonly buffer: ArrayBuffer;
      readonly length: number;
      readonly count: number;
      readonly anchor: Anchor;
      readonly streamTime: number;
    }
  /** Nothing for this host up to `anchor`; the stream has reached `streamTime` (epoch ms). */
  | { readonly kind: 'mark'; readonly stream: number; readonly anchor: Anchor; readonly streamTime: number }
  /** Stop the partition for good, its last decided state saved unless it is another node's by now. */
  | { readonly kind: 'halt'; readonly partition: number; readonly fault: Fault }
  /** Save everything decided of a partition and let go of it; in order with its batches. */
  | { readonly kind: 'release'; readonly partition: number; readonly epoch: number }
  /** Sequences that are gone, accepted by the operator, for all running partitions of the stream below. */
  | { readonly kind: 'gap'; readonly stream: number; readonly first: number; readonly last: number }
  /** Save everything decided, then let go of all partitions. */
  | { readonly kind: 'drain' }
  /** Something that a person asks of a partition; answered once by `answer`, changes when they are durable. */
  | { readonly kind: 'ask'; readonly request: number; readonly partition: number; readonly question: Question }
  | { readonly kind: 'published'; readonly partition: number; readonly ids: readonly string[] };

export type HostToMain =
  | { readonly kind: 'started' }
  | {
      readonly kind: 'claimed';
      readonly partition: number;
      /** Epoch of the claim, here and below: what is said of an earlier one comes too late. */
      readonly epoch: number;
      readonly stream: string;
      readonly position: Position;
      readonly anchor: Anchor;
      /** Events that its record says were applied. */
      readonly applied: number;
      /** A record was written that was not there before. */
      readonly created: boolean;
    }
  | { readonly kind: 'refused'; readonly partition: number; readonly epoch: number; readonly fault: Fault }
  /** The batch is taken in; its buffer comes back for the next one. */
  | {
      readonly kind: 'done';
      readonly stream: number;
      readonly buffer: ArrayBuffer;
      readonly length: number;
      readonly count: number;
    }
  /** The incarnation is over: `fenced` means claim again, everything else that an operator must look. */
  | { readonly kind: 'stopped'; readonly partition: number; readonly epoch: number; readonly fault: Fault }
  /** Everything decided is stored and the partition is let go; undefined if there was nothing to store any more. */
  | {
      readonly kind: 'released';
      readonly partition: number;
      readonly epoch: number;
      readonly applied: number | undefined;
    }
  /** A partition that had stopped because it was full has room again: claim it again. */
  | { readonly kind: 'resumable'; readonly partition: number }
  | { readonly kind: 'answer'; readonly request: number; readonly answer: Answer }
  | {
      readonly kind: 'outputs';
      readonly partition: number;
      readonly outputs: readonly (readonly [id: string, output: string])[];
    }
  | { readonly kind: 'report'; readonly partitions: readonly PartitionReport[]; readonly thread: ThreadReport }
  | {
      readonly kind: 'log';
      readonly level: 'debug' | 'info' | 'warn' | 'error';
      readonly event: string;
      readonly fields: object;
    }
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
  /** Events that were taken in and are not decided; `parked` of them wait for an operator or a missing number. */
  readonly buffered: number;
  readonly parked: number;
  readonly residentKeys: number;
  readonly dedupeIds: number;
  readonly dedupeEvictedEarly: number;
  readonly forced: number;
  readonly deadStored: number;
  readonly counters: Readonly<Counters>;
  /** What this incarnation began with: the epoch of its claim, and the counters that were stored then. */
  readonly claimed: { readonly epoch: number; readonly counters: Readonly<Counters> };
}

/** How a thread's handler does, from one call in a few. */
export interface HandlerReport {
  /** Calls since the thread started. */
  readonly calls: number;
  /** Time of a call, in buckets of `handlerBoundsMs`. */
  readonly time: Timing;
  /** How old events were when they were applied, and when they were stored, in buckets of `latencyBoundsMs`. */
  readonly applied: Timing;
  readonly durable: Timing;
  /** The keys with the most calls lately, and their share of them, 0 to 1. */
  readonly hotKeys: readonly { readonly partition: number; readonly key: string; readonly share: number }[];
}

export interface ThreadReport {
  readonly slot: number;
  /** Bytes of the thread's heap. */
  readonly heapBytes: number;
  /** Commits confirmed since the thread started. */
  readonly commits: number;
  /** Sum of their durations, ms. */
  readonly commitMs: number;
  readonly commitKeys: number;
  /** Where the thread's time goes; see host/handler-meter.ts. */
  readonly handler?: HandlerReport | undefined;
  /** Where a status sink is used. */
  readonly sink?: SinkReport | undefined;
}

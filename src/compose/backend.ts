/** What a node works on: a log, a store and a coordinator, of one family. */
import type { StreamGeneration } from '../core/position/stream-generations.js';
import type { Options } from '../options/types.js';
import type { CheckpointStore } from '../ports/checkpoint-store.js';
import type { Coordinator } from '../ports/coordinator.js';
import type { EventLog, EventSink } from '../ports/event-log.js';
import type { Membership } from '../ports/membership.js';
import type { StateSource } from '../ports/status-sink.js';
import type { StateReader } from '../runtime/state-reader.js';

export interface Backend {
  readonly log: EventLog;
  readonly sink: EventSink;
  /** For the main thread; each host thread opens its own with `storeSettings`. */
  readonly store: CheckpointStore & StateSource;
  readonly coordinator: Coordinator;
  /** The streams that the events are in, and were in. */
  readonly generations: readonly StreamGeneration[];
  /** Undefined where an application has one node. */
  readonly membership: Membership | undefined;
  /** Answers requests for states that come over NATS, until the returned function is called; undefined where there is none. */
  readonly answerRequests: ((reader: StateReader) => () => void) | undefined;
  close(): Promise<void>;
}

const HEARTBEAT_MS_MIN = 100;

/** How often the log proves that nothing waits, ms: twice within the idle time, so that a quiet partition is released. */
export function heartbeatMs({ order }: Options): number {
  return Math.max(HEARTBEAT_MS_MIN, Math.min(500, Math.floor(order.idleMs / 2)));
}

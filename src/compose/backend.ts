/**
 * What a node works on: a log, a store and a coordinator, of one family. The options say which; the libraries of the
 * other one are never loaded.
 */
import type { StreamGeneration } from '../core/position/stream-generations.js';
import type { Options } from '../options/types.js';
import type { CheckpointStore } from '../ports/checkpoint-store.js';
import type { Coordinator } from '../ports/coordinator.js';
import type { EventLog, EventSink } from '../ports/event-log.js';
import type { LogLine } from '../ports/log.js';
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

/** Options that name a database. */
export type SqlOptions = Options & { readonly sql: { readonly url: string } };

export function isSql(options: Options): options is SqlOptions {
  return options.sql.url !== undefined;
}

/**
 * `alone`: as a node works, the only one that does, for which a SQLite file is locked and the turn on a shared database
 * is waited for. `beside`: as a command that looks while a node may run.
 */
export type Company = 'alone' | 'beside';

export async function openBackend(
  options: Options,
  line: LogLine,
  signal?: AbortSignal,
  company: Company = 'alone',
): Promise<Backend> {
  if (isSql(options)) {
    const { openSqlBackend } = await import('./sql-backend.js');
    return openSqlBackend(options, line, company, signal);
  }
  const { openJetStreamBackend } = await import('./jetstream-backend.js');
  return openJetStreamBackend(options, line, signal);
}

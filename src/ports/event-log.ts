/**
 * The log that events come from, as the runtime needs it: dense numbers, read whole, in order, from a given one.
 *
 * Contract
 * E1. `read` delivers every stored event from `from` on, in order, each once per reading, without a filter.
 * E2. A sequence that is missing between two delivered events is reported by the jump in numbers, never hidden.
 * E3. `pause` stops new requests; at most what was requested before still arrives.
 * E4. A reading survives restarts and disconnections of the log; it ends with `stop` or with `failed`.
 * E5. Nothing is appended with an id or a trace that has a line break: REQUEST_INVALID, it would begin another header.
 */

import type { TraceContext } from '../core/event/trace-context.js';

/** What a log says of itself. */
export interface StreamInfo {
  readonly stream: string;
  /** Lowest stored sequence; `last + 1` where nothing is stored. */
  readonly first: number;
  /** Highest sequence ever given, 0 for none. */
  readonly last: number;
}

export interface ReadSink {
  /**
   * One event. The byte arrays are valid during the call only. `timeMs` and `timeNanos` together are the log's
   * timestamp: whole epoch ms, and the nanoseconds below it (0 to 999,999).
   */
  event(
    sequence: number,
    timeMs: number,
    timeNanos: number,
    subject: Uint8Array,
    headers: Uint8Array | undefined,
    body: Uint8Array,
  ): void;
  /** Everything stored is delivered, at this moment. Repeated for as long as that stays true. */
  caughtUp(): void;
  /** The reading cannot go on: the stream is gone (STREAM_MISSING) or is no longer what was read (REGRESSION). */
  failed(error: Error): void;
}

export interface Reading {
  pause(): void;
  resume(): void;
  stop(): Promise<void>;
}

export interface EventLog {
  info(stream: string): Promise<StreamInfo>;
  /** The log's timestamp (nanoseconds as text) of a stored event, or undefined if it is not stored. */
  timeOf(stream: string, sequence: number): Promise<string | undefined>;
  /** Starts a reading at `from`, or at the first stored event after it. */
  read(stream: string, from: number, sink: ReadSink): Promise<Reading>;
}

/** Timestamp text of the two parts that `ReadSink.event` gets: nanoseconds since the epoch. */
export function timeText(timeMs: number, timeNanos: number): string {
  return `${timeMs}${String(timeNanos).padStart(6, '0')}`;
}

/** An event on its way into the log. */
export interface NewEvent {
  readonly subject: string;
  readonly id: string;
  readonly body: Uint8Array;
  /** What the writer knows of it, for logs that show it beside the event. What counts is in subject and body. */
  readonly about?: EventFacts | undefined;
  /** Headers of the trace that it belongs to, if that is not the one of whoever appends it. */
  readonly trace?: TraceContext | undefined;
}

export interface EventFacts {
  readonly key: string;
  readonly partition: number;
  /** Event time, epoch ms. */
  readonly timeMs: number;
}

/** What the log answers: where the event is now. */
export interface Appended {
  readonly stream: string;
  readonly sequence: number;
  /** The log already had an event with this id inside its own window. */
  readonly duplicate: boolean;
}

/** The writing side of a log. Errors are MillraceErrors of category `transient` or `misuse`. */
export interface EventSink {
  append(event: NewEvent): Promise<Appended>;
}

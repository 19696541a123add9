/**
 * The reference model of an event log: what every other one must do, in plain maps. For tests, the simulator and
 * `createTestCluster`; nothing of it survives the process.
 *
 * Time and the moments of delivery are the caller's, so that a simulator holds both in its hands. Beside the two
 * ports it has the faults of a real log: holes, purges, a lost tail, a stream that is deleted.
 */
import { headerBlock } from '../../core/event/header-block.js';
import { MillraceError } from '../../errors.js';
import type { Clock } from '../../ports/clock.js';
import type { Appended, EventLog, EventSink, NewEvent, Reading, ReadSink, StreamInfo } from '../../ports/event-log.js';
import { MemoryReading } from './memory-reading.js';
import { MemoryStream, type StoredInput } from './memory-stream.js';

export interface MemoryEventLogOptions {
  readonly clock: Clock;
  /** Runs one delivery of one reading; a timer of the clock with 0 ms by default, `(task) => task()` for at once. */
  readonly deliver?: ((task: () => void) => void) | undefined;
  /** Events of one request: so many can still arrive after a pause. 64 by default. */
  readonly requestEvents?: number | undefined;
  /** How often an idle reading says that it has caught up; 1 s by default. */
  readonly heartbeatMs?: number | undefined;
  /** For how long a repeated id is answered with `duplicate`; 2 min by default, 0 for never. */
  readonly duplicateWindowMs?: number | undefined;
}

/** An `EventLog` and `EventSink` in memory that can be damaged in every way the real ones were seen to be. */
export class MemoryEventLog implements EventLog, EventSink {
  readonly #clock: Clock;
  readonly #deliver: (task: () => void) => void;
  readonly #requestEvents: number;
  readonly #heartbeatMs: number;
  readonly #duplicateWindowMs: number;
  readonly #streams: Map<string, MemoryStream>;

  constructor(options: MemoryEventLogOptions, streams: Map<string, MemoryStream> = new Map()) {
    const { clock } = options;
    this.#clock = clock;
    this.#deliver = options.deliver ?? ((task) => void clock.after(0, task));
    this.#requestEvents = options.requestEvents ?? 64;
    this.#heartbeatMs = options.heartbeatMs ?? 1_000;
    this.#duplicateWindowMs = options.duplicateWindowMs ?? 120_000;
    this.#streams = streams;
  }

  /** The same streams, seen by a client with a clock and moments of delivery of its own. */
  as(options: MemoryEventLogOptions): MemoryEventLog {
    return new MemoryEventLog(options, this.#streams);
  }

  /** Creates a stream that takes the events whose subjects it accepts; all by default. */
  createStream(name: string, accepts: (subject: string) => boolean = () => true): void {
    if (this.#streams.has(name)) throw new MillraceError('OPTIONS_INVALID', `there is a stream ${name} already`);
    this.#streams.set(name, new MemoryStream(name, accepts));
  }

  /** Removes a stream; its readings fail with STREAM_MISSING. */
  deleteStream(name: string): void {
    const stream = this.#stream(name);
    this.#streams.delete(name);
    stream.end();
  }

  async info(stream: string): Promise<StreamInfo> {
    const { first, last } = this.#stream(stream);
    return { stream, first, last };
  }

  async timeOf(stream: string, sequence: number): Promise<string | undefined> {
    return this.#stream(stream).timeOf(sequence);
  }

  async read(name: string, from: number, sink: ReadSink): Promise<Reading> {
    const stream = this.#stream(name);
    if (from > stream.last + 1)
      throw new MillraceError('REGRESSION', `stream ${name} ends at ${stream.last}, before ${from}`);
    const terms = {
      clock: this.#clock,
      deliver: this.#deliver,
      requestEvents: this.#requestEvents,
      heartbeatMs: this.#heartbeatMs,
      current: () => this.#streams.get(name),
    };
    return new MemoryReading(terms, stream, from, sink);
  }

  async append(event: NewEvent): Promise<Appended> {
    const stream = [...this.#streams.values()].find(({ accepts }) => accepts(event.subject));
    if (stream === undefined)
      throw new MillraceError('STREAM_MISSING', `no stream takes the subject ${JSON.stringify(event.subject)}`);
    const nowMs = this.#clock.now();
    const known = stream.sequenceOfId(event.id, nowMs, this.#duplicateWindowMs);
    if (known !== undefined) return { stream: stream.name, sequence: known, duplicate: true };
    const block = headerBlock([['Nats-Msg-Id', event.id], ...Object.entries(event.trace ?? {})]);
    if (block === undefined) throw new MillraceError('REQUEST_INVALID', 'a header of the event has a line break');
    const headers = new TextEncoder().encode(block);
    const sequence = stream.store({ subject: event.subject, headers, body: event.body }, nowMs);
    stream.rememberId(event.id, sequence, nowMs);
    return { stream: stream.name, sequence, duplicate: false };
  }

  /** Stores an event as any publisher may: without an id, with any bytes, with a time of its own. Answers its sequence. */
  store(stream: string, event: StoredInput): number {
    return this.#stream(stream).store(event, this.#clock.now());
  }

  /** Removes one event, which leaves a hole. Its id stays known, as in JetStream. */
  remove(stream: string, sequence: number): void {
    this.#stream(stream).remove(sequence);
  }

  /** Removes every event before `first`. */
  purge(stream: string, first: number): void {
    this.#stream(stream).purge(first);
  }

  /** Falls back to an earlier length without telling anybody: the numbers after `last` are used again. */
  loseTail(stream: string, last: number): void {
    this.#stream(stream).loseTail(last);
  }

  #stream(name: string): MemoryStream {
    const stream = this.#streams.get(name);
    if (stream === undefined) throw new MillraceError('STREAM_MISSING', `there is no stream ${name}`);
    return stream;
  }
}

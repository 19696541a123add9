/**
 * One reading of a JetStream stream: a consumer at a time, and another one where that one was lost.
 *
 * Owns: what was delivered last, and whether the stream is still the one that was read. Does not own: what becomes
 * of an event.
 *
 * Invariants
 * R1. Events are delivered in stream order, each once. A message lost on the way shows as a jump of the consumer's
 *     own numbers, and the reading starts over at the next expected event; a jump of stream sequences without one
 *     is a hole in the stream and is passed on as it is.
 * R2. Before it starts and before it starts over, the reading proves that the event before the next one is still
 *     stored under its number: after tail loss sequences are used again, and a start beyond the end is clamped by
 *     some servers and honoured by others.
 * R3. Every new connection voids the proof: only another server process can have lost its tail.
 * R4. It never gives up while it is not stopped, except on R2, on a missing stream and on a connection closed for good.
 *
 *   new ──▶ reading ──lost, reconnected──▶ restarting ──▶ reading …
 *              └───── stop, R4 ──▶ ended ◀──────┘
 */
import { MillraceError, messageOf } from '../../errors.js';
import type { EventLog, Reading, ReadSink } from '../../ports/event-log.js';
import { timeText } from '../../ports/event-log.js';
import type { LogLine } from '../../ports/log.js';
import type { AckSubject } from './ack-subject.js';
import type { Frame } from './frame-cutter.js';
import { natsError } from './nats-errors.js';
import type { PullTerms } from './pull-consumer.js';
import { PullConsumer } from './pull-consumer.js';

const RESTART_MS_MIN = 100;
const RESTART_MS_MAX = 5_000;

export class PullReading implements Reading {
  readonly #terms: PullTerms;
  readonly #log: EventLog;
  readonly #line: LogLine;
  readonly #sink: ReadSink;
  readonly #ended: () => void;
  #next: number;
  /** Timestamp of the event before `#next`; 0 where it was not stored when the reading began. */
  #lastMs = 0;
  #lastNanos = 0;
  #consumer: PullConsumer | undefined;
  #started = false;
  #paused = false;
  #stopped = false;
  /** Counts connections: a proof that began under an earlier one is void. */
  #connections = 0;
  #restartMs = RESTART_MS_MIN;
  #restartTimer: NodeJS.Timeout | undefined;

  /** `ended` is called when the reading is over. */
  constructor(terms: PullTerms, log: EventLog, line: LogLine, from: number, sink: ReadSink, ended: () => void) {
    this.#terms = terms;
    this.#log = log;
    this.#line = line;
    this.#next = from;
    this.#sink = sink;
    this.#ended = ended;
  }

  /** Throws STREAM_MISSING, REGRESSION if the stream ends before the start, NATS_UNREACHABLE. */
  async start(): Promise<void> {
    try {
      const last = this.#next > 1 ? await this.#log.timeOf(this.#terms.stream, this.#next - 1) : undefined;
      if (last !== undefined) {
        this.#lastMs = Number(last.slice(0, -6));
        this.#lastNanos = Number(last.slice(-6));
      }
      await this.#open();
    } catch (error) {
      await this.stop();
      throw natsError('starting to read', error, this.#terms.stream);
    }
  }

  pause(): void {
    this.#paused = true;
    this.#consumer?.pause();
  }

  resume(): void {
    this.#paused = false;
    this.#consumer?.resume();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#ended();
    clearTimeout(this.#restartTimer);
    const consumer = this.#consumer;
    this.#consumer = undefined;
    await consumer?.close();
  }

  /** The client library has a new connection. What was asked over an earlier one is never answered. */
  reconnected(): void {
    this.#connections++;
    this.#restartMs = RESTART_MS_MIN;
    if (this.#consumer !== undefined) this.#lost('the connection was lost');
    else if (this.#started) this.#restartSoon();
  }

  /** The client library will make no more connections. */
  disconnected(): void {
    // What `start` asks for fails by itself.
    if (this.#started) this.#fail(new MillraceError('NATS_UNREACHABLE', 'the connection was closed'));
  }

  async #open(): Promise<void> {
    const connections = this.#connections;
    await this.#proveLast();
    const consumer = await PullConsumer.create(this.#terms, this.#next, {
      message: (ack, frame) => this.#deliver(ack, frame),
      idle: () => this.#idle(),
      lost: (reason) => this.#lost(reason),
    });
    if (this.#stopped || connections !== this.#connections) {
      void consumer.close();
      throw new MillraceError('NATS_UNREACHABLE', 'the connection was lost');
    }
    this.#started = true;
    this.#consumer = consumer;
    consumer.open(this.#paused);
    // Not before `read` has answered, so that the caller has the reading when the sink is called.
    if (consumer.startedIdle)
      setImmediate(() => {
        if (this.#consumer === consumer) this.#idle();
      });
  }

  #deliver(ack: AckSubject, { subject, headers, body }: Frame): void {
    const { streamSequence, timeMs, timeNanos } = ack;
    if (streamSequence < this.#next) {
      const detail = `sequence ${streamSequence} was delivered where ${this.#next} was due`;
      this.#fail(this.#regression(detail, streamSequence));
      return;
    }
    this.#next = streamSequence + 1;
    this.#lastMs = timeMs;
    this.#lastNanos = timeNanos;
    this.#restartMs = RESTART_MS_MIN;
    const caughtUp = ack.pending === 0;
    try {
      this.#sink.event(streamSequence, timeMs, timeNanos, subject, headers, body);
      if (caughtUp && !this.#stopped) this.#sink.caughtUp();
    } catch (error) {
      this.#failThrown(error);
    }
  }

  #idle(): void {
    this.#restartMs = RESTART_MS_MIN;
    try {
      this.#sink.caughtUp();
    } catch (error) {
      this.#failThrown(error);
    }
  }

  /** The sink threw. Thrown on, the error would end the client library's read loop without a word. */
  #failThrown(cause: unknown): void {
    this.#fail(new MillraceError('BUG', `the reader threw: ${messageOf(cause)}`, { cause }));
  }

  #lost(reason: string): void {
    if (this.#stopped || this.#consumer === undefined) return;
    this.#line('info', 'log.restart', { stream: this.#terms.stream, next: this.#next, reason });
    void this.#consumer.close();
    this.#consumer = undefined;
    this.#restartSoon();
  }

  #restartSoon(): void {
    clearTimeout(this.#restartTimer);
    const waitMs = this.#restartMs * (0.75 + Math.random() / 2);
    this.#restartMs = Math.min(this.#restartMs * 2, RESTART_MS_MAX);
    this.#restartTimer = setTimeout(() => void this.#restart(), waitMs);
  }

  async #restart(): Promise<void> {
    const connections = this.#connections;
    try {
      await this.#open();
    } catch (cause) {
      // A new connection has its own attempt; this one must not end or delay it.
      if (this.#stopped || connections !== this.#connections) return;
      const error = natsError('reading again', cause, this.#terms.stream);
      if (error.category !== 'transient' || this.#terms.connection.isClosed()) {
        this.#fail(error);
        return;
      }
      this.#line('debug', 'log.restart', { stream: this.#terms.stream, next: this.#next, reason: error.message });
      this.#restartSoon();
    }
  }

  /** R2. */
  async #proveLast(): Promise<void> {
    const last = this.#next - 1;
    const info = await this.#log.info(this.#terms.stream);
    if (info.last < last) throw this.#regression(`the stream ends at ${info.last}`, info.last + 1);
    if (this.#lastMs === 0 || last < info.first) return;
    const stored = await this.#log.timeOf(this.#terms.stream, last);
    const expected = timeText(this.#lastMs, this.#lastNanos);
    if (stored !== undefined && stored !== expected)
      throw this.#regression(`sequence ${last} was stored at ${expected} and is now another event`, last);
  }

  #regression(detail: string, first: number): MillraceError {
    const { stream } = this.#terms;
    const message = `stream ${stream} went back: ${detail}, but ${first} to ${this.#next - 1} were read`;
    return new MillraceError('REGRESSION', message);
  }

  #fail(error: MillraceError): void {
    if (this.#stopped) return;
    void this.stop();
    this.#sink.failed(error);
  }
}

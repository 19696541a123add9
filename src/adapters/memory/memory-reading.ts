/**
 * One reading of a stream of the reference model. It behaves as the worst allowed reading does: what was requested
 * before a pause still arrives, and the bytes of an event are destroyed after the call that lends them.
 *
 * Invariants
 * M3. At most one delivery is scheduled at a time, so no scheduler can reorder events.
 * M4. Before it delivers, it looks whether the last delivered event is still stored under its number.
 */
import { MillraceError, messageOf } from '../../errors.js';
import type { Clock } from '../../ports/clock.js';
import type { Reading, ReadSink } from '../../ports/event-log.js';
import type { MemoryEvent, MemoryStream } from './memory-stream.js';

export interface ReadingTerms {
  readonly clock: Clock;
  /** Runs one delivery, at once or later. */
  readonly deliver: (task: () => void) => void;
  /** Events of one request. */
  readonly requestEvents: number;
  /** How often an idle reading says that it has caught up, ms. */
  readonly heartbeatMs: number;
  /** The stream that has the name now. */
  readonly current: () => MemoryStream | undefined;
}

export class MemoryReading implements Reading {
  readonly #terms: ReadingTerms;
  readonly #stream: MemoryStream;
  readonly #sink: ReadSink;
  readonly #wake = (): void => this.#schedule();
  #next: number;
  /** Timestamp of the event before `#next`, if it was stored when last looked at. */
  #lastTime: string | undefined;
  /** Requested events that have not arrived. */
  #requested = 0;
  #scheduled = false;
  #paused = false;
  #stopped = false;
  #cancelBeat: () => void = () => {};

  constructor(terms: ReadingTerms, stream: MemoryStream, from: number, sink: ReadSink) {
    this.#terms = terms;
    this.#stream = stream;
    this.#next = from;
    this.#lastTime = stream.timeOf(from - 1);
    this.#sink = sink;
    stream.watchers.add(this.#wake);
    this.#schedule();
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#schedule();
  }

  async stop(): Promise<void> {
    this.#end();
  }

  #end(): void {
    this.#stopped = true;
    this.#cancelBeat();
    this.#stream.watchers.delete(this.#wake);
  }

  #schedule(): void {
    if (this.#scheduled || this.#stopped) return;
    this.#scheduled = true;
    this.#terms.deliver(() => {
      this.#scheduled = false;
      if (!this.#stopped) this.#run();
    });
  }

  #run(): void {
    const change = this.#changeOfStream();
    if (change !== undefined) {
      this.#fail(change);
      return;
    }
    if (!this.#paused && this.#requested === 0) this.#requested = this.#terms.requestEvents;
    this.#deliverRequested();
    if (this.#stopped) return;
    if (this.#next <= this.#stream.last) {
      if (this.#requested > 0 || !this.#paused) this.#schedule();
    } else if (this.#requested > 0 || !this.#paused) {
      this.#sink.caughtUp();
      this.#cancelBeat();
      if (!this.#stopped) this.#cancelBeat = this.#terms.clock.after(this.#terms.heartbeatMs, this.#wake);
    }
  }

  #deliverRequested(): void {
    while (this.#requested > 0 && this.#next <= this.#stream.last && !this.#stopped) {
      const event = this.#stream.at(this.#next++);
      if (event === undefined) continue;
      this.#requested--;
      this.#lastTime = this.#stream.timeOf(event.sequence);
      try {
        this.#lend(event);
      } catch (error) {
        this.#fail(new MillraceError('BUG', `the reader threw: ${messageOf(error)}`, { cause: error }));
      }
    }
  }

  #lend(event: MemoryEvent): void {
    const subject = event.subject.slice();
    const headers = event.headers?.slice();
    const body = event.body.slice();
    this.#sink.event(event.sequence, event.timeMs, event.timeNanos, subject, headers, body);
    for (const bytes of [subject, headers, body]) bytes?.fill(0xff);
  }

  /** M4. */
  #changeOfStream(): MillraceError | undefined {
    const { name, last } = this.#stream;
    if (this.#terms.current() === undefined) return new MillraceError('STREAM_MISSING', `there is no stream ${name}`);
    const now = this.#stream.timeOf(this.#next - 1);
    const replaced = this.#lastTime !== undefined && now !== undefined && now !== this.#lastTime;
    const intact = this.#terms.current() === this.#stream && last >= this.#next - 1 && !replaced;
    return intact ? undefined : new MillraceError('REGRESSION', `stream ${name} went back before ${this.#next}`);
  }

  #fail(error: MillraceError): void {
    if (this.#stopped) return;
    this.#end();
    this.#sink.failed(error);
  }
}

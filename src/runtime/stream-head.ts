/**
 * How far a stream was read, and what time it is there: that of its newest event, and at its end what the log proves
 * beyond it.
 *
 * Invariants
 * X4. At the end of the stream its time goes on with ours, but only from proof to proof: while the log is silent, paused or
 *     behind a slow network, events may be stored that have not come. Before the end only events move it.
 */
import type { Anchor } from '../core/checkpoint/record.js';
import { timeText } from '../ports/event-log.js';

const NOWHERE: Anchor = { sequence: 0, time: '' };

export class StreamHead {
  readonly #heartbeatMs: number;
  /** The newest event of this reading; sequence 0 while there is none. */
  #sequence = 0;
  #ms = 0;
  #nanos = 0;
  #newestMs = 0;
  /** How long the log has proven that nothing came after the newest event, ms; monotonic time of the last proof. */
  #quietMs = 0;
  #provenAt = 0;
  #isAtEnd = false;
  #events = 0;

  /** `heartbeatMs`: how often the log proves that nothing waits. */
  constructor(heartbeatMs = Number.POSITIVE_INFINITY) {
    this.#heartbeatMs = heartbeatMs;
  }

  /** The newest event of this reading, as checkpoints name it. */
  get anchor(): Anchor {
    if (this.#sequence === 0) return NOWHERE;
    return { sequence: this.#sequence, time: timeText(this.#ms, this.#nanos) };
  }

  /** Stream time of that event, epoch ms. */
  get ms(): number {
    return this.#ms;
  }

  /** Stream time of the newest event of any reading, epoch ms; undefined before the first. */
  get newestMs(): number | undefined {
    return this.#newestMs === 0 ? undefined : this.#newestMs;
  }

  /** Whether the end of the stream was reached, as far as is known. */
  get isAtEnd(): boolean {
    return this.#isAtEnd;
  }

  /** Events that were read so far, by all readings. */
  get events(): number {
    return this.#events;
  }

  /** X4. What the stream has reached, epoch ms. */
  get time(): number {
    if (!this.#isAtEnd || this.#newestMs === 0) return this.#ms;
    return this.#newestMs + this.#quietMs;
  }

  /** An event was read. */
  moved(sequence: number, ms: number, nanos: number): void {
    this.#sequence = sequence;
    this.#ms = ms;
    this.#nanos = nanos;
    this.#newestMs = ms;
    this.#events++;
    this.#isAtEnd = false;
  }

  /**
   * A proof says that nothing was stored when it was sent. One that took long, through a slow network or because this
   * process stood still, is worth no more than the next one that was due: events may be right behind it. `now`: monotonic.
   */
  proven(now: number): void {
    this.#quietMs = this.#isAtEnd ? this.#quietMs + Math.min(now - this.#provenAt, this.#heartbeatMs) : 0;
    this.#provenAt = now;
    this.#isAtEnd = true;
  }

  /** Nothing that was read is an anchor any more. */
  forget(): void {
    this.#sequence = 0;
  }

  /** A new reading begins, which knows nothing of the end, either. */
  restart(): void {
    this.forget();
    this.#isAtEnd = false;
  }
}

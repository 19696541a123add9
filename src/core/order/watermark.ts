/**
 * Event-time progress of one partition: `watermark = max event time seen − settle window`.
 *
 * A quiet partition would hold its last events for ever, so the watermark also advances when the *stream* has
 * moved on by the idle time without an event for this partition. Quietness is measured in stream time (the
 * log's own timestamps), not by a timer: a replay then releases at the same places as the first run did, and a
 * backlog, a slow reader or a paused process never looks like a quiet partition.
 *
 * Invariants
 * W1. The watermark never goes back.
 * W2. Nothing but events, stream times and the bound of the buffer moves it.
 */
export class Watermark {
  readonly #settleMs: number;
  readonly #idleMs: number;
  #value = Number.NEGATIVE_INFINITY;
  #maxTime = Number.NEGATIVE_INFINITY;
  #lastArrival = Number.NEGATIVE_INFINITY;

  /**
   * `start` is what a checkpoint stored, or all −Infinity. Without its `arrival` a recovered partition would
   * look quiet at once and release events out of order that it is about to read again.
   */
  constructor(settleMs: number, idleMs: number, start: { watermark: number; maxTime: number; arrival: number }) {
    this.#settleMs = settleMs;
    this.#idleMs = idleMs;
    this.#value = start.watermark;
    this.#maxTime = start.maxTime;
    this.#lastArrival = start.arrival;
  }

  /** Epoch ms; events at or before it are due. −Infinity before the first event. */
  get value(): number {
    return this.#value;
  }

  /** Newest event time seen, epoch ms. */
  get maxTime(): number {
    return this.#maxTime;
  }

  /** Stream time of the newest arrival, epoch ms. */
  get lastArrival(): number {
    return this.#lastArrival;
  }

  /** An event of this partition arrived. */
  observe(eventTime: number, streamTime: number): void {
    if (streamTime > this.#lastArrival) this.#lastArrival = streamTime;
    if (eventTime <= this.#maxTime) return;
    this.#maxTime = eventTime;
    if (eventTime - this.#settleMs > this.#value) this.#value = eventTime - this.#settleMs;
  }

  /** The stream has reached `streamTime`. True if the watermark moved because the partition is quiet. */
  passed(streamTime: number): boolean {
    if (this.#value >= this.#maxTime || streamTime - this.#lastArrival < this.#idleMs) return false;
    this.#value = this.#maxTime;
    return true;
  }

  /** The buffer is full: everything up to `time` is due now. */
  force(time: number): void {
    if (time > this.#value) this.#value = time;
  }
}

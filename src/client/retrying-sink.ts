/**
 * An event sink that tries again, with the same id, so that the log's own window removes what had arrived after all.
 *
 * Invariants
 * T1. Only what may pass is tried again: errors of category `transient`, and for a short time a missing stream, which
 *     may be about to be made.
 * T2. No attempt begins after the deadline.
 */
import { codeOf, MillraceError, messageOf } from '../errors.js';
import type { Clock } from '../ports/clock.js';
import type { Appended, EventSink, NewEvent } from '../ports/event-log.js';
import { pause } from '../retrying.js';

export interface RetryTerms {
  /** How long attempts are begun, ms. */
  readonly deadlineMs: number;
  /** How long a missing stream is waited for, ms. */
  readonly missingMs: number;
}

const WAIT_MS_MIN = 50;
const WAIT_MS_MAX = 2_000;

export class RetryingSink implements EventSink {
  readonly #sink: EventSink;
  readonly #clock: Clock;
  readonly #terms: RetryTerms;

  constructor(sink: EventSink, clock: Clock, terms: RetryTerms) {
    this.#sink = sink;
    this.#clock = clock;
    this.#terms = terms;
  }

  async append(event: NewEvent): Promise<Appended> {
    const begun = this.#clock.elapsed();
    for (let attempts = 1; ; attempts++) {
      try {
        // Sent before the first await, so that events go out in the order of the calls.
        return await this.#sink.append(event);
      } catch (error) {
        const waitMs =
          Math.min(WAIT_MS_MIN * 2 ** Math.min(attempts - 1, 10), WAIT_MS_MAX) * (0.75 + Math.random() / 2);
        if (this.#clock.elapsed() - begun + waitMs > this.#patienceMs(error)) throw final(event, error, attempts);
        await pause(this.#clock, waitMs);
      }
    }
  }

  /** T1. */
  #patienceMs(error: unknown): number {
    const { deadlineMs, missingMs } = this.#terms;
    if (codeOf(error) === 'STREAM_MISSING') return Math.min(missingMs, deadlineMs);
    return error instanceof MillraceError && error.category === 'transient' ? deadlineMs : 0;
  }
}

function final(event: NewEvent, error: unknown, attempts: number): unknown {
  if (!(error instanceof MillraceError) || error.category !== 'transient') return error;
  const message = `event ${JSON.stringify(event.id)} was not acknowledged in ${attempts} attempts: ${messageOf(error)}`;
  return new MillraceError(error.code, message, { cause: error });
}

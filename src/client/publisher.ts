/**
 * Publishing for applications: events are checked before they are sent, many are on their way at once, and what was not
 * acknowledged is sent again under the same id.
 *
 * Owns: how much is on its way, and the end. Does not own: what a valid event is (runtime/ingest.ts), the connection.
 */
import type { EventFormat } from '../core/event/event-format.js';
import { MillraceError, messageOf } from '../errors.js';
import type { Clock } from '../ports/clock.js';
import type { EventSink } from '../ports/event-log.js';
import type { IngestReceipt, ReadyEvent } from '../runtime/ingest.js';
import { Ingest } from '../runtime/ingest.js';
import { RetryingSink, type RetryTerms } from './retrying-sink.js';

/** An event to publish. */
export interface PublishEvent<D = unknown> {
  /**
   * Unique per event: the same id again, within the dedupe horizon, is the same event. A random UUID by default, which
   * protects this publish and not a later one of the same fact; give an id if your own code may repeat itself.
   */
  readonly id?: string | undefined;
  /** The identity whose events are ordered and whose state is kept: 1 to 256 bytes, compared byte for byte. */
  readonly key: string;
  /** When it happened: epoch ms, RFC 3339 or a Date. Now by default. */
  readonly time?: number | string | Date | undefined;
  /** Place in the key's own numbering, without gaps; for applications with order `sequence`. */
  readonly sequence?: number | undefined;
  /** Kind of event, 1 to 256 characters. */
  readonly type?: string | undefined;
  /** JSON data; null by default. */
  readonly data?: D | undefined;
}

/** Where a published event is. Give it to a reader as `after` to read what follows from the event. */
export type PublishReceipt = IngestReceipt;

export interface PublisherTerms extends RetryTerms {
  /** Subject to publish to, `{key}` where the key's token goes. */
  readonly publishSubject: string;
  readonly partitions: number;
  /** Most events that are on their way at once. */
  readonly inFlightMax: number;
}

export interface PublisherParts {
  readonly sink: EventSink;
  readonly clock: Clock;
  /** Called once, when everything is acknowledged or given up. */
  readonly release: () => Promise<void>;
}

/**
 * Publishes events and answers where they are. Made by `createPublisher`.
 *
 * Events are sent in the order of the calls. One that had to be sent again may come to lie behind later ones; the
 * application's order mode puts it back.
 */
export class Publisher {
  readonly #ingest: Ingest;
  readonly #sink: EventSink;
  readonly #release: () => Promise<void>;
  readonly #waiting: (() => void)[] = [];
  readonly #inFlightMax: number;
  #inFlight = 0;
  #closed: Promise<void> | undefined;
  #whenIdle: () => void = () => {};

  constructor({ sink, clock, release }: PublisherParts, terms: PublisherTerms) {
    this.#sink = new RetryingSink(sink, clock, terms);
    this.#release = release;
    this.#inFlightMax = terms.inFlightMax;
    const { publishSubject, partitions } = terms;
    // The server's own limit is the one that counts.
    const limits = { payloadBytesMax: Number.MAX_SAFE_INTEGER, headerBytesMax: Number.MAX_SAFE_INTEGER };
    this.#ingest = new Ingest({
      sink,
      clock,
      format: formatOf(publishSubject),
      publishSubject,
      partitions,
      limits,
      idRequired: true,
    });
  }

  /**
   * Publishes one event; resolves when the log has it. Waits while too many others are on their way.
   * @throws MillraceError `REQUEST_INVALID` with every problem of the event, and nothing was sent; `EVENT_TOO_LARGE`;
   *   `STREAM_MISSING`; `STREAM_UNSUITABLE` where another stream takes the subject; `NATS_REFUSED`; `NATS_UNREACHABLE`
   *   after the deadline: the event may be stored, and publishing it again with the same id is harmless.
   */
  async publish(event: PublishEvent): Promise<PublishReceipt> {
    const ready = this.#check(event);
    if (this.#inFlight >= this.#inFlightMax) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#inFlight++;
    return this.#send(ready, event.id !== undefined);
  }

  /**
   * Publishes events as they come, many at once; resolves to their receipts in the same order. The source is asked
   * for the next event only when there is room for it. After the first failure nothing more is taken from it; the
   * error says which event failed, and those before it may be stored.
   * @throws what `publish` throws, with the number of the event, from 0 on, in front of the message.
   */
  async publishAll(events: Iterable<PublishEvent> | AsyncIterable<PublishEvent>): Promise<PublishReceipt[]> {
    const receipts: PublishReceipt[] = [];
    let failure: MillraceError | undefined;
    let count = 0;
    let sending = 0;
    let wake = (): void => {};
    const settled = (): Promise<void> => new Promise((resolve) => (wake = resolve));
    const send = async (event: PublishEvent, index: number): Promise<void> => {
      try {
        receipts[index] = await this.publish(event);
      } catch (error) {
        failure ??= numbered(index, error);
      }
      sending--;
      wake();
    };
    try {
      for await (const event of events) {
        sending++;
        void send(event, count++);
        // Down to half, so that what follows is sent together and not one by one as each answer comes.
        if (sending >= this.#inFlightMax) while (sending > this.#inFlightMax / 2) await settled();
        if (failure !== undefined) break;
      }
    } finally {
      while (sending > 0) await settled();
    }
    if (failure !== undefined) throw failure;
    return receipts;
  }

  /** Waits until every event is acknowledged or given up, then ends the connection if the publisher made it. */
  close(): Promise<void> {
    this.#closed ??= this.#drain();
    return this.#closed;
  }

  async #drain(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#whenIdle = resolve;
      if (this.#inFlight === 0) resolve();
    });
    await this.#release();
  }

  #check(event: PublishEvent): ReadyEvent {
    if (this.#closed !== undefined) throw new MillraceError('REQUEST_INVALID', 'the publisher is closed');
    const checked = this.#ingest.check(event);
    if (checked.kind === 'ready') return checked;
    const message = `the event cannot be published: ${checked.problems.join('; ')}`;
    throw new MillraceError('REQUEST_INVALID', message, { problems: checked.problems });
  }

  async #send({ event, partition }: ReadyEvent, isIdGiven: boolean): Promise<PublishReceipt> {
    try {
      const { stream, sequence, duplicate } = await this.#sink.append(event);
      // A random id was never there before: what is there is our own first attempt, whose answer was lost.
      return { stream, sequence, partition, duplicate: duplicate && isIdGiven };
    } finally {
      const next = this.#waiting.shift();
      // The place is passed on, so that nobody who calls meanwhile overtakes.
      if (next !== undefined) next();
      else if (--this.#inFlight === 0) this.#whenIdle();
    }
  }
}

/** Millrace's own form, which every application reads unless it is told otherwise; the key is a token of the subject. */
function formatOf(publishSubject: string): EventFormat {
  const auto = { kind: 'auto' } as const;
  const key = { kind: 'token', index: publishSubject.split('.').indexOf('{key}') + 1 } as const;
  return { id: auto, key, time: auto, sequence: auto, type: auto, data: auto };
}

function numbered(index: number, error: unknown): MillraceError {
  const { code, problems } = error instanceof MillraceError ? error : { code: 'BUG' as const, problems: [] };
  return new MillraceError(code, `event ${index}: ${messageOf(error)}`, { cause: error, problems });
}

/**
 * One stream of the reference model: numbers, timestamps, the window of ids, and what can go wrong with a stream.
 *
 * Invariants
 * M1. Numbers grow by one with every stored event and are used again only after `loseTail`.
 * M2. No two stored events have the same timestamp, even if the clock stands still, so that an event and the one that
 *     took its number after a loss can be told apart.
 */
import { timeText } from '../../ports/event-log.js';

/** An event as another publisher would store it: any bytes, its own time if it is to have one. */
export interface StoredInput {
  readonly subject: string;
  /** Header block as the wire carries it, with its version line; none by default. */
  readonly headers?: Uint8Array | undefined;
  readonly body: Uint8Array;
  /** Whole epoch ms; the clock's by default. */
  readonly timeMs?: number | undefined;
  /** 0 to 999,999; unique within the stream by default. */
  readonly timeNanos?: number | undefined;
}

export interface MemoryEvent {
  readonly sequence: number;
  readonly timeMs: number;
  readonly timeNanos: number;
  readonly subject: Uint8Array;
  readonly headers: Uint8Array | undefined;
  readonly body: Uint8Array;
}

interface KnownId {
  readonly sequence: number;
  readonly atMs: number;
}

const NANOS_PER_MS = 1_000_000;

const encoder = new TextEncoder();

export class MemoryStream {
  readonly name: string;
  /** Whether the stream takes events of this subject. */
  readonly accepts: (subject: string) => boolean;
  /** Calls back after every change, for the readings. */
  readonly watchers = new Set<() => void>();
  readonly #events = new Map<number, MemoryEvent>();
  readonly #ids = new Map<string, KnownId>();
  #first = 1;
  #last = 0;
  /** How many events were ever stored, lost ones included. */
  #written = 0;

  constructor(name: string, accepts: (subject: string) => boolean) {
    this.name = name;
    this.accepts = accepts;
  }

  /** Lowest stored sequence, `last + 1` where nothing is stored. */
  get first(): number {
    return this.#first;
  }

  get last(): number {
    return this.#last;
  }

  at(sequence: number): MemoryEvent | undefined {
    return this.#events.get(sequence);
  }

  /** Timestamp text of a stored event. */
  timeOf(sequence: number): string | undefined {
    const event = this.#events.get(sequence);
    return event === undefined ? undefined : timeText(event.timeMs, event.timeNanos);
  }

  store(input: StoredInput, nowMs: number): number {
    const sequence = this.#last + 1;
    this.#events.set(sequence, {
      sequence,
      timeMs: input.timeMs ?? Math.floor(nowMs),
      timeNanos: input.timeNanos ?? this.#written % NANOS_PER_MS,
      // Not `slice`, which gives no copy of a Buffer.
      subject: encoder.encode(input.subject),
      headers: input.headers === undefined ? undefined : new Uint8Array(input.headers),
      body: new Uint8Array(input.body),
    });
    this.#written++;
    this.#last = sequence;
    this.#changed();
    return sequence;
  }

  /** Number of the event that this id was stored under within the window; it may be removed by now. */
  sequenceOfId(id: string, nowMs: number, windowMs: number): number | undefined {
    for (const [known, { atMs }] of this.#ids) {
      if (atMs + windowMs > nowMs) break;
      this.#ids.delete(known);
    }
    return this.#ids.get(id)?.sequence;
  }

  rememberId(id: string, sequence: number, nowMs: number): void {
    this.#ids.set(id, { sequence, atMs: nowMs });
  }

  /** Removes one event: a hole, or a later first event. */
  remove(sequence: number): void {
    this.#events.delete(sequence);
    this.#advanceFirst();
    this.#changed();
  }

  /** Removes every event before `first`. */
  purge(first: number): void {
    for (let sequence = this.#first; sequence < first; sequence++) this.#events.delete(sequence);
    this.#advanceFirst();
    this.#changed();
  }

  /** Forgets every event after `last`; their numbers are then used again. Ids are known by what is left, as on disk. */
  loseTail(last: number): void {
    for (let sequence = last + 1; sequence <= this.#last; sequence++) this.#events.delete(sequence);
    for (const [id, { sequence }] of this.#ids) if (sequence > last) this.#ids.delete(id);
    this.#last = Math.min(this.#last, last);
    this.#first = Math.min(this.#first, this.#last + 1);
    this.#changed();
  }

  /** Tells the readings that the stream is gone. */
  end(): void {
    this.#changed();
  }

  #advanceFirst(): void {
    while (this.#first <= this.#last && !this.#events.has(this.#first)) this.#first++;
  }

  #changed(): void {
    for (const watcher of this.watchers) watcher();
  }
}

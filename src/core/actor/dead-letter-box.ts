/** Dead letters of one partition on their way into the store, and how many are there. */
import type { DeadLetter, FieldChanges } from '../checkpoint/commit.js';
import type { RawEvent } from '../event/event.js';
import type { Rejection } from '../event/reject.js';

export class DeadLetterBox {
  readonly #max: number;
  #stored: number;
  #fresh: DeadLetter[] = [];
  #discarded: number[] = [];

  /** `stored`: how many the checkpoint says there are. */
  constructor(max: number, stored: number) {
    this.#max = max;
    this.#stored = stored;
  }

  /** Letters after the next cut. Those that are left of a record that was lost are not counted, so nor is their end. */
  get size(): number {
    return Math.max(0, this.#stored + this.#fresh.length - this.#discarded.length);
  }

  get isFull(): boolean {
    return this.size >= this.#max;
  }

  /** Letters that the next cut writes. */
  get fresh(): number {
    return this.#fresh.length;
  }

  get isDirty(): boolean {
    return this.#fresh.length > 0 || this.#discarded.length > 0;
  }

  add(raw: RawEvent, why: Rejection, key: string | undefined, id: string | undefined): void {
    this.#fresh.push({
      sequence: raw.streamSequence,
      code: why.code,
      problems: why.problems,
      key: key ?? null,
      id: id ?? null,
      subject: raw.subject,
      headers: raw.headers ?? null,
      body: raw.body,
      encoding: raw.encoding,
      ...(raw.wholeBytes === undefined ? {} : { wholeBytes: raw.wholeBytes }),
      streamTime: raw.streamTime,
    });
  }

  /** An operator has dealt with a stored letter. */
  discard(sequence: number): void {
    this.#discarded.push(sequence);
  }

  changes(): FieldChanges {
    this.#stored = this.size;
    const changes = {
      set: this.#fresh.map((letter) => [String(letter.sequence), JSON.stringify(letter)] as const),
      remove: this.#discarded.map(String),
    };
    this.#fresh = [];
    this.#discarded = [];
    return changes;
  }
}

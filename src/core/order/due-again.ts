/**
 * Events that were due when a checkpoint was cut and could not be decided yet: their key's state was being loaded, or
 * the partition had stopped. A recovery reads them again, in stream order; here they get back the order in which they
 * came due, so that each meets the same state, and lateness is decided, as it was the first time.
 *
 * Invariants
 * Y1. They come due again in the stored order, before anything else that comes due.
 * Y2. One that is gone from the stream holds up no other: past the last place in the stream the rest goes on.
 */
export class DueAgain<E extends { readonly streamSequence: number }> {
  /** Stream sequences in due order; up to `#head` they came due again. */
  #order: readonly number[];
  #head = 0;
  readonly #expected: Set<number>;
  readonly #arrived = new Map<number, E>();
  readonly #last: number;

  constructor(order: readonly number[]) {
    this.#order = order;
    this.#expected = new Set(order);
    this.#last = order.reduce((last, sequence) => Math.max(last, sequence), 0);
  }

  /** How many have not come due again. */
  get size(): number {
    return this.#order.length - this.#head;
  }

  /** Stream sequences that have not come due again, in order. */
  get left(): readonly number[] {
    return this.#order.slice(this.#head);
  }

  /** Takes an event that is due. Those whose turn it is are given to `due`: this one at once if it is none of ours. */
  take(event: E, due: (event: E) => void): void {
    if (this.#expected.size === 0 || !this.#expected.delete(event.streamSequence)) {
      due(event);
      return;
    }
    this.#arrived.set(event.streamSequence, event);
    for (; this.#head < this.#order.length; this.#head++) {
      const next = this.#arrived.get(this.#order[this.#head]!);
      if (next === undefined) return;
      this.#arrived.delete(next.streamSequence);
      due(next);
    }
    this.#order = [];
    this.#head = 0;
  }

  /** Y2. Everything in the stream up to `sequence` was read or is gone. */
  passed(sequence: number, due: (event: E) => void): void {
    if (this.size === 0 || sequence < this.#last) return;
    const rest = this.left;
    this.#order = [];
    this.#head = 0;
    this.#expected.clear();
    for (const one of rest) {
      const event = this.#arrived.get(one);
      if (event !== undefined) due(event);
    }
    this.#arrived.clear();
  }
}

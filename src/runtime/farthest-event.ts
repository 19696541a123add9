/**
 * The farthest event that any reading of a stream has brought. A reading that starts again further back, for partitions
 * that start there, meets it a second time: if it is another event by then, or the stream ends before it, the stream has
 * lost its tail, and partitions that are past that place would take new events for ones that they have.
 */
export class FarthestEvent {
  #sequence = 0;
  #ms = 0;
  #nanos = 0;

  /** Its stream sequence, 0 before the first. */
  get sequence(): number {
    return this.#sequence;
  }

  /** Takes note of an event that was read. False if it has the place of the farthest one and is another. */
  meets(sequence: number, ms: number, nanos: number): boolean {
    if (sequence <= this.#sequence) return sequence < this.#sequence || (ms === this.#ms && nanos === this.#nanos);
    this.#sequence = sequence;
    this.#ms = ms;
    this.#nanos = nanos;
    return true;
  }

  /** The stream went back, and that was dealt with. */
  forget(): void {
    this.#sequence = 0;
  }
}

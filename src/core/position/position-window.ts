/**
 * What one partition has decided, as stream sequences: a floor, and the decided sequences above it.
 *
 * Owns the sequences that were routed to the partition and are not yet below the floor, in arrival order.
 * Does not own the events themselves.
 *
 * Invariants
 * P1. Every event of the partition with sequence ≤ floor is decided.
 * P2. The floor and `high` never go back.
 * P3. An undecided sequence is neither ≤ floor nor inside `above`: recovery reads it again.
 * P4. Sequences of other partitions may lie inside `above`: nobody asks for them here, and letting ranges run
 *     across them keeps the set compact.
 */
import type { Ranges } from './ranges.js';
import { rangesHave } from './ranges.js';

/** A position as values: what a checkpoint stores. */
export interface Position {
  readonly floor: number;
  readonly above: Ranges;
}

/** Whether the event with this stream sequence is decided at `position`. */
export function isDecided(position: Position, sequence: number): boolean {
  return sequence <= position.floor || rangesHave(position.above, sequence);
}

export class PositionWindow {
  /** Highest sequence the router has passed, own or not. */
  #high: number;
  /** Decided ranges of an earlier incarnation that this one has not yet read past. */
  readonly #recovered: Ranges;
  // A ring of the open sequences: slot n lives at n & mask; slots head..tail-1 are open.
  #sequences = new Float64Array(64);
  #decided = new Uint8Array(64);
  #head = 0;
  #tail = 0;

  constructor(start: Position) {
    this.#high = start.floor;
    this.#recovered = start.above;
  }

  /** Highest sequence routed so far; an event at or below it was offered before. */
  get high(): number {
    return this.#high;
  }

  /** How many routed events are above the floor, decided or not. */
  get open(): number {
    return this.#tail - this.#head;
  }

  get floor(): number {
    return this.#head === this.#tail ? this.#high : this.#sequences[this.#head & (this.#sequences.length - 1)]! - 1;
  }

  /** Whether an earlier incarnation decided this sequence. */
  wasDecided(sequence: number): boolean {
    return this.#recovered.length > 0 && rangesHave(this.#recovered, sequence);
  }

  /** Whether the event with this sequence is decided, here or before. Costs one step per open sequence. */
  isDecided(sequence: number): boolean {
    return isDecided(this.snapshot(), sequence);
  }

  /** Takes in the next routed sequence, higher than any before; returns the slot to decide later. */
  append(sequence: number): number {
    if (this.#tail - this.#head === this.#sequences.length) this.#grow();
    const slot = this.#tail++;
    const at = slot & (this.#sequences.length - 1);
    this.#sequences[at] = sequence;
    this.#decided[at] = 0;
    this.#high = sequence;
    return slot;
  }

  /** Marks a slot as decided; the floor follows when nothing before it is open. */
  decide(slot: number): void {
    const mask = this.#sequences.length - 1;
    this.#decided[slot & mask] = 1;
    while (this.#head < this.#tail && this.#decided[this.#head & mask] === 1) this.#head++;
  }

  /** The router has passed `sequence`: everything up to it that belongs here was appended. */
  advance(sequence: number): void {
    if (sequence > this.#high) this.#high = sequence;
  }

  /** The position as a consistent cut. Costs one step per open sequence. */
  snapshot(): Position {
    const mask = this.#sequences.length - 1;
    const above: number[] = [];
    let first = 0;
    let last = 0;
    for (let slot = this.#head; slot < this.#tail; slot++) {
      const at = slot & mask;
      if (this.#decided[at] === 1) {
        last = this.#sequences[at]!;
        if (first === 0) first = last;
      } else if (first !== 0) {
        above.push(first, last);
        first = 0;
      }
    }
    if (first !== 0) above.push(first, last);
    for (let i = 0; i < this.#recovered.length; i += 2) {
      const end = this.#recovered[i + 1]!;
      if (end > this.#high) above.push(Math.max(this.#recovered[i]!, this.#high + 1), end);
    }
    return { floor: this.floor, above };
  }

  #grow(): void {
    const size = this.#sequences.length;
    const sequences = new Float64Array(size * 2);
    const decided = new Uint8Array(size * 2);
    for (let slot = this.#head; slot < this.#tail; slot++) {
      sequences[slot & (size * 2 - 1)] = this.#sequences[slot & (size - 1)]!;
      decided[slot & (size * 2 - 1)] = this.#decided[slot & (size - 1)]!;
    }
    this.#sequences = sequences;
    this.#decided = decided;
  }
}

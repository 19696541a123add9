/**
 * Whether a partition has stopped by itself, and why. What is due when it stops stays undecided, so nothing is lost.
 */
import type { Arrival } from './arrival.js';

/** Why an actor stopped by itself. */
export interface ActorHalt {
  readonly code: 'DEAD_LETTERS_FULL' | 'PARKED_FULL' | 'SEQUENCE_GAP' | 'CORRUPT_CHECKPOINT' | 'STATE_INVALID';
  readonly problem: string;
}

export class Halting {
  #halt: ActorHalt | undefined;
  readonly #left: number[] = [];

  get halt(): ActorHalt | undefined {
    return this.#halt;
  }

  get isHalted(): boolean {
    return this.#halt !== undefined;
  }

  /** What is in memory must not be stored, whatever an operator says. */
  get isDamaged(): boolean {
    return this.#halt?.code === 'CORRUPT_CHECKPOINT' || this.#halt?.code === 'STATE_INVALID';
  }

  /** Stream sequences of the due events that were left undecided, in the order in which they came due. */
  get left(): readonly number[] {
    return this.#left;
  }

  /** The first reason counts. */
  stop(code: ActorHalt['code'], problem: string): void {
    this.#halt ??= { code, problem };
  }

  /** A due event stays undecided. One that is stored as a parked event is still there. */
  leave({ slot, streamSequence }: Pick<Arrival, 'slot' | 'streamSequence'>): void {
    if (slot >= 0) this.#left.push(streamSequence);
  }
}

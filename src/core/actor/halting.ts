/**
 * Whether a partition has stopped by itself, and why. What is due when it stops stays undecided, so nothing is lost.
 */

/** Why an actor stopped by itself. */
export interface ActorHalt {
  readonly code: 'DEAD_LETTERS_FULL' | 'PARKED_FULL' | 'SEQUENCE_GAP' | 'CORRUPT_CHECKPOINT' | 'STATE_INVALID';
  readonly problem: string;
}

export class Halting {
  #halt: ActorHalt | undefined;
  #oldest = Number.POSITIVE_INFINITY;

  get halt(): ActorHalt | undefined {
    return this.#halt;
  }

  get isHalted(): boolean {
    return this.#halt !== undefined;
  }

  /** Oldest time among the due events that were left undecided, epoch ms. */
  get oldestLeft(): number {
    return this.#oldest;
  }

  /** The first reason counts. */
  stop(code: ActorHalt['code'], problem: string): void {
    this.#halt ??= { code, problem };
  }

  /** A due event of this time stays undecided. */
  leave(time: number): void {
    if (time < this.#oldest) this.#oldest = time;
  }
}

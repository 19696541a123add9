/**
 * Why the last events that were not simply applied were not, so that somebody can ask. In memory only, bounded; the
 * dedupe index knows the decision itself for as long as its horizon lasts.
 */

/** One decision that deserves an explanation. */
export interface DecisionNote {
  readonly id: string;
  readonly key: string;
  readonly streamSequence: number;
  readonly decision: 'duplicate' | 'late' | 'dead' | 'parked';
  /** For a person. */
  readonly detail: string;
}

export class DecisionLog {
  readonly #max: number;
  #notes: DecisionNote[] = [];
  #next = 0;

  constructor(max: number) {
    this.#max = max;
  }

  add(note: DecisionNote): void {
    this.#notes[this.#next] = note;
    this.#next = (this.#next + 1) % this.#max;
  }

  /** Notes about an id, oldest first. */
  about(id: string): DecisionNote[] {
    return this.#oldestFirst().filter((note) => note.id === id);
  }

  /** Notes about the events of a key, oldest first. */
  aboutKey(key: string): DecisionNote[] {
    return this.#oldestFirst().filter((note) => note.key === key);
  }

  #oldestFirst(): DecisionNote[] {
    return [...this.#notes.slice(this.#next), ...this.#notes.slice(0, this.#next)];
  }
}

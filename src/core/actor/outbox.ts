/**
 * Outputs of handlers on their way out. They are stored by the commit that contains their event, published after
 * it, and removed by a later one. A crash in between publishes them again under the same ids.
 *
 * Invariants
 * O1. Nothing is handed out for publishing before the commit that stores it is confirmed.
 * O2. The id depends on the event alone: `app.partition.sequence.index`.
 */
import type { FieldChanges, Output } from '../checkpoint/commit.js';

export class Outbox {
  /** Emitted, not yet in a commit. */
  #fresh: [string, string][] = [];
  /** In the commit under way. */
  #saving: readonly (readonly [string, string])[] = [];
  /** Known to be published, still stored. */
  #published: string[] = [];
  #removing: readonly string[] = [];
  #stored = 0;

  get isDirty(): boolean {
    return this.#fresh.length > 0 || this.#published.length > 0;
  }

  /** Outputs that are not known to be removed from the store. */
  get size(): number {
    return this.#fresh.length + this.#saving.length + this.#stored;
  }

  /** Outputs of a recovered checkpoint: stored, and to be published again. */
  restore(stored: number): void {
    this.#stored = stored;
  }

  add(output: Output): void {
    const { id, subject, data, trace } = output;
    this.#fresh.push([id, JSON.stringify({ subject, data, trace })]);
  }

  changes(): FieldChanges {
    this.#saving = this.#fresh;
    this.#removing = this.#published;
    this.#fresh = [];
    this.#published = [];
    return { set: this.#saving, remove: this.#removing };
  }

  /** The commit is confirmed; returns what may now be published, as `[id, JSON of {subject, data, trace?}]`. */
  saved(): readonly (readonly [string, string])[] {
    const due = this.#saving;
    this.#stored += due.length - this.#removing.length;
    this.#saving = [];
    this.#removing = [];
    return due;
  }

  published(ids: readonly string[]): void {
    for (const id of ids) this.#published.push(id);
  }
}

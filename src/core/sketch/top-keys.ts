/**
 * The most frequent of very many keys, in a few counters.
 *
 * Source: the Space-Saving algorithm of Metwally, Agrawal and El Abbadi (2005): a key that has no counter takes over the
 * smallest one and its count, so a count is never too low, and too high by at most the smallest.
 */

export interface TopKey {
  readonly key: string;
  /** Never less than the times it was added since the last `fade`s, weighed by them. */
  readonly count: number;
}

export class TopKeys {
  readonly #max: number;
  #counts = new Map<string, number>();
  #added = 0;

  /** `max`: how many counters. */
  constructor(max: number) {
    this.#max = max;
  }

  /** Everything that was added, weighed as the counts are. */
  get added(): number {
    return this.#added;
  }

  add(key: string): void {
    this.#added++;
    const count = this.#counts.get(key);
    if (count !== undefined) {
      this.#counts.set(key, count + 1);
      return;
    }
    if (this.#counts.size < this.#max) {
      this.#counts.set(key, 1);
      return;
    }
    let [smallest, least] = ['', Number.POSITIVE_INFINITY];
    for (const [one, own] of this.#counts) if (own < least) [smallest, least] = [one, own];
    this.#counts.delete(smallest);
    this.#counts.set(key, least + 1);
  }

  /** Halves what was: what counts is what happens now. */
  fade(): void {
    this.#added /= 2;
    this.#counts = new Map([...this.#counts].map(([key, count]) => [key, count / 2]));
  }

  /** The first `count`, most frequent first. */
  top(count: number): TopKey[] {
    const all = [...this.#counts].map(([key, own]) => ({ key, count: own }));
    return all.sort((a, b) => b.count - a.count).slice(0, count);
  }
}

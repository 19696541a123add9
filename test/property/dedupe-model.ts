/** The dedupe index as a list and a map, for comparison (invariants D1 to D3 of src/core/dedupe/dedupe-index.ts). */

import type { Decision } from '../../src/core/dedupe/dedupe-index.js';
import { murmur128, murmurWords } from '../../src/core/key/hash.js';

export interface ModelEntry {
  readonly id: string;
  readonly key: string;
  readonly time: number;
  readonly sequence: number;
  readonly body: number;
  /** 0 while the event waits. */
  decision: Decision;
}

export class DedupeModel {
  readonly #horizonMs: number;
  readonly #countMax: number;
  /** In arrival order. */
  arrivals: ModelEntry[] = [];
  /** The newest entry of each id and key. */
  readonly #newest = new Map<string, ModelEntry>();
  maxTime = 0;
  evictedEarly = 0;

  constructor(horizonMs: number, countMax: number) {
    this.#horizonMs = horizonMs;
    this.#countMax = countMax;
  }

  isInside(entry: ModelEntry): boolean {
    return entry.decision === 0 || entry.time > this.maxTime - this.#horizonMs;
  }

  find(id: string, key: string): ModelEntry | undefined {
    const entry = this.#newest.get(`${id}\n${key}`);
    return entry !== undefined && this.isInside(entry) ? entry : undefined;
  }

  insert(entry: ModelEntry): void {
    this.maxTime = Math.max(this.maxTime, entry.time);
    while (this.arrivals.length > 0) {
      const oldest = this.arrivals[0]!;
      if (oldest.decision === 0) break; // D3
      if (this.isInside(oldest)) {
        if (this.arrivals.length < this.#countMax) break;
        this.evictedEarly++;
      }
      this.arrivals.shift();
      const name = `${oldest.id}\n${oldest.key}`;
      if (this.#newest.get(name) === oldest) this.#newest.delete(name);
    }
    this.arrivals.push(entry);
    this.#newest.set(`${entry.id}\n${entry.key}`, entry);
  }

  findAll(id: string): ModelEntry[] {
    return [...this.#newest.values()].filter((entry) => entry.id === id && this.isInside(entry));
  }
}

/** The seed of the fingerprint. Stored ids depend on it: a change would make every stored index useless. */
const SEED = 0x6d696c6c;

/** Ids whose home in a table of 8 buckets of 8 is the last one or the first: as many collisions as can be, over its end. */
export function neighbourIds(count: number): string[] {
  const ids: string[] = [];
  for (let n = 0; ids.length < count; n++) {
    murmur128(`n${n}`, SEED);
    if ((((murmurWords[0]! >>> 29) + 1) & 7) < 2) ids.push(`n${n}`);
  }
  return ids;
}

/** Ids that were appended a short while ago, each with what became of it. Never longer than the window. */
import type { Appended } from '../../ports/event-log.js';

interface Known {
  readonly appended: Promise<Appended>;
  readonly until: number;
}

/** A publisher that repeats does so soon; beyond this many the oldest are forgotten early. */
const IDS_MAX = 100_000;

/**
 * In two generations, of which the older is forgotten whole: to take the oldest out of one map, one by one, means to
 * pass over the places of all that went before it.
 */
export class KnownIds {
  readonly #windowMs: number;
  #young = new Map<string, Known>();
  #old = new Map<string, Known>();
  #bornAt = performance.now();

  constructor(windowMs: number) {
    this.#windowMs = windowMs;
  }

  find(stream: string, id: string): Promise<Appended> | undefined {
    const name = nameOf(stream, id);
    const known = this.#young.get(name) ?? this.#old.get(name);
    return known !== undefined && known.until > performance.now() ? known.appended : undefined;
  }

  /** From now on; one that fails is forgotten. */
  remember(stream: string, id: string, appended: Promise<Appended>): void {
    const name = nameOf(stream, id);
    const now = performance.now();
    if (this.#young.size >= IDS_MAX / 2 || now - this.#bornAt > this.#windowMs) {
      this.#old = this.#young;
      this.#young = new Map();
      this.#bornAt = now;
    }
    const known = { appended, until: now + this.#windowMs };
    this.#young.set(name, known);
    appended.catch(() => {
      for (const ids of [this.#young, this.#old]) if (ids.get(name) === known) ids.delete(name);
    });
  }
}

function nameOf(stream: string, id: string): string {
  return `${stream} ${id}`;
}

/** Ids that were appended a short while ago, each with what became of it. Never longer than the window. */
import type { Appended } from '../../ports/event-log.js';

interface Known {
  readonly appended: Promise<Appended>;
  readonly until: number;
}

/** A publisher that repeats does so soon; beyond this many the oldest are forgotten early. */
const IDS_MAX = 100_000;

export class KnownIds {
  readonly #windowMs: number;
  /** Oldest first. */
  readonly #known = new Map<string, Known>();

  constructor(windowMs: number) {
    this.#windowMs = windowMs;
  }

  find(stream: string, id: string): Promise<Appended> | undefined {
    const known = this.#known.get(nameOf(stream, id));
    return known !== undefined && known.until > performance.now() ? known.appended : undefined;
  }

  /** From now on; one that fails is forgotten. */
  remember(stream: string, id: string, appended: Promise<Appended>): void {
    const name = nameOf(stream, id);
    const now = performance.now();
    const known = { appended, until: now + this.#windowMs };
    this.#known.delete(name);
    this.#known.set(name, known);
    appended.catch(() => {
      if (this.#known.get(name) === known) this.#known.delete(name);
    });
    for (const [oldest, { until }] of this.#known) {
      if (until > now && this.#known.size <= IDS_MAX) break;
      this.#known.delete(oldest);
    }
  }
}

function nameOf(stream: string, id: string): string {
  return `${stream} ${id}`;
}

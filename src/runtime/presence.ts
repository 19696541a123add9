/**
 * Which nodes are still there, judged by our own monotonic clock alone: a node whose entry has not changed for a lease
 * while our own went on changing before our eyes is gone.
 *
 * Invariants
 * Q1. No time of another node is read.
 * Q2. Silence counts only while our own beats come back to us: after a cut, a freeze or an outage of the coordinator,
 *     everybody first has a lease to be heard of.
 */
import type { ClusterView, Member } from '../ports/membership.js';

export class Presence {
  readonly #own: string;
  readonly #leaseMs: number;
  readonly #elapsed: () => number;
  /** Monotonic time at which each member's entry was first seen as it is. */
  readonly #seen = new Map<string, { readonly revision: number; readonly at: number }>();
  /** Monotonic time at which an owner was first seen to have no entry. */
  readonly #absent = new Map<string, number>();
  /** Monotonic times of our own newest beat that came back, and since when they have come without a break. */
  #ownAt = Number.NEGATIVE_INFINITY;
  #steadyFrom = Number.NEGATIVE_INFINITY;

  /** `elapsed`: monotonic, ms. */
  constructor(own: string, leaseMs: number, elapsed: () => number) {
    this.#own = own;
    this.#leaseMs = leaseMs;
    this.#elapsed = elapsed;
  }

  /** Takes in the entries as they are now. */
  saw({ members, left, claims }: ClusterView): void {
    const now = this.#elapsed();
    const absent = new Set<string>();
    for (const { node, isReleased } of claims.values())
      if (!isReleased && !members.has(node) && !left.has(node)) absent.add(node);
    for (const name of this.#absent.keys()) if (!absent.has(name)) this.#absent.delete(name);
    for (const name of absent) if (!this.#absent.has(name)) this.#absent.set(name, now);
    for (const { name, revision } of members.values()) {
      if (this.#seen.get(name)?.revision === revision) continue;
      this.#seen.set(name, { revision, at: now });
      if (name !== this.#own) continue;
      if (now - this.#ownAt > this.#leaseMs / 2) this.#steadyFrom = now; // Q2
      this.#ownAt = now;
    }
    for (const name of this.#seen.keys()) if (!members.has(name)) this.#seen.delete(name);
  }

  isGone({ name }: Member): boolean {
    const now = this.#elapsed();
    if (name === this.#own || now - this.#ownAt > this.#leaseMs / 2) return false;
    return now >= this.#endOf(name);
  }

  /** Whether an owner without an entry is gone: its entry was removed, or has been missing for a lease. */
  hasLeft(name: string, left: ReadonlySet<string>): boolean {
    return left.has(name) || this.#elapsed() >= this.#end(this.#absent.get(name));
  }

  /** In how many ms the next node may be gone; undefined if there is no other. */
  nextMs(): number | undefined {
    const ends = [...this.#absent.values()].map((at) => this.#end(at));
    for (const name of this.#seen.keys()) if (name !== this.#own) ends.push(this.#endOf(name));
    return ends.length === 0 ? undefined : Math.max(0, Math.min(...ends) - this.#elapsed());
  }

  #endOf(name: string): number {
    return this.#end(this.#seen.get(name)?.at);
  }

  #end(since: number | undefined): number {
    return since === undefined ? Number.POSITIVE_INFINITY : Math.max(since, this.#steadyFrom) + this.#leaseMs;
  }
}

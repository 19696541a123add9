/** How often each fault and each rare path happened. A path that never happens is not tested. */

export class Coverage {
  readonly counts = new Map<string, number>();

  add(what: string, times = 1): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + times);
  }

  merge(other: Coverage): void {
    for (const [what, times] of other.counts) this.add(what, times);
  }
}

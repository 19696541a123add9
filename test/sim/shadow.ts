/** What the auditor knows to be stored of one partition, from the commits and claims that took effect. */

import type { History } from './history-handler.js';
import type { Entry } from './ledger.js';

/**
 * What became of an event. `gap`: it was gone before anybody could decide it, and the record says so. `dropped`: late or
 * a duplicate, and from here nobody can tell which.
 */
export type Fate = 'applied' | 'duplicate' | 'late' | 'dropped' | 'dead' | 'gap';

export interface Tally {
  applied: number;
  duplicates: number;
  conflicts: number;
  late: number;
  clamped: number;
  dead: number;
  /** Refused or dropped, and late or clamped besides: which counters that moves is nobody's promise. */
  perhapsLate: number;
  perhapsClamped: number;
}

const noTally = (): Tally => ({
  applied: 0,
  duplicates: 0,
  conflicts: 0,
  late: 0,
  clamped: 0,
  dead: 0,
  perhapsLate: 0,
  perhapsClamped: 0,
});

export class Shadow {
  /** There is a record. */
  exists = false;
  owner = '';
  number = 0;
  floor = 0;
  anchorSequence = 0;
  anchorTime = '';
  gaps: readonly number[] = [];
  /** It was made from events that the log has lost since. */
  isTainted = false;
  /** An operator has let it go on after such a loss: what it holds cannot be told from the log any more. */
  isLegacy = false;
  /** So many of the partition's own events, from the first on, are decided. */
  decidedFirst = 0;
  tally = noTally();
  readonly fates: Map<number, Fate>;
  readonly histories: Map<string, History>;
  /** Newest event time applied, by key. */
  readonly newest: Map<string, number>;
  readonly dead: Map<string, string>;
  readonly outbox: Map<string, string>;
  readonly segments: Map<number, Uint8Array>;

  constructor(from?: Shadow) {
    this.fates = new Map(from?.fates);
    this.histories = new Map(from?.histories);
    this.newest = new Map(from?.newest);
    this.dead = new Map(from?.dead);
    this.outbox = new Map(from?.outbox);
    this.segments = new Map(from?.segments);
    if (from === undefined) return;
    this.exists = from.exists;
    this.owner = from.owner;
    this.number = from.number;
    this.floor = from.floor;
    this.anchorSequence = from.anchorSequence;
    this.anchorTime = from.anchorTime;
    this.gaps = from.gaps;
    this.isLegacy = from.isLegacy;
    this.decidedFirst = from.decidedFirst;
    this.tally = { ...from.tally };
  }

  /** Goes on from what the log has kept; what it holds of lost events stays. */
  becomeLegacy(kept: number, own: readonly Entry[]): void {
    this.isLegacy = true;
    for (const sequence of this.fates.keys()) if (sequence > kept) this.fates.delete(sequence);
    this.decidedFirst = 0;
    for (let next = own[0]; next !== undefined && this.fates.has(next.sequence); next = own[this.decidedFirst])
      this.decidedFirst++;
  }
}

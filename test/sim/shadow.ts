/** What the auditor knows to be stored of one partition, from the commits and claims that took effect. */

import type { History } from './history-handler.js';
import type { Entry } from './ledger.js';

/**
 * What became of an event. `gap`: it was gone before anybody could decide it, and the record says so. `dropped`: late or
 * a duplicate, and from here nobody can tell which. `repeated`: its number was there before. `parked`: stored, and
 * still to be decided.
 */
export type Fate = 'applied' | 'duplicate' | 'repeated' | 'late' | 'dropped' | 'dead' | 'gap' | 'parked';

/** Why a key's events wait for an operator, as it is stored. */
export interface StoredQuarantine {
  readonly code: string;
  readonly sequence: number;
}

export interface Tally {
  applied: number;
  duplicates: number;
  conflicts: number;
  late: number;
  clamped: number;
  skipped: number;
  dead: number;
  /** Dead letters that an operator has dealt with. */
  discarded: number;
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
  skipped: 0,
  dead: 0,
  discarded: 0,
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
  /** Dead letters that the record counts. */
  deadStored = 0;
  /** It was made from events that the log has lost since. */
  isTainted = false;
  /** An operator has let it go on after such a loss: what it holds cannot be told from the log any more. */
  isLegacy = false;
  /** So many of the partition's own events, from the first on, are decided. */
  decidedFirst = 0;
  tally = noTally();
  readonly fates: Map<number, Fate>;
  /** Stored behind a loss and decided before that was noticed: read again after it was accepted, they may be duplicates. */
  readonly early: Set<number>;
  readonly histories: Map<string, History>;
  /** Newest event time applied, by key. */
  readonly newest: Map<string, number>;
  readonly dead: Map<string, string>;
  readonly outbox: Map<string, string>;
  /** Stored parked events by stream sequence, and quarantines by key. */
  readonly parked: Map<number, string>;
  readonly quarantines: Map<string, StoredQuarantine>;
  /** Order `sequence`: the number that comes next, by key. */
  readonly next: Map<string, number>;
  readonly segments: Map<number, Uint8Array>;

  constructor(from?: Shadow) {
    this.fates = new Map(from?.fates);
    this.early = new Set(from?.early);
    this.histories = new Map(from?.histories);
    this.newest = new Map(from?.newest);
    this.dead = new Map(from?.dead);
    this.outbox = new Map(from?.outbox);
    this.segments = new Map(from?.segments);
    this.parked = new Map(from?.parked);
    this.quarantines = new Map(from?.quarantines);
    this.next = new Map(from?.next);
    if (from === undefined) return;
    this.exists = from.exists;
    this.owner = from.owner;
    this.number = from.number;
    this.floor = from.floor;
    this.anchorSequence = from.anchorSequence;
    this.anchorTime = from.anchorTime;
    this.gaps = from.gaps;
    this.deadStored = from.deadStored;
    this.isLegacy = from.isLegacy;
    this.decidedFirst = from.decidedFirst;
    this.tally = { ...from.tally };
  }

  /** Whether the record declares this sequence as gone. */
  hasGap(sequence: number): boolean {
    const { gaps } = this;
    for (let i = 0; i < gaps.length; i += 2) if (sequence >= gaps[i]! && sequence <= gaps[i + 1]!) return true;
    return false;
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

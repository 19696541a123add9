/**
 * The commit guard: who may write the record of a partition.
 *
 * A commit is accepted iff the stored owner *and* the stored checkpoint number are exactly what the committing
 * owner last wrote. Either alone is not enough once a store can fall back to an earlier point: an epoch can be
 * handed out twice, a number can be reached twice, a nonce cannot tell its own older records apart.
 *
 * Every store adapter decides as these functions do; the contract suite holds them to it.
 *
 * Invariants
 * G1. Equality only: no ordering of epochs or numbers ever decides.
 * G2. A refused commit is terminal for its owner: it drops its memory, claims again and replays.
 * G3. A resend of the commit that was accepted last answers `already`, never `fenced`: a lost reply is harmless.
 */

/** The identity of one incarnation of a partition: epoch from the coordinator, 128 random bits as hexadecimal. */
export interface Owner {
  /** Ever-growing claim number. */
  readonly epoch: number;
  readonly nonce: string;
}

/** Owner as stored: `epoch:nonce`. */
export function ownerText(owner: Owner): string {
  return `${owner.epoch}:${owner.nonce}`;
}

/** The epoch in an owner's text, for people and their metrics: no ordering of epochs decides anything. */
export function epochOf(owner: string): number {
  return Number(owner.slice(0, owner.indexOf(':')));
}

/** The guarded part of a stored record. */
export interface GuardedRecord {
  /** `epoch:nonce` of the last accepted claim. */
  readonly owner: string;
  /** Checkpoint number: 0 for the first record, one more with every commit. */
  readonly number: number;
}

export type CommitVerdict = 'accept' | 'already' | 'fenced';

/** Judges a commit that wants to write checkpoint `number` for `owner`. */
export function judgeCommit(stored: GuardedRecord | undefined, owner: string, number: number): CommitVerdict {
  if (stored === undefined || stored.owner !== owner) return 'fenced';
  if (stored.number === number) return 'already';
  return stored.number === number - 1 ? 'accept' : 'fenced';
}

/** Judges a claim that was made against the record `seen` (undefined: none was there). */
export function judgeClaim(
  stored: GuardedRecord | undefined,
  seen: GuardedRecord | undefined,
  owner: string,
): CommitVerdict {
  if (stored?.owner === owner) return 'already';
  if (stored === undefined || seen === undefined) return stored === seen ? 'accept' : 'fenced';
  return stored.owner === seen.owner && stored.number === seen.number ? 'accept' : 'fenced';
}

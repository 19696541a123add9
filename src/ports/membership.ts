/**
 * Who is there: the nodes of an application and what they have claimed, as all of them see it. Not needed by a node
 * that is alone, or whose share is fixed.
 *
 * Contract
 * M1. Entries of a view are as they were written, the newest of each that has come. One that is being written again
 *     may be missing for a moment.
 * M2. `beat` changes only this process's own entry. Where another process has put its own in that place, it is
 *     `superseded` and nothing is written; where the entry was removed, it is written again.
 * M3. `evict`, `leave`, `claim` and `release` act on exactly what they name: an entry or a claim that was written since
 *     stays. Epochs of claims grow as `Coordinator` says, and both see the same claims.
 */
import type { ClaimTicket, Holder } from './coordinator.js';

/** What a node says of itself with every beat. */
export interface MemberEntry {
  /** The node gives up what it has; it is to get nothing. */
  readonly isLeaving: boolean;
  /** A thread of the node has made no progress for a lease. */
  readonly isStalled: boolean;
  /** Oldest and newest checkpoint format that it reads. */
  readonly reads: readonly [oldest: number, newest: number];
  /** Base URL of its HTTP API, undefined while it has none. */
  readonly url: string | undefined;
  /** When it joined, epoch ms; for people. */
  readonly since: number;
  /** Reports of its threads so far: what it makes of its time, for people. */
  readonly progress: number;
}

export interface Member extends MemberEntry {
  readonly name: string;
  /** Random for each process: the name alone does not say which one it is. */
  readonly incarnation: string;
  /** Another one with every beat. */
  readonly revision: number;
}

/** The newest claim of a partition. */
export interface Claim extends Holder {
  /** Process that claimed it. */
  readonly incarnation: string;
  readonly isReleased: boolean;
  /** Events of the partition that had been applied when its owner let go of it, where that is known. */
  readonly applied: number | undefined;
  /** When it was claimed, RFC 3339; for people. */
  readonly since: string;
}

/** What a claim among several nodes gets. */
export interface MemberTicket extends ClaimTicket {
  /** The claim that it replaces; undefined if there was none, or it was this process's own and its reply was lost. */
  readonly before: Claim | undefined;
}

export interface ClusterView {
  readonly members: ReadonlyMap<string, Member>;
  /** Names whose entry was removed. One that is in neither has not come yet, or was forgotten long ago. */
  readonly left: ReadonlySet<string>;
  readonly claims: ReadonlyMap<number, Claim>;
}

export interface Membership {
  /** Random for each process; what its entry and its claims carry. */
  readonly incarnation: string;
  /** Writes this node's entry; `take` puts it in the place of another process's of the same name. */
  beat(entry: MemberEntry, take: boolean): Promise<'present' | 'superseded'>;
  /** Removes this process's entry. */
  leave(): Promise<void>;
  /** Removes an entry that has not changed since. */
  evict(member: Member): Promise<void>;
  /**
   * Claims a partition if its newest claim is still `after` (0: it has none), or is this process's own that followed it
   * and whose reply was lost; undefined if it is another one.
   */
  claim(partition: number, after: number): Promise<MemberTicket | undefined>;
  /** Lets go of a claim that is still the newest one of its partition, once; `applied` as in `Claim`. */
  release(partition: number, epoch: number, applied: number | undefined): Promise<void>;
  /** The entry under a name. */
  find(name: string): Promise<Member | undefined>;
  /** Calls back with the whole view, now and after every change, until the returned function is called. */
  watch(changed: (view: ClusterView) => void): () => void;
}

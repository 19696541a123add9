/** The cluster as one node sees it, for people: who is there, and who owns what since when. */
import type { ClusterView, Member } from '../ports/membership.js';

export interface MemberStatus {
  readonly name: string;
  /** `gone`: it has not been heard of for a lease. */
  readonly phase: 'active' | 'leaving' | 'stalled' | 'gone';
  /** Base URL of its HTTP API. */
  readonly url: string | undefined;
  /** When it joined, epoch ms. */
  readonly since: number;
  /** Partitions that it owns. */
  readonly partitions: number;
}

/** Partitions of one owner, without a break, that were claimed as part of the same range. */
export interface OwnedRange {
  readonly first: number;
  readonly last: number;
  /** Null where nobody owns them. */
  readonly node: string | null;
  /** Newest claim of the range, RFC 3339; '' where there is none. */
  readonly since: string;
}

export interface ClusterStatus {
  readonly members: readonly MemberStatus[];
  readonly ranges: readonly OwnedRange[];
  /** Partitions that are to be this node's, and how many of them it has not got yet. */
  readonly share: number;
  readonly missing: number;
}

interface Seen {
  readonly name: string;
  readonly partitions: number;
  readonly view: ClusterView;
  readonly isAlive: (member: Member) => boolean;
  readonly share: number | undefined;
  readonly missing: number | undefined;
}

export function clusterStatus({ partitions, view, isAlive, share = 0, missing = 0 }: Seen): ClusterStatus {
  const owned = new Map<string, number>();
  const ranges: OwnedRange[] = [];
  for (let partition = 0; partition < partitions; partition++) {
    const claim = view.claims.get(partition);
    const member = claim === undefined || claim.isReleased ? undefined : view.members.get(claim.node);
    const node = member !== undefined && member.incarnation === claim?.incarnation ? member.name : null;
    if (node !== null) owned.set(node, (owned.get(node) ?? 0) + 1);
    const since = node === null ? '' : (claim?.since ?? '');
    const before = ranges.at(-1);
    if (before?.node === node)
      ranges[ranges.length - 1] = { ...before, last: partition, since: [before.since, since].sort()[1]! };
    else ranges.push({ first: partition, last: partition, node, since });
  }
  const members = [...view.members.values()].map((member) => ({
    name: member.name,
    phase: phaseOf(member, isAlive(member)),
    url: member.url,
    since: member.since,
    partitions: owned.get(member.name) ?? 0,
  }));
  members.sort((a, b) => (a.name < b.name ? -1 : 1));
  return { members, ranges, share, missing };
}

function phaseOf({ isLeaving, isStalled }: Member, isAlive: boolean): MemberStatus['phase'] {
  if (!isAlive) return 'gone';
  if (isLeaving) return 'leaving';
  return isStalled ? 'stalled' : 'active';
}

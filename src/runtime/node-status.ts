/** What a node says of itself: its phase, and everything that status, metrics and readiness are made from. */
import type { ThreadReport } from '../protocol/messages.js';
import type { ClusterStatus } from './cluster-status.js';
import type { Moves } from './handover.js';
import type { PartitionStatus } from './partition-table.js';
import type { StreamStatus } from './stream-routers.js';

export type NodePhase = 'new' | 'starting' | 'running' | 'draining' | 'stopped' | 'failed';

/** Whether a node in that phase still takes work on. */
export function isAlive(phase: NodePhase): boolean {
  return phase === 'starting' || phase === 'running';
}

export interface NodeStatus {
  readonly name: string;
  readonly phase: NodePhase;
  readonly streams: readonly StreamStatus[];
  /** Events of the streams that were not yet read by this node; undefined while that is not known. */
  readonly unread: number | undefined;
  /** When the newest event that this node has read came into the stream, epoch ms; undefined before the first. */
  readonly streamTime: number | undefined;
  readonly eventsRead: number;
  readonly inFlightBytes: number;
  readonly threadRestarts: number;
  readonly partitions: readonly Readonly<PartitionStatus>[];
  readonly threads: readonly ThreadReport[];
  /** Undefined where the share of this node is fixed, or the others were not seen yet. */
  readonly cluster: ClusterStatus | undefined;
  /** Hand-overs between this node and others so far. */
  readonly moves: Readonly<Moves>;
}

/**
 * What the dashboard is told. Plain types without imports: the page is compiled for browsers, and must not pull the
 * node's modules in.
 */

/** Answer of `GET /v1/live`: everything that changes from second to second. Times are epoch ms, durations ms. */
export interface LiveView {
  readonly now: number;
  readonly app: string;
  /** Whether this page may release, skip and replay. */
  readonly actions: boolean;
  readonly node: LiveNode;
  readonly threads: readonly LiveThread[];
  /** Nodes of the application as this one sees them; empty where it is the only one by its options. */
  readonly members: readonly LiveMember[];
  /** All that are known, those of other nodes with their owner alone. */
  readonly partitions: readonly LivePartition[];
  /** Samples after the time that was asked for. */
  readonly samples: readonly LiveSample[];
  /** Entries after the id that was asked for, oldest first. */
  readonly timeline: readonly LiveEntry[];
}

export interface LiveNode {
  readonly name: string;
  readonly phase: string;
  readonly streams: readonly { readonly stream: string; readonly first: number; readonly last: number }[];
  readonly lagEvents: number | null;
  readonly lagMs: number | null;
  readonly eventsRead: number;
  readonly inFlightBytes: number;
  readonly threadRestarts: number;
}

export interface LiveMember {
  readonly name: string;
  readonly phase: string;
  readonly url: string | null;
  readonly since: number;
  readonly partitions: number;
}

export interface LiveThread {
  readonly slot: number;
  readonly heapBytes: number;
  readonly commits: number;
  /** Mean, null before the first. */
  readonly commitMs: number | null;
  /** 99 % of the handler's calls take less; null before the first. */
  readonly handlerMs: number | null;
  readonly hotKeys: readonly { readonly partition: number; readonly key: string; readonly share: number }[];
  readonly partitions: number;
}

/** A partition; what its thread reports is null until it has reported. */
export interface LivePartition {
  readonly partition: number;
  readonly phase: string;
  readonly owner: string;
  readonly slot: number;
  readonly epoch: number;
  readonly since: number;
  readonly recoveries: number;
  readonly fault: { readonly code: string; readonly message: string; readonly next: string } | null;
  /** Events of the stream after the position: what this partition has not decided or passed. */
  readonly behind: number | null;
  readonly applied: number | null;
  readonly buffered: number | null;
  readonly parked: number | null;
  readonly dead: number | null;
  readonly floor: number | null;
  readonly checkpoint: number | null;
  readonly checkpointAgeMs: number | null;
}

export interface LiveSample {
  readonly at: number;
  readonly read: number;
  readonly applied: number;
  readonly duplicates: number;
  readonly late: number;
  readonly dead: number;
  readonly lagEvents: number | null;
  readonly lagMs: number | null;
  readonly buffered: number;
  readonly appliedMs: number | null;
  readonly durableMs: number | null;
  readonly commitMs: number | null;
}

export interface LiveEntry {
  readonly id: number;
  readonly at: number;
  readonly level: 'info' | 'warn' | 'error';
  readonly event: string;
  readonly text: string;
  readonly fields: Readonly<Record<string, string | number | boolean>>;
}

/** Answer of `GET /v1/keys/{key}`: where a key stands. */
export interface KeyView {
  readonly key: string;
  readonly partition: number;
  /** Node that owns the partition; null if that is not known here. */
  readonly owner: string | null;
  /** Durable state; null if no event of the key was applied, or if `problem` says why it cannot be read. */
  readonly state: unknown;
  readonly applied: number;
  readonly last: { readonly id: string; readonly sequence: number; readonly time: number } | null;
  readonly position: { readonly stream: string; readonly floor: number; readonly checkpoint: number } | null;
  readonly checkpointAgeMs: number | null;
  readonly quarantine: {
    readonly code: string;
    readonly problems: readonly string[];
    readonly sequence: number;
    readonly since: number;
  } | null;
  readonly waiting: readonly {
    readonly id: string;
    readonly sequence: number;
    readonly time: number;
    readonly reason: string;
  }[];
  readonly waitingCount: number;
  /** What was lately not simply applied, newest first. */
  readonly notes: readonly {
    readonly id: string;
    readonly streamSequence: number;
    readonly decision: string;
    readonly detail: string;
  }[];
  /** Why part of this is missing. */
  readonly problems: readonly string[];
}

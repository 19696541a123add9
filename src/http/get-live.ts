/** `GET /v1/live` and `GET /v1/timeline`: what the dashboard shows, and what happened to the node lately. */
import { errorTable } from '../errors.js';
import type { History } from '../observability/history.js';
import { lagMsOf } from '../observability/history.js';
import type { Timeline } from '../observability/timeline.js';
import { handlerBoundsMs, quantileMs } from '../protocol/timing.js';
import type { NodeStatus } from '../runtime/node-status.js';
import type { PartitionStatus } from '../runtime/partition-table.js';
import type { Answer } from './answer.js';
import type { LivePartition, LiveView } from './live-types.js';
import { Query } from './query.js';

export interface LiveDependencies {
  readonly history: Pick<History, 'since'>;
  readonly timeline: Pick<Timeline, 'after'>;
  readonly app: string;
  readonly actions: boolean;
  /** Wall clock, epoch ms. */
  readonly now: () => number;
}

const TIMELINE_MAX = 500;

/** `since` is the time of the last sample that the asker has, `after` the id of its last entry; 0 is everything. */
export function getLive(url: string, status: NodeStatus, deps: LiveDependencies): Answer {
  const query = new Query(url, ['since', 'after']);
  const since = query.whole('since', 0, Number.MAX_SAFE_INTEGER) ?? 0;
  const after = query.whole('after', 0, Number.MAX_SAFE_INTEGER) ?? 0;
  query.check();
  return { status: 200, body: liveView(status, since, after, deps) };
}

/** Newest `limit` entries after the id `after`, oldest first. */
export function getTimeline(url: string, { timeline }: Pick<LiveDependencies, 'timeline'>): Answer {
  const query = new Query(url, ['after', 'limit']);
  const after = query.whole('after', 0, Number.MAX_SAFE_INTEGER) ?? 0;
  const limit = query.whole('limit', 1, TIMELINE_MAX);
  query.check();
  return { status: 200, body: { timeline: timeline.after(after, limit) } };
}

function liveView(status: NodeStatus, since: number, after: number, deps: LiveDependencies): LiveView {
  const { history, timeline, app, actions } = deps;
  const now = deps.now();
  const { name, phase, streams, unread, eventsRead, inFlightBytes, threadRestarts } = status;
  return {
    now,
    app,
    actions,
    node: {
      name,
      phase,
      streams,
      lagEvents: unread ?? null,
      lagMs: lagMsOf(status, now) ?? null,
      eventsRead,
      inFlightBytes,
      threadRestarts,
    },
    members: (status.cluster?.members ?? []).map(({ url, ...member }) => ({ ...member, url: url ?? null })),
    threads: status.threads.map(({ slot, heapBytes, commits, commitMs, handler }) => ({
      handlerMs: handler === undefined ? null : (quantileMs(handler.time.counts, handlerBoundsMs, 0.99) ?? null),
      hotKeys: handler?.hotKeys ?? [],
      slot,
      heapBytes,
      commits,
      commitMs: commits === 0 ? null : commitMs / commits,
      partitions: status.partitions.filter((one) => one.slot === slot).length,
    })),
    partitions: [...status.partitions.map((one) => livePartition(one, status, now)), ...elsewhere(status)].sort(
      (a, b) => a.partition - b.partition,
    ),
    samples: history.since(since),
    timeline: timeline.after(after),
  };
}

/** Partitions that this node does not have, of which it knows the owner alone. */
function elsewhere({ partitions, cluster }: NodeStatus): LivePartition[] {
  const own = new Set(partitions.map(({ partition }) => partition));
  const found: LivePartition[] = [];
  for (const { first, last, node, since } of cluster?.ranges ?? [])
    for (let partition = first; partition <= last; partition++)
      if (!own.has(partition)) found.push(unseen(partition, node, since));
  return found;
}

function unseen(partition: number, node: string | null, since: string): LivePartition {
  const place = {
    partition,
    phase: node === null ? 'unowned' : 'elsewhere',
    owner: node ?? 'nobody',
    slot: 0,
    epoch: 0,
  };
  const nothing = {
    behind: null,
    applied: null,
    buffered: null,
    parked: null,
    dead: null,
    floor: null,
    checkpoint: null,
  };
  return { ...place, ...nothing, since: Date.parse(since) || 0, recoveries: 0, fault: null, checkpointAgeMs: null };
}

function livePartition(
  partition: Readonly<PartitionStatus>,
  { name, streams }: NodeStatus,
  now: number,
): LivePartition {
  const { report, fault } = partition;
  const stream = streams.find(({ partitions: [from, to] }) => partition.partition >= from && partition.partition <= to);
  const { phase, slot, epoch, since, recoveries } = partition;
  return {
    partition: partition.partition,
    phase,
    owner: name,
    slot,
    epoch,
    since,
    recoveries,
    fault: fault === undefined ? null : { code: fault.code, message: fault.message, next: errorTable[fault.code].next },
    behind: report === undefined || stream === undefined ? null : Math.max(0, stream.last - report.high),
    applied: report?.counters.applied ?? null,
    buffered: report?.buffered ?? null,
    parked: report?.parked ?? null,
    dead: report?.deadStored ?? null,
    floor: report?.floor ?? null,
    checkpoint: report?.checkpoint ?? null,
    checkpointAgeMs: report === undefined || report.savedAt === 0 ? null : Math.max(0, now - report.savedAt),
  };
}

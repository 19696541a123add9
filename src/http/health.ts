/** What the probes conclude from a node's status. Nothing here asks NATS or Redis: their outages restart nobody. */
import { lagMsOf } from '../observability/history.js';
import type { NodeStatus } from '../runtime/node-status.js';

/** Empty reasons mean yes. */
export interface Verdict {
  readonly reasons: readonly string[];
}

/** Reasons that one answer lists. */
const REASONS_MAX = 20;

/** How far behind its streams a node may be and still be ready. */
export interface LagBound {
  /** 0 for any lag. */
  readonly lagMaxMs: number;
  /** Wall clock, epoch ms. */
  readonly now: number;
}

/** Whether events are handled here and now: the node runs, each of its partitions does, and it is not far behind. */
export function readiness(status: NodeStatus | undefined, isDraining: boolean, { lagMaxMs, now }: LagBound): Verdict {
  if (isDraining) return { reasons: ['the node is draining'] };
  if (status === undefined) return { reasons: ['the node connects to NATS and Redis'] };
  const reasons = status.phase === 'running' ? [] : [`the node is ${status.phase}`];
  for (const { partition, phase, fault } of status.partitions)
    if (phase !== 'running' && phase !== 'releasing')
      reasons.push(`partition ${partition} is ${phase}${fault === undefined ? '' : ` (${fault.code})`}`);
  const missing = status.cluster?.missing ?? 0;
  if (missing > 0) reasons.push(`${missing} partitions of the node's share are not here yet`);
  const lagMs = lagMsOf(status, now) ?? 0;
  if (lagMaxMs > 0 && lagMs > lagMaxMs) reasons.push(`the node is ${Math.round(lagMs / 1000)} s behind`);
  const more = reasons.length - REASONS_MAX;
  return { reasons: more > 0 ? [...reasons.slice(0, REASONS_MAX), `and ${more} more`] : reasons };
}

/** Whether the start is over, so that the other probes mean something. */
export function startup(status: NodeStatus | undefined): Verdict {
  const isOver = status !== undefined && !['new', 'starting', 'failed'].includes(status.phase);
  return { reasons: isOver ? [] : [`the node is ${status?.phase ?? 'connecting'}`] };
}

/** A thread reports twice a second; one that is silent this long spins or hangs, and holds its partitions. */
const SILENT_MS_MAX = 60_000;

/**
 * Whether the process can go on without a restart. Keeps when each thread's report was last seen to change: between
 * two questions that find the same report, the thread has not reported.
 */
export class Liveness {
  readonly #elapsed: () => number;
  #seen: readonly { readonly report: object; readonly at: number }[] = [];

  /** `elapsed`: monotonic, ms. */
  constructor(elapsed: () => number) {
    this.#elapsed = elapsed;
  }

  check(status: NodeStatus | undefined): Verdict {
    if (status === undefined) return { reasons: [] };
    if (status.phase === 'failed') return { reasons: ['the node has failed and only a restart brings it back'] };
    const now = this.#elapsed();
    this.#seen = status.threads.map((report, i) => {
      const before = this.#seen[i];
      return before?.report === report ? before : { report, at: now };
    });
    // While the node ends, its threads do too.
    if (status.phase !== 'running') return { reasons: [] };
    const silent = this.#seen.flatMap(({ at }, slot) => (now - at > SILENT_MS_MAX ? [slot] : []));
    return { reasons: silent.map((slot) => `thread ${slot} has not reported for more than ${SILENT_MS_MAX / 1000} s`) };
  }
}

/**
 * Partitions that cannot go on: each stands still with its reason. One that an operator can mend keeps its actor.
 *
 * Invariants
 * N3. A halted partition stays halted, with its reason, and holds up no other. Only where every partition of the node
 *     has halted for a reason that none of them can escape, the node is over.
 */
import type { StreamChain } from '../core/position/stream-chain.js';
import { newestOf } from '../core/position/stream-chain.js';
import type { MillraceError } from '../errors.js';
import type { Clock } from '../ports/clock.js';
import type { LogLine } from '../ports/log.js';
import type { HostLink } from '../ports/threads.js';
import { errorOf, faultOf } from '../protocol/fault.js';
import type { Fault } from '../protocol/messages.js';
import { gapFault } from './claiming.js';
import type { PartitionStatus } from './partition-table.js';
import { setPhase } from './partition-table.js';
import type { StreamRouters } from './stream-routers.js';

export interface HaltsDependencies {
  readonly chains: readonly StreamChain[];
  /** An operator has accepted beforehand what is missing. */
  readonly acceptGap: boolean;
  readonly clock: Clock;
  readonly line: LogLine;
  readonly table: ReadonlyMap<number, PartitionStatus>;
  readonly links: ReadonlyMap<number, HostLink>;
  readonly router: StreamRouters;
  /** The partition stands still. */
  readonly halted: (partition: number) => void;
  /** No partition can go on, all for the same reason. */
  readonly failed: (error: MillraceError) => void;
}

export class Halts {
  readonly #deps: HaltsDependencies;

  constructor(deps: HaltsDependencies) {
    this.#deps = deps;
  }

  /** N3. */
  halt(partition: number, fault: Fault): void {
    const { clock, line, table, links, router, halted, failed } = this.#deps;
    const status = table.get(partition);
    if (status === undefined || status.phase === 'halted') return;
    setPhase(status, 'halted', clock.now(), fault);
    router.halt(partition);
    // One that is full keeps its actor for what an operator does about it.
    if (!isRepairable(fault)) links.get(status.slot)?.post({ kind: 'halt', partition, fault });
    line('error', 'partition.halted', { partition, code: fault.code, message: fault.message });
    halted(partition);
    const isLost = ({ phase, fault: other }: PartitionStatus): boolean =>
      phase === 'halted' && other?.code === fault.code;
    if (endsNode(fault) && [...table.values()].every(isLost)) failed(errorOf(fault));
  }

  /** Sequences of a stream are missing, which these partitions have not passed. */
  hole(stream: number, first: number, last: number, partitions: readonly number[]): void {
    const { acceptGap, chains, line, router } = this.#deps;
    const chain = chains[stream]!;
    if (acceptGap) {
      const missing = { stream: newestOf(chain).stream, first, last, partitions: partitions.length };
      line('warn', 'stream.gap.accepted', missing);
      router.acceptHole(stream, first, last);
      return;
    }
    const fault = gapFault(chain, first, last);
    for (const partition of partitions) this.halt(partition, fault);
  }

  /** Whatever runs on a stream, or on any, cannot be read on. */
  unreadable(error: unknown, stream?: number): void {
    const { table, router } = this.#deps;
    for (const { partition, phase } of table.values())
      if (phase === 'running' && (stream === undefined || router.indexOf(partition) === stream))
        this.halt(partition, faultOf(error));
  }
}

/** Faults that no other partition of the node can escape. */
function endsNode(fault: Fault): boolean {
  return fault.code === 'FENCED' || fault.code === 'LAYOUT_MISMATCH' || fault.code === 'STREAM_MISSING';
}

/** Faults that an operator can mend on the running partition. */
function isRepairable({ code }: Fault): boolean {
  return code === 'DEAD_LETTERS_FULL' || code === 'PARKED_FULL' || code === 'SEQUENCE_GAP';
}

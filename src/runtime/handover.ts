/**
 * Partitions on their way between this node and others: gained, handed over with everything stored, or lost.
 *
 *   gain → unclaimed → claiming → running → (lose) releasing → let go → forgotten
 *                                     ↘ (lost) forgotten
 *
 * Invariants
 * D1. A partition is let go only when its host has stored everything decided, or can do nothing for it any more.
 * D2. What was lost writes nothing: its memory is dropped, and what is under way meets the commit guard.
 * D3. A release names the epoch that it ends: the claim of whoever came since stays.
 */
import { messageOf } from '../errors.js';
import type { Clock } from '../ports/clock.js';
import type { Holder } from '../ports/coordinator.js';
import type { LogLine } from '../ports/log.js';
import type { Claim, Membership } from '../ports/membership.js';
import type { HostLink } from '../ports/threads.js';
import type { HostToMain } from '../protocol/messages.js';
import { retrying } from '../retrying.js';
import type { PartitionStatus } from './partition-table.js';
import { setPhase } from './partition-table.js';

/** Counts of partitions, and of the events that changed hands twice. */
export interface Moves {
  /** Taken from an owner that had let go of them with everything stored. */
  handedOver: number;
  /** Events of those that had been applied already and were applied again: 0, or a drain was not clean. */
  replayed: number;
  /** Taken from an owner that was gone. */
  takenOver: number;
  /** Given away with everything stored. */
  released: number;
  /** Claimed by another node while this one still ran them. */
  lost: number;
}

export interface HandoverDependencies {
  readonly membership: Membership | undefined;
  readonly clock: Clock;
  readonly line: LogLine;
  readonly table: Map<number, PartitionStatus>;
  readonly links: ReadonlyMap<number, HostLink>;
  /** A thread that has said nothing lately answers nothing, either. */
  readonly isSilent: (slot: number) => boolean;
  /** Stops routing, with everything that was routed already at the host. */
  readonly stopRouting: (partition: number) => void;
  /** The partition is out of the table. */
  readonly forgotten: (partition: number) => void;
}

export class Handover {
  readonly moves: Moves = { handedOver: 0, replayed: 0, takenOver: 0, released: 0, lost: 0 };
  readonly #deps: HandoverDependencies;
  /** The claim that ours has replaced, of each partition that does not run yet. */
  readonly #before = new Map<number, Claim>();
  /** Their hosts are through with them; only the claim is still to be marked. */
  readonly #lettingGo = new Set<PartitionStatus>();
  #emptied: () => void = () => undefined;
  #isOver = false;

  constructor(deps: HandoverDependencies) {
    this.#deps = deps;
  }

  /** Notes the claim that ours has replaced. */
  gained(partition: number, before: Claim | undefined): void {
    if (before !== undefined) this.#before.set(partition, before);
  }

  /** The partition runs, from a record with so many applied events. */
  runs({ partition, epoch }: PartitionStatus, applied: number): void {
    const before = this.#before.get(partition);
    this.#before.delete(partition);
    if (before === undefined) return;
    const replayed = before.applied === undefined ? undefined : Math.max(0, before.applied - applied);
    if (before.isReleased) this.moves.handedOver++;
    else this.moves.takenOver++;
    this.moves.replayed += replayed ?? 0;
    const { node, isReleased } = before;
    this.#deps.line('info', 'partition.gained', { partition, epoch, from: node, released: isReleased, replayed });
  }

  /**
   * Hands a partition over. One that is just being claimed first runs, and is handed over then, with its count; but with
   * `isOthers` a claim that is still asked for is given up: whoever was taken for gone is back.
   */
  lose(partition: number, isOthers = false): void {
    const { table, links, clock, isSilent, stopRouting } = this.#deps;
    const status = table.get(partition);
    if (status === undefined || status.phase === 'releasing') return;
    const { slot, phase, epoch } = status;
    if ((phase === 'unclaimed' || (phase === 'claiming' && isOthers)) && epoch === 0) {
      this.forget(status);
      return;
    }
    if (phase === 'claiming') return;
    setPhase(status, 'releasing', clock.now(), status.fault);
    stopRouting(partition);
    const link = links.get(slot);
    link?.post({ kind: 'release', partition, epoch });
    // D1. Whoever comes next is not to wait for a host that is gone or spins.
    if (link === undefined || phase === 'unclaimed' || isSilent(slot)) void this.letGo(status, undefined);
  }

  released({ partition, epoch, applied }: Extract<HostToMain, { kind: 'released' }>): void {
    const status = this.#deps.table.get(partition);
    if (status?.phase === 'releasing' && status.epoch === epoch) void this.letGo(status, applied);
  }

  /** D3. `applied`: events that its record says were applied, undefined if it was not saved. */
  async letGo(status: PartitionStatus, applied: number | undefined): Promise<void> {
    const { partition, epoch } = status;
    const { membership, clock, line, table } = this.#deps;
    const isWanted = (): boolean => !this.#isOver && table.get(partition) === status;
    // What was claimed and never ran here is as its last owner left it.
    const stored = applied ?? this.#before.get(partition)?.applied;
    const release = async () => membership?.release(partition, epoch, stored);
    this.#lettingGo.add(status);
    try {
      await retrying(clock, line, 'partition.release', isWanted, release);
    } catch (error) {
      line('warn', 'partition.released', { partition, epoch, error: messageOf(error) });
    } finally {
      this.#lettingGo.delete(status);
    }
    if (!isWanted()) return;
    if (applied !== undefined) this.moves.released++;
    line('info', 'partition.released', { partition, epoch, applied });
    this.forget(status);
  }

  /** D2. */
  lost(partition: number, { node, epoch }: Holder): void {
    const { table, links, line } = this.#deps;
    const status = table.get(partition);
    // Whoever takes what is let go of may be seen before the answer that it is.
    if (status === undefined || this.#lettingGo.has(status)) return;
    const message = `partition ${partition}: node ${node} has claimed it with epoch ${epoch}, ours was ${status.epoch}`;
    line('warn', 'partition.lost', { partition, node, epoch, ours: status.epoch });
    this.moves.lost++;
    links.get(status.slot)?.post({ kind: 'halt', partition, fault: { code: 'FENCED', message, problems: [] } });
    this.forget(status);
  }

  /** The partition is not this node's any more. */
  forget({ partition }: PartitionStatus): void {
    const { table, forgotten } = this.#deps;
    table.delete(partition);
    this.#before.delete(partition);
    forgotten(partition);
    if (table.size === 0) this.#emptied();
  }

  /** Hands everything over; settles when nothing is left. What is just being claimed is lost by the next review. */
  async loseAll(): Promise<void> {
    const { table } = this.#deps;
    const emptied = new Promise<void>((resolve) => {
      this.#emptied = resolve;
    });
    for (const partition of [...table.keys()]) this.lose(partition);
    if (table.size > 0) await emptied;
  }

  /** Nothing is waited for any more. */
  end(): void {
    this.#isOver = true;
  }
}

/**
 * The life of each partition on this node (phases in partition-table.ts): claimed, proven, run; claimed again when its
 * thread died or its commits were refused. How it comes from and goes to other nodes is handover.ts, why it stands still
 * halts.ts, what a claim asks of the world claiming.ts.
 *
 * Invariants
 * N1. No event is routed to a partition before its stream was proven to be the one its checkpoint was made from.
 * N2. A fenced partition is claimed again only if nobody else has claimed it since.
 * N3. What an attempt still waits for counts only as long as the partition has not left this node since: it may be back
 *     under another claim.
 */
import type { StreamChain } from '../core/position/stream-chain.js';
import { MillraceError } from '../errors.js';
import type { Clock } from '../ports/clock.js';
import type { Coordinator } from '../ports/coordinator.js';
import type { EventLog } from '../ports/event-log.js';
import type { LogLine } from '../ports/log.js';
import type { Claim, Membership } from '../ports/membership.js';
import type { HostLink } from '../ports/threads.js';
import { faultOf } from '../protocol/fault.js';
import type { Fault, HostToMain, PartitionReport } from '../protocol/messages.js';
import { pause, retrying } from '../retrying.js';
import { Claiming } from './claiming.js';
import { Halts } from './halts.js';
import { Handover } from './handover.js';
import type { NodePhase } from './node-status.js';
import { isAlive } from './node-status.js';
import type { PartitionStatus } from './partition-table.js';
import { emptiestSlot, newPartition, setPhase } from './partition-table.js';
import type { Rewinds } from './rewinds.js';
import type { StreamRouters } from './stream-routers.js';

export interface PartitionLifecycleOptions {
  readonly chains: readonly StreamChain[];
  readonly threads: number;
  readonly acceptGap: boolean;
  /** Partitions move between nodes: who loses one to another node forgets it instead of halting. */
  readonly isShared: boolean;
}

export interface PartitionLifecycleDependencies {
  readonly log: EventLog;
  readonly coordinator: Coordinator;
  readonly membership?: Membership | undefined;
  readonly clock: Clock;
  readonly line: LogLine;
  readonly router: StreamRouters;
  readonly rewinds: Rewinds;
  readonly links: ReadonlyMap<number, HostLink>;
  /** A thread that has said nothing lately answers nothing, either. */
  readonly isSilent: (slot: number) => boolean;
  /** Of the node. */
  readonly phase: () => NodePhase;
  /** What this node runs has changed without the cluster's doing. */
  readonly changed: () => void;
  /** No partition can go on, all for the same reason. */
  readonly failed: (error: MillraceError) => void;
}

type Message<K extends HostToMain['kind']> = Extract<HostToMain, { kind: K }>;

const RECLAIM_MS = 100;

export class PartitionLifecycle {
  readonly handover: Handover;
  readonly halts: Halts;
  readonly #options: PartitionLifecycleOptions;
  readonly #deps: PartitionLifecycleDependencies;
  readonly #table = new Map<number, PartitionStatus>();
  readonly #claims: Claiming;
  /** Epoch of the newest claim of each partition, ours or not, when it was to become ours. */
  readonly #newest = new Map<number, number>();

  constructor(options: PartitionLifecycleOptions, deps: PartitionLifecycleDependencies) {
    this.#options = options;
    this.#deps = deps;
    const { router, rewinds, membership } = deps;
    this.#claims = new Claiming({
      ...deps,
      acceptGap: options.acceptGap,
      chainOf: (partition) => options.chains[router.indexOf(partition)]!,
      infoOf: (partition) => router.infoOf(partition),
    });
    this.halts = new Halts({
      ...deps,
      ...options,
      table: this.#table,
      halted: (partition) => {
        rewinds.settled(partition);
        deps.changed();
      },
    });
    this.handover = new Handover({
      ...deps,
      membership,
      table: this.#table,
      stopRouting: (partition) => {
        router.release(partition);
        rewinds.settled(partition);
      },
      forgotten: (partition) => {
        router.halt(partition);
        rewinds.settled(partition);
        deps.changed();
      },
    });
  }

  /** The partitions that are this node's, or about to be, or still being let go. */
  get partitions(): ReadonlyMap<number, PartitionStatus> {
    return this.#table;
  }

  /** A partition is to be this node's; it is claimed when its slot has a host. */
  enter(partition: number, slot: number): PartitionStatus {
    const status = newPartition(partition, slot, this.#deps.clock.now());
    this.#table.set(partition, status);
    this.#deps.rewinds.await(partition);
    return status;
  }

  /** A partition that was another node's, or nobody's, is to be this node's; `claim`: the newest one of anybody. */
  gain(partition: number, claim: Claim | undefined): void {
    if (!this.#isAlive() || this.#table.has(partition)) return;
    this.#newest.set(partition, claim?.epoch ?? 0);
    const status = this.enter(partition, emptiestSlot(this.#table.values(), this.#options.threads));
    if (this.#deps.links.has(status.slot)) void this.#claim(status);
  }

  /** The slot has a host. */
  opened(slot: number): void {
    for (const status of this.#table.values())
      if (status.slot === slot && status.phase === 'unclaimed') void this.#claim(status);
  }

  /** The host of the slot is gone with everything it held. */
  threadLost(slot: number, error: Error): void {
    const { clock, rewinds } = this.#deps;
    for (const status of this.#table.values()) {
      if (status.slot !== slot || status.phase === 'halted') continue;
      if (status.phase === 'releasing') {
        void this.handover.letGo(status, undefined);
        continue;
      }
      if (status.phase === 'running') status.recoveries++;
      setPhase(status, 'unclaimed', clock.now(), error instanceof MillraceError ? faultOf(error) : undefined);
      rewinds.await(status.partition);
    }
  }

  async #claim(status: PartitionStatus): Promise<void> {
    const { partition } = status;
    const { clock, links, rewinds } = this.#deps;
    rewinds.await(partition);
    const link = links.get(status.slot);
    if (link === undefined) return; // its thread is being replaced, which then claims what is unclaimed
    setPhase(status, 'claiming', clock.now());
    // Among several nodes only what is still as it was seen: somebody else may have been faster.
    const after = Math.max(status.epoch, this.#newest.get(partition) ?? 0);
    status.epoch = 0; // what an earlier claim is still waiting for must not pass for this one's
    const isWanted = (): boolean => links.get(status.slot) === link && this.#is(status, 'claiming');
    try {
      const ticketed = await this.#claims.ticket(partition, after, isWanted);
      if (ticketed === undefined || !isWanted()) return;
      const { ticket, first } = ticketed;
      if (ticket === undefined) {
        this.handover.forget(status);
        return;
      }
      const { epoch, origin, before } = ticket;
      status.epoch = epoch;
      this.handover.gained(partition, before);
      link.post({ kind: 'claim', partition, epoch, origin, first, acceptGap: this.#options.acceptGap });
    } catch (error) {
      if (isWanted()) this.halts.halt(partition, faultOf(error));
    }
  }

  /** N1. The host has claimed the checkpoint, and says where it was left. */
  async claimed(message: Message<'claimed'>): Promise<void> {
    const { partition } = message;
    const status = this.#table.get(partition);
    if (status?.phase !== 'claiming' || status.epoch !== message.epoch) return;
    const { clock, line, router, rewinds } = this.#deps;
    const { epoch } = status;
    const isWanted = (): boolean => this.#is(status, 'claiming') && status.epoch === epoch;
    try {
      const start = await this.#claims.start(message, isWanted);
      if (start === undefined || !isWanted()) return;
      if (start.gap.length > 0)
        line('warn', 'stream.gap.accepted', { partition, first: start.gap[0], last: start.gap[1] });
      router.run({ partition, slot: status.slot, epoch, ...start });
      setPhase(status, 'running', clock.now());
      this.handover.runs(status, message.applied);
      rewinds.settled(partition);
    } catch (error) {
      if (isWanted()) this.halts.halt(partition, faultOf(error));
    }
  }

  /** The claim came to nothing. Among several nodes, who loses a race for a partition leaves it to whoever has won. */
  refused({ partition, epoch, fault }: Message<'refused'>): void {
    const status = this.#table.get(partition);
    if (status?.epoch !== epoch) return;
    if (fault.code === 'FENCED' && this.#options.isShared) void this.handover.letGo(status, undefined);
    else this.halts.halt(partition, fault);
  }

  /** The host has dropped a running partition. */
  stopped({ partition, epoch, fault }: Message<'stopped'>): void {
    const status = this.#table.get(partition);
    if (status === undefined || status.epoch !== epoch || status.phase === 'halted') return;
    if (status.phase === 'releasing') {
      void this.handover.letGo(status, undefined);
      return;
    }
    if (this.#deps.phase() === 'draining') return;
    this.#deps.router.halt(partition);
    if (fault.code === 'FENCED') void this.#fenced(status, fault);
    else this.halts.halt(partition, fault);
  }

  /** N2. */
  async #fenced(status: PartitionStatus, fault: Fault): Promise<void> {
    const { partition } = status;
    const { coordinator, clock, line, rewinds } = this.#deps;
    line('warn', 'partition.fenced', { partition, message: fault.message });
    setPhase(status, 'unclaimed', clock.now(), fault);
    rewinds.await(partition);
    const isWanted = (): boolean => this.#is(status, 'unclaimed');
    try {
      const holder = await retrying(clock, line, 'partition.holder', isWanted, () => coordinator.holder(partition));
      if (!isWanted()) return;
      if (holder !== undefined && holder.epoch !== status.epoch) {
        if (this.#options.isShared) {
          this.handover.lost(partition, holder);
          return;
        }
        const message = `partition ${partition}: node ${holder.node} has claimed it with epoch ${holder.epoch}, ours was ${status.epoch}`;
        this.halts.halt(partition, { code: 'FENCED', message, problems: [] });
        return;
      }
      status.recoveries++;
      await pause(clock, RECLAIM_MS);
      if (isWanted()) await this.#claim(status);
    } catch (error) {
      if (isWanted()) this.halts.halt(partition, faultOf(error));
    }
  }

  /** An operator has made room in a partition that had stopped because it was full. */
  resume(partition: number): void {
    const status = this.#table.get(partition);
    if (status?.phase !== 'halted' || !this.#isAlive()) return;
    const { clock, line } = this.#deps;
    line('info', 'partition.resumed', { partition });
    setPhase(status, 'unclaimed', clock.now());
    void this.#claim(status);
  }

  /** What the threads say of their partitions. */
  reported(reports: readonly PartitionReport[]): void {
    for (const report of reports) {
      const status = this.#table.get(report.partition);
      if (status !== undefined) status.report = report;
    }
  }

  /** N3. */
  #is(status: PartitionStatus, phase: PartitionStatus['phase']): boolean {
    return this.#isAlive() && this.#table.get(status.partition) === status && status.phase === phase;
  }

  #isAlive(): boolean {
    return isAlive(this.#deps.phase());
  }
}

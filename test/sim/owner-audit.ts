/**
 * Who may claim and who lets go: a node that was fenced by a newer claim leaves the partition to it, a lost record is
 * not replaced by whatever the stream still has, and a host that has drained leaves nothing behind.
 */
import type { Claim } from '../../src/ports/membership.js';
import type { HostToMain, PartitionReport } from '../../src/protocol/messages.js';
import type { Shadow } from './shadow.js';
import type { World } from './world.js';

/** A ticket of the coordinator: whose it is, and when it was given. */
interface Ticket {
  readonly process: string;
  readonly at: number;
}

export class OwnerAudit {
  readonly #world: World;
  readonly #tickets = new Map<number, Ticket>();
  /** When a process learned that it was fenced, by process and partition. */
  readonly #fenced = new Map<string, number>();
  /** First stored sequence of the stream when a partition's first record was written. */
  readonly #origins = new Map<number, number>();
  /** Process of each nonce. */
  readonly #claimers = new Map<string, string>();
  readonly #reports = new Map<string, readonly PartitionReport[]>();
  /** When each process was last heard of by the coordinator, virtual ms. */
  readonly #beats = new Map<string, number>();
  /** When it was heard of again after a lease of silence. */
  readonly #backAt = new Map<string, number>();
  #at = 0;

  constructor(world: World) {
    this.#world = world;
  }

  /** A host begins to claim under this nonce. */
  nonce(process: string, nonce: string): void {
    this.#claimers.set(nonce, process);
  }

  established(partition: number, origin: number): void {
    this.#origins.set(partition, origin);
  }

  /** N2: the coordinator has given a ticket. */
  ticket(process: string, partition: number): void {
    const name = `${process}/${partition}`;
    const last = this.#tickets.get(partition);
    const fenced = this.#fenced.get(name);
    if (fenced !== undefined && last !== undefined && last.process !== process && last.at < fenced)
      this.#world.violate(
        'I6',
        `partition ${partition}: ${process} was fenced by ${last.process}, and claims it again`,
      );
    this.#fenced.delete(name);
    this.#tickets.set(partition, { process, at: ++this.#at });
  }

  /** A node's sign of life has reached the coordinator. */
  beat(incarnation: string): void {
    const { time, plan } = this.#world;
    if (time.now - (this.#beats.get(incarnation) ?? time.now) >= plan.leaseMs) this.#backAt.set(incarnation, time.now);
    this.#beats.set(incarnation, time.now);
  }

  left(incarnation: string): void {
    this.#beats.delete(incarnation);
  }

  /** W1: a partition that nobody has let go of is taken only from a node that has been silent for a lease. */
  tookOver(process: string, partition: number, before: Claim | undefined): void {
    if (before === undefined || before.isReleased || before.incarnation === process) return;
    const { time, plan, nodes } = this.#world;
    const owner = nodes.find((node) => node.process.name === before.incarnation)?.process;
    const silentMs = time.now - (this.#beats.get(before.incarnation) ?? Number.NEGATIVE_INFINITY);
    this.#world.coverage.add('taken over');
    // Who took it for gone may still be on the way when it is back.
    const backMs = time.now - (this.#backAt.get(before.incarnation) ?? Number.NEGATIVE_INFINITY);
    if (owner?.isAlive !== true || silentMs >= plan.leaseMs || backMs < plan.leaseMs) return;
    const problem = `${process} took it from ${before.incarnation}, which was heard ${silentMs.toFixed(1)} ms before`;
    this.#world.violate('W1', `partition ${partition}: ${problem}`);
  }

  /** The main thread hears this from a host. */
  heard(process: string, message: HostToMain): void {
    if (message.kind === 'stopped' && message.fault.code === 'FENCED')
      this.#fenced.set(`${process}/${message.partition}`, ++this.#at);
    // A new thread claims what its slot had, whatever the old one was told.
    if (message.kind === 'started')
      for (const name of this.#fenced.keys()) if (name.startsWith(`${process}/`)) this.#fenced.delete(name);
  }

  /** A host says this: the last report before `drained` is of what was let go. */
  told(process: string, who: string, message: HostToMain): void {
    if (message.kind === 'report') this.#reports.set(who, message.partitions);
    if (message.kind === 'released' && message.applied !== undefined) this.#released(process, message);
    if (message.kind !== 'drained') return;
    for (const report of this.#reports.get(who) ?? []) this.#drained(process, report);
  }

  /** L1: a first record was written over nothing. */
  first(partition: number, { floor }: Shadow): void {
    const origin = this.#origins.get(partition);
    if (origin !== undefined && floor + 1 > origin && !this.#world.acceptsGaps)
      this.#world.violate('I11', `partition ${partition}: its record was lost, and it starts from what is left`);
  }

  /** F25, D1: a clean hand-over leaves nothing to be applied again. */
  #released(process: string, { partition, applied }: Extract<HostToMain, { kind: 'released' }>): void {
    const shadow = this.#world.auditor!.shadow(partition);
    const nonce = shadow.owner.slice(shadow.owner.indexOf(':') + 1);
    if (!shadow.exists || this.#claimers.get(nonce) !== process || shadow.isTainted || shadow.isLegacy) return;
    if (applied !== undefined && applied !== shadow.tally.applied && !this.#world.hasLostWrites)
      this.#world.violate('F25', `partition ${partition} was let go at ${applied}, stored are ${shadow.tally.applied}`);
  }

  /** F25: what was decided is what is stored, so that nothing is replayed. */
  #drained(process: string, { partition, checkpoint, floor, counters }: PartitionReport): void {
    const shadow = this.#world.auditor!.shadow(partition);
    const nonce = shadow.owner.slice(shadow.owner.indexOf(':') + 1);
    const isOurs = shadow.exists && this.#claimers.get(nonce) === process && shadow.number === checkpoint;
    if (!isOurs || shadow.isTainted || shadow.isLegacy) return;
    if (floor === shadow.floor && counters.applied === shadow.tally.applied) return;
    const lost = `floor ${floor} with ${counters.applied} applied, stored are ${shadow.floor} and ${shadow.tally.applied}`;
    this.#world.violate('F25', `partition ${partition} was drained at ${lost}`);
  }
}

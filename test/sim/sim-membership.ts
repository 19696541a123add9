/** One node's connection to the coordinator where several nodes share the partitions. */
import type { ClusterView, Member, MemberEntry, Membership, MemberTicket } from '../../src/ports/membership.js';
import type { VirtualTime } from '../../src/testing/virtual-time.js';
import type { Connection, Network } from './network.js';
import type { OwnerAudit } from './owner-audit.js';
import type { SimProcess } from './process.js';

export interface MembershipTerms {
  readonly time: VirtualTime;
  readonly network: Network;
  readonly process: SimProcess;
  readonly connection: Connection;
  /** Longest ordinary delay of a view, ms. */
  readonly delayMs: number;
  readonly audit: OwnerAudit | undefined;
}

export class SimMembership implements Membership {
  readonly #membership: Membership;
  readonly #terms: MembershipTerms;
  /** Views come in the order in which they were made. */
  #at = 0;

  constructor(membership: Membership, terms: MembershipTerms) {
    this.#membership = membership;
    this.#terms = terms;
  }

  get incarnation(): string {
    return this.#membership.incarnation;
  }

  beat(entry: MemberEntry, take: boolean): Promise<'present' | 'superseded'> {
    return this.#terms.connection.ask('beat', take ? 1 : 0, entry.isLeaving ? 1 : 0, () => {
      this.#terms.audit?.beat(this.incarnation);
      return this.#membership.beat(entry, take);
    });
  }

  leave(): Promise<void> {
    return this.#terms.connection.ask('leave', 0, 0, () => {
      this.#terms.audit?.left(this.incarnation);
      return this.#membership.leave();
    });
  }

  evict(member: Member): Promise<void> {
    return this.#terms.connection.ask('evict', member.revision, 0, () => this.#membership.evict(member));
  }

  claim(partition: number, after: number): Promise<MemberTicket | undefined> {
    return this.#terms.connection.ask('ticket', partition, after, async () => {
      const ticket = await this.#membership.claim(partition, after);
      if (ticket !== undefined) this.#terms.audit?.tookOver(this.incarnation, partition, ticket.before);
      return ticket;
    });
  }

  release(partition: number, epoch: number, applied: number | undefined): Promise<void> {
    return this.#terms.connection.ask('release', partition, epoch, () =>
      this.#membership.release(partition, epoch, applied),
    );
  }

  find(name: string): Promise<Member | undefined> {
    return this.#terms.connection.ask('find', 0, 0, () => this.#membership.find(name));
  }

  watch(changed: (view: ClusterView) => void): () => void {
    const { time, network, process, delayMs } = this.#terms;
    let isOver = false;
    let newest: ClusterView | undefined;
    const deliver = (): void => {
      const reachableAt = network.reachableAt(process, 'coordinator');
      if (reachableAt > time.now) {
        time.at(reachableAt, process, deliver);
        return;
      }
      const view = newest;
      newest = undefined;
      if (!isOver && view !== undefined) changed(view);
    };
    const stop = this.#membership.watch((view) => {
      // What has not come yet is overtaken by what is newer.
      const isUnderWay = newest !== undefined;
      newest = view;
      if (isUnderWay) return;
      this.#at = Math.max(this.#at, time.now + network.delay(delayMs));
      time.at(this.#at, process, deliver);
    });
    return () => {
      isOver = true;
      stop();
    };
  }
}

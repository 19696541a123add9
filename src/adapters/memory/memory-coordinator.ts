/** The reference model of claims and of membership, for any number of nodes. Nothing of it survives the process. */
import type { ClaimTicket, Coordinator, Holder } from '../../ports/coordinator.js';
import type { Claim, ClusterView, Member, MemberEntry, Membership, MemberTicket } from '../../ports/membership.js';

type StoredClaim = Claim & Pick<ClaimTicket, 'origin'>;

/** What all nodes of an application see. */
interface Board {
  readonly claims: Map<number, StoredClaim>;
  readonly members: Map<string, Member>;
  readonly left: Set<string>;
  readonly watchers: Set<() => void>;
  revision: number;
}

export interface MemoryCoordinatorOptions {
  readonly node: string;
  /** Random for each process; '' where it does not matter which process of that name claims. */
  readonly incarnation?: string | undefined;
}

/** Outlives the nodes of a test; `as` gives the same claims and members to another node. */
export class MemoryCoordinator implements Coordinator, Membership {
  readonly #node: string;
  readonly incarnation: string;
  readonly #board: Board;

  constructor(
    { node, incarnation = '' }: MemoryCoordinatorOptions,
    board: Board = { claims: new Map(), members: new Map(), left: new Set(), watchers: new Set(), revision: 0 },
  ) {
    this.#node = node;
    this.incarnation = incarnation;
    this.#board = board;
  }

  /** The same claims and members, seen by another node. */
  as(node: string, incarnation?: string): MemoryCoordinator {
    return new MemoryCoordinator({ node, incarnation }, this.#board);
  }

  claim(partition: number): Promise<MemberTicket>;
  claim(partition: number, after: number): Promise<MemberTicket | undefined>;
  async claim(partition: number, after?: number): Promise<MemberTicket | undefined> {
    const stored = this.#board.claims.get(partition);
    const { epoch = 0, origin } = stored ?? {};
    if (after !== undefined && stored !== undefined && epoch !== after) {
      const isOwn = epoch === after + 1 && stored.incarnation === this.incarnation && !stored.isReleased;
      return isOwn ? { epoch, origin, before: undefined } : undefined;
    }
    const ticket = { epoch: epoch + 1, origin };
    this.#setClaim(partition, { ...this.#unclaimed(), ...ticket });
    return { ...ticket, before: stored };
  }

  async holder(partition: number): Promise<Holder | undefined> {
    const claimed = this.#board.claims.get(partition);
    return claimed === undefined ? undefined : { epoch: claimed.epoch, node: claimed.node };
  }

  async establish(partition: number, origin: number): Promise<void> {
    const stored = this.#board.claims.get(partition) ?? { ...this.#unclaimed(), epoch: 0 };
    this.#setClaim(partition, { ...stored, origin });
  }

  async close(): Promise<void> {}

  async beat(entry: MemberEntry, take: boolean): Promise<'present' | 'superseded'> {
    const stored = this.#board.members.get(this.#node);
    if (stored !== undefined && stored.incarnation !== this.incarnation && !take) return 'superseded';
    this.#board.members.set(this.#node, {
      ...entry,
      incarnation: this.incarnation,
      name: this.#node,
      revision: ++this.#board.revision,
    });
    this.#board.left.delete(this.#node);
    this.#changed();
    return 'present';
  }

  async leave(): Promise<void> {
    const stored = this.#board.members.get(this.#node);
    if (stored?.incarnation === this.incarnation) await this.evict(stored);
  }

  async evict({ name, revision }: Member): Promise<void> {
    if (this.#board.members.get(name)?.revision !== revision) return;
    this.#board.members.delete(name);
    this.#board.left.add(name);
    this.#changed();
  }

  async release(partition: number, epoch: number, applied: number | undefined): Promise<void> {
    const claim = this.#board.claims.get(partition);
    if (claim?.epoch === epoch && !claim.isReleased) this.#setClaim(partition, { ...claim, isReleased: true, applied });
  }

  async find(name: string): Promise<Member | undefined> {
    return this.#board.members.get(name);
  }

  watch(changed: (view: ClusterView) => void): () => void {
    const { members, left, claims, watchers } = this.#board;
    // A turn later, as anything from a network, and of one moment.
    const show = (): void =>
      queueMicrotask(() => {
        if (watchers.has(show)) changed({ members: new Map(members), left: new Set(left), claims: new Map(claims) });
      });
    watchers.add(show);
    show();
    return () => watchers.delete(show);
  }

  #unclaimed(): Omit<StoredClaim, 'epoch' | 'origin'> {
    return { node: this.#node, incarnation: this.incarnation, since: '', isReleased: false, applied: undefined };
  }

  #setClaim(partition: number, claim: StoredClaim): void {
    this.#board.claims.set(partition, claim);
    this.#changed();
  }

  #changed(): void {
    for (const show of this.#board.watchers) show();
  }
}

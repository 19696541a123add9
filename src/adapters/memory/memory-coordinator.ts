/** The reference model of a coordinator: one node, every partition its own. Nothing of it survives the process. */
import type { ClaimTicket, Coordinator, Holder } from '../../ports/coordinator.js';

type Claims = Map<number, ClaimTicket & Holder>;

export interface MemoryCoordinatorOptions {
  readonly node: string;
  readonly partitions: number;
}

/** A `Coordinator` in memory. Outlives the nodes of a test; `as` gives the same claims to one of another name. */
export class MemoryCoordinator implements Coordinator {
  readonly #node: string;
  readonly #partitions: number;
  readonly #claims: Claims;

  constructor({ node, partitions }: MemoryCoordinatorOptions, claims: Claims = new Map()) {
    this.#node = node;
    this.#partitions = partitions;
    this.#claims = claims;
  }

  /** The same claims, seen by another node. */
  as(node: string): MemoryCoordinator {
    return new MemoryCoordinator({ node, partitions: this.#partitions }, this.#claims);
  }

  async assignment(): Promise<readonly number[]> {
    return Array.from({ length: this.#partitions }, (_, partition) => partition);
  }

  async claim(partition: number): Promise<ClaimTicket> {
    const { epoch = 0, origin } = this.#claims.get(partition) ?? {};
    const claimed = { epoch: epoch + 1, origin };
    this.#claims.set(partition, { ...claimed, node: this.#node });
    return claimed;
  }

  async holder(partition: number): Promise<Holder | undefined> {
    const claimed = this.#claims.get(partition);
    return claimed === undefined ? undefined : { epoch: claimed.epoch, node: claimed.node };
  }

  async establish(partition: number, origin: number): Promise<void> {
    const { epoch = 0, node = this.#node } = this.#claims.get(partition) ?? {};
    this.#claims.set(partition, { epoch, node, origin });
  }

  async close(): Promise<void> {}
}

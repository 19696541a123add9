/** One node's connection to the coordinator. */
import type { ClaimTicket, Coordinator, Holder } from '../../src/ports/coordinator.js';
import type { Connection } from './network.js';

export class SimCoordinator implements Coordinator {
  readonly #coordinator: Coordinator;
  readonly #connection: Connection;

  constructor(coordinator: Coordinator, connection: Connection) {
    this.#coordinator = coordinator;
    this.#connection = connection;
  }

  claim(partition: number): Promise<ClaimTicket> {
    return this.#connection.ask('ticket', partition, 0, () => this.#coordinator.claim(partition));
  }

  holder(partition: number): Promise<Holder | undefined> {
    return this.#connection.ask('holder', partition, 0, () => this.#coordinator.holder(partition));
  }

  establish(partition: number, origin: number): Promise<void> {
    return this.#connection.ask('establish', partition, origin, () => this.#coordinator.establish(partition, origin));
  }

  async close(): Promise<void> {}
}

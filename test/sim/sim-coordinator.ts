/** One node's connection to the coordinator. */
import type { ClaimTicket, Coordinator, Holder } from '../../src/ports/coordinator.js';
import type { Connection } from './network.js';
import type { OwnerAudit } from './owner-audit.js';

export class SimCoordinator implements Coordinator {
  readonly #coordinator: Coordinator;
  readonly #connection: Connection;

  readonly #process: string;
  readonly #audit: OwnerAudit | undefined;

  constructor(coordinator: Coordinator, connection: Connection, process: string, audit: OwnerAudit | undefined) {
    this.#coordinator = coordinator;
    this.#connection = connection;
    this.#process = process;
    this.#audit = audit;
  }

  claim(partition: number): Promise<ClaimTicket> {
    return this.#connection.ask('ticket', partition, 0, () => {
      this.#audit?.ticket(this.#process, partition);
      return this.#coordinator.claim(partition);
    });
  }

  holder(partition: number): Promise<Holder | undefined> {
    return this.#connection.ask('holder', partition, 0, () => this.#coordinator.holder(partition));
  }

  establish(partition: number, origin: number): Promise<void> {
    return this.#connection.ask('establish', partition, origin, () => {
      this.#audit?.established(partition, origin);
      return this.#coordinator.establish(partition, origin);
    });
  }

  async close(): Promise<void> {}
}

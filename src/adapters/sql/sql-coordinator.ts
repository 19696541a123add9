/** The coordinator in the table `ownership`. Every change is one statement, so claims at the same time get two epochs. */
import type { ClaimTicket, Coordinator, Holder } from '../../ports/coordinator.js';
import type { SqlDatabase, SqlRow } from './sql-database.js';

const CLAIM = `INSERT INTO ownership (app, partition, epoch, node, origin, since) VALUES (?, ?, 1, ?, NULL, ?)
  ON CONFLICT (app, partition) DO UPDATE SET epoch = ownership.epoch + 1, node = excluded.node, since = excluded.since
  RETURNING epoch, origin`;
const ESTABLISH = `INSERT INTO ownership (app, partition, epoch, node, origin, since) VALUES (?, ?, 0, ?, ?, ?)
  ON CONFLICT (app, partition) DO UPDATE SET origin = excluded.origin`;
const HOLDER = 'SELECT epoch, node FROM ownership WHERE app = ? AND partition = ?';

export interface SqlCoordinatorOptions {
  /** Stays open when the coordinator is closed. */
  readonly database: SqlDatabase;
  readonly app: string;
  /** Name of this node, for people. */
  readonly node: string;
  /** Wall clock, epoch ms; for people, decides nothing. */
  readonly now?: (() => number) | undefined;
}

export class SqlCoordinator implements Coordinator {
  readonly #options: SqlCoordinatorOptions;

  constructor(options: SqlCoordinatorOptions) {
    this.#options = options;
  }

  async claim(partition: number): Promise<ClaimTicket> {
    const { app, node } = this.#options;
    const [row] = await this.#ask('claiming', CLAIM, [app, partition, node, this.#since()]);
    const [epoch, origin] = row!;
    return { epoch: epoch as number, origin: (origin as number | null) ?? undefined };
  }

  async holder(partition: number): Promise<Holder | undefined> {
    const [row] = await this.#ask('asking for the owner of', HOLDER, [this.#options.app, partition]);
    return row === undefined ? undefined : { epoch: row[0] as number, node: row[1] as string };
  }

  async establish(partition: number, origin: number): Promise<void> {
    const { app, node } = this.#options;
    await this.#ask('noting the origin of', ESTABLISH, [app, partition, node, origin, this.#since()]);
  }

  async close(): Promise<void> {}

  #ask(what: string, text: string, values: SqlRow): Promise<readonly SqlRow[]> {
    return this.#options.database.each(`${what} partition ${values[1]}`, (session) => session.query(text, values));
  }

  #since(): string {
    return new Date((this.#options.now ?? Date.now)()).toISOString();
  }
}

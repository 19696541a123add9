/**
 * Whose turn it is to run the node of an application on a shared database: one works, the others wait.
 *
 * The lease is about liveness only. A node that has lost it without noticing is stopped by the guard in `oplog`, as
 * soon as the next one has claimed; no clock decides about data.
 */
import { MillraceError } from '../../errors.js';
import type { Clock } from '../../ports/clock.js';
import type { LogLine } from '../../ports/log.js';
import type { SqlDatabase } from './sql-database.js';

/** The server's clock, ms: those of the nodes need not agree. */
const NOW = '(EXTRACT(EPOCH FROM clock_timestamp()) * 1000)::BIGINT';
const TAKE = `INSERT INTO leases (app, node, nonce, until_ms) VALUES (?, ?, ?, ${NOW} + ?)
  ON CONFLICT (app) DO UPDATE SET node = excluded.node, nonce = excluded.nonce, until_ms = excluded.until_ms
  WHERE leases.nonce = excluded.nonce OR leases.until_ms < ${NOW}`;
const HOLDER = 'SELECT node FROM leases WHERE app = ?';
const RELEASE = 'DELETE FROM leases WHERE app = ? AND nonce = ?';

export interface NodeLeaseOptions {
  readonly database: SqlDatabase;
  readonly app: string;
  readonly node: string;
  /** Random, so that two nodes of one name are two. */
  readonly nonce: string;
  readonly clock: Clock;
  readonly log: LogLine;
  /** How long a holder that says nothing keeps its turn, ms; 10 s by default. */
  readonly leaseMs?: number | undefined;
}

const LEASE_MS = 10_000;

export class NodeLease {
  readonly #options: NodeLeaseOptions;
  readonly #leaseMs: number;
  #cancel: () => void = () => {};
  #isOver = false;

  constructor(options: NodeLeaseOptions) {
    this.#options = options;
    this.#leaseMs = options.leaseMs ?? LEASE_MS;
  }

  /** Waits for the turn of this node and keeps it from then on. @throws MillraceError `SQL_IN_USE` when `signal` aborts. */
  async take(signal?: AbortSignal): Promise<void> {
    const { log, clock } = this.#options;
    for (let waits = 0; !(await this.#take()); waits++) {
      const holder = await this.#holder();
      if (signal?.aborted === true)
        throw new MillraceError('SQL_IN_USE', `node ${holder} runs; this one was stopped while it waited`);
      if (waits === 0) log('info', 'node.standby', { holder });
      await new Promise<void>((resolve) => {
        clock.after(this.#leaseMs / 10, resolve);
      });
    }
    this.#renewLater();
  }

  /** Lets the next node have its turn at once. */
  async release(): Promise<void> {
    this.#isOver = true;
    this.#cancel();
    const { database, app, nonce } = this.#options;
    // Where the database is away, the lease ends by itself.
    await database.each('releasing the lease', (session) => session.change(RELEASE, [app, nonce])).catch(() => 0);
  }

  async #take(): Promise<boolean> {
    const { database, app, node, nonce } = this.#options;
    const values = [app, node, nonce, this.#leaseMs];
    return (await database.each('taking the lease', (session) => session.change(TAKE, values))) === 1;
  }

  async #holder(): Promise<string> {
    const { database, app } = this.#options;
    const rows = await database.each('reading the lease', (session) => session.query(HOLDER, [app]));
    return (rows[0]?.[0] as string | undefined) ?? 'another';
  }

  #renewLater(): void {
    const { clock, log } = this.#options;
    this.#cancel = clock.after(this.#leaseMs / 4, () => {
      this.#take()
        .then((isOurs) => {
          if (!isOurs) log('warn', 'node.lease.lost', {});
          else if (!this.#isOver) this.#renewLater();
        })
        .catch(() => {
          if (!this.#isOver) this.#renewLater(); // the database is away; the commits say so
        });
    });
  }
}

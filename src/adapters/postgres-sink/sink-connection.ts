/**
 * The sink's connection to Postgres: one, made when it is needed, thrown away after any failure.
 *
 * Every wait has an end. The server ends a transaction whose client has fallen silent, so that a frozen node does not
 * keep the rows of its partitions locked; the client drops a server that does not answer.
 */
import type { Client, QueryResultRow } from 'pg';
import { MillraceError, messageOf } from '../../errors.js';
import type { LogLine } from '../../ports/log.js';
import { CREATE_TABLES, TABLES_EXIST } from './sink-sql.js';

/** Runs one statement and answers its rows. */
export type Query = <R extends QueryResultRow>(text: string, values: readonly unknown[]) => Promise<R[]>;

export interface SinkConnectionOptions {
  /** `postgres://user:password@host:port/database`, with the parameters that libpq knows. */
  readonly url: string;
  /** Shown in pg_stat_activity. */
  readonly name: string;
  readonly log: LogLine;
  /** How long one statement may take, ms. */
  readonly statementMs?: number | undefined;
}

const CONNECT_MS = 5_000;
const STATEMENT_MS = 10_000;
const CREATE_ATTEMPTS = 3;

export class SinkConnection {
  readonly #options: SinkConnectionOptions;
  #client: Client | undefined;
  #isClosed = false;

  constructor(options: SinkConnectionOptions) {
    this.#options = options;
  }

  /** Throws `SINK_UNAVAILABLE`; what it then did is unknown if it was to write. */
  async query<R extends QueryResultRow>(text: string, values: readonly unknown[]): Promise<R[]> {
    return this.#use((query) => query<R>(text, values));
  }

  /** All of it or nothing; after `SINK_UNAVAILABLE` the outcome is unknown. */
  async transaction<T>(act: (query: Query) => Promise<T>): Promise<T> {
    return this.#use(async (query) => {
      await query('BEGIN', []);
      const result = await act(query);
      await query('COMMIT', []);
      return result;
    });
  }

  close(): void {
    this.#isClosed = true;
    this.#drop();
  }

  async #use<T>(act: (query: Query) => Promise<T>): Promise<T> {
    try {
      this.#client ??= await this.#connect();
      const client = this.#client;
      return await act(async (text, values) => (await client.query(text, [...values])).rows);
    } catch (error) {
      this.#drop();
      if (error instanceof MillraceError) throw error;
      throw new MillraceError('SINK_UNAVAILABLE', messageOf(error), { cause: error });
    }
  }

  async #connect(): Promise<Client> {
    const { url, name, log, statementMs = STATEMENT_MS } = this.#options;
    // Loaded here: most applications have no sink, and every start of their threads would wait for it.
    const { Client } = await import('pg');
    const client = new Client({
      connectionString: url,
      application_name: name,
      connectionTimeoutMillis: CONNECT_MS,
      keepAlive: true,
      statement_timeout: statementMs,
      lock_timeout: statementMs,
      idle_in_transaction_session_timeout: statementMs,
      // Longer than the server's own, which says more about the reason.
      query_timeout: statementMs + 1_000,
    });
    client.on('error', () => {
      if (this.#client === client) this.#drop();
    });
    try {
      await client.connect();
      await ensureTables(client);
    } catch (error) {
      destroy(client);
      throw error;
    }
    if (this.#isClosed) {
      destroy(client);
      throw new MillraceError('SINK_UNAVAILABLE', 'the sink is closed');
    }
    log('info', 'sink.connected', {});
    return client;
  }

  #drop(): void {
    const client = this.#client;
    this.#client = undefined;
    if (client !== undefined) destroy(client);
  }
}

/** At once: the polite way waits for an answer that a frozen server does not give. */
function destroy(client: Client): void {
  client.connection.stream.destroy();
}

/** Where the tables exist, no right to create any is needed. */
async function ensureTables(client: Client): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    const { rows } = await client.query<{ exist: boolean }>(TABLES_EXIST);
    if (rows[0]?.exist === true) return;
    try {
      await client.query(CREATE_TABLES);
      return;
    } catch (error) {
      if (attempt === CREATE_ATTEMPTS) throw error; // the threads of a node create them at the same time
    }
  }
}

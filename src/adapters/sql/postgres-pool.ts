/** Connections to Postgres as `PostgresDatabase` needs them, through `pg`. */
import { createRequire } from 'node:module';
import type { CustomTypesConfig, PoolClient } from 'pg';
import type { SqlRow } from './sql-database.js';

export interface PostgresResult {
  readonly rows: readonly SqlRow[];
  /** How many rows the statement touched. */
  readonly changes: number;
}

export interface PostgresClient {
  query(text: string, values: readonly unknown[]): Promise<PostgresResult>;
  /** Gives the connection back, or throws it away. */
  release(isBroken: boolean): void;
}

export interface PostgresPool {
  connect(): Promise<PostgresClient>;
  end(): Promise<void>;
}

export interface PostgresPoolOptions {
  /** `postgres://user:password@host:port/database`, with the parameters that libpq knows. */
  readonly url: string;
  /** Shown in pg_stat_activity. */
  readonly name: string;
  readonly connectionsMax?: number | undefined;
  /** How long one statement may take, ms. */
  readonly statementMs?: number | undefined;
}

const CONNECT_MS = 5_000;
const STATEMENT_MS = 10_000;
const CONNECTIONS = 4;
const END_MS = 2_000;

type Library = typeof import('pg');

/** Whole numbers of ours stay below 2^53; `pg` would give them as text. */
const numbers = ({ types }: Library): CustomTypesConfig => ({
  getTypeParser: (oid: number, format?: 'text' | 'binary') =>
    oid === types.builtins.INT8 ? Number : types.getTypeParser(oid, format as 'text'),
});

/** Connects when there is something to do. */
export function postgresPool(options: PostgresPoolOptions): PostgresPool {
  const { url, name, connectionsMax = CONNECTIONS, statementMs = STATEMENT_MS } = options;
  // Not imported: most applications use no SQL, and every start of theirs would wait for it.
  const pg = createRequire(import.meta.url)('pg') as Library;
  const pool = new pg.Pool({
    connectionString: url,
    application_name: name,
    max: connectionsMax,
    connectionTimeoutMillis: CONNECT_MS,
    keepAlive: true,
    statement_timeout: statementMs,
    lock_timeout: statementMs,
    idle_in_transaction_session_timeout: statementMs,
    // Longer than the server's own, which says more about the reason.
    query_timeout: statementMs + 1_000,
    types: numbers(pg),
  });
  // A connection that is lost tells whoever uses it next. Without a listener, the loss between two statements of a
  // transaction would end the process.
  pool.on('error', () => undefined);
  pool.on('connect', (client) => client.on('error', () => undefined));
  return {
    connect: async () => clientOf(await pool.connect()),
    end: async () => {
      // A frozen server does not answer the good-bye.
      const late = new Promise<void>((resolve) => setTimeout(resolve, END_MS).unref());
      await Promise.race([pool.end(), late]);
    },
  };
}

function clientOf(client: PoolClient): PostgresClient {
  return {
    query: async (text, values) => {
      const { rows, rowCount } = await client.query({ text, values: [...values], rowMode: 'array' });
      return { rows: rows as readonly SqlRow[], changes: rowCount ?? 0 };
    },
    release: (isBroken) => client.release(isBroken),
  };
}

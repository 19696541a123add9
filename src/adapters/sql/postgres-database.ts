/**
 * A `SqlDatabase` over Postgres: a small pool of connections, so that the commits of many partitions share the
 * server's flushes. Plain SQL, no advisory locks, no LISTEN, no named statements: poolers and CockroachDB take it.
 *
 * Invariants
 * G1. A connection that failed in any other way than by a statement's own error is thrown away; the next work gets
 *     another one.
 * G2. Every wait has an end: the server ends statements and silent transactions, the client drops a silent server.
 * G3. Whoever reads inside `write` after a statement that waited for a lock sees what was committed meanwhile
 *     (READ COMMITTED), and `read` sees one moment (REPEATABLE READ).
 */
import { MillraceError } from '../../errors.js';
import { isStatementError, postgresError } from './postgres-errors.js';
import type { PostgresClient, PostgresPool } from './postgres-pool.js';
import type { SqlDatabase, SqlRow, SqlSession, SqlValue } from './sql-database.js';
import { deleteWhere, insertFrom, lastKeyColumn, selectWhere, upsertFrom, whereKey } from './statements.js';
import type { Column, ColumnType, Table } from './tables.js';

export interface PostgresOptions {
  readonly pool: PostgresPool;
  /** For messages; without a password. */
  readonly name: string;
}

const ARRAY: Readonly<Record<ColumnType, string>> = { text: 'text[]', integer: 'bigint[]', bytes: 'bytea[]' };

export class PostgresDatabase implements SqlDatabase {
  readonly dialect = 'postgres';
  readonly name: string;
  readonly #pool: PostgresPool;
  #isClosed = false;

  constructor({ pool, name }: PostgresOptions) {
    this.#pool = pool;
    this.name = name;
  }

  each<T>(what: string, work: (session: SqlSession) => Promise<T>): Promise<T> {
    return this.#with(what, (client) => work(new PostgresSession(client)));
  }

  read<T>(what: string, work: (session: SqlSession) => Promise<T>): Promise<T> {
    return this.#transaction(what, 'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY', work);
  }

  write<T>(what: string, work: (session: SqlSession) => Promise<T>): Promise<T> {
    return this.#transaction(what, 'BEGIN ISOLATION LEVEL READ COMMITTED', work);
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.#pool.end();
  }

  #transaction<T>(what: string, begin: string, work: (session: SqlSession) => Promise<T>): Promise<T> {
    return this.#with(what, async (client) => {
      await client.query(begin, []);
      try {
        const result = await work(new PostgresSession(client));
        await client.query('COMMIT', []);
        return result;
      } catch (error) {
        if (error instanceof MillraceError || isStatementError(error)) await client.query('ROLLBACK', []);
        throw error;
      }
    });
  }

  /** G1. */
  async #with<T>(what: string, work: (client: PostgresClient) => Promise<T>): Promise<T> {
    if (this.#isClosed) throw new MillraceError('SQL_UNREACHABLE', `${what}: the database is closed`);
    let client: PostgresClient | undefined;
    try {
      client = await this.#pool.connect();
      const result = await work(client);
      client.release(false);
      return result;
    } catch (error) {
      client?.release(!(error instanceof MillraceError || isStatementError(error)));
      throw postgresError(what, error);
    }
  }
}

class PostgresSession implements SqlSession {
  readonly #client: PostgresClient;

  constructor(client: PostgresClient) {
    this.#client = client;
  }

  async query(text: string, values: readonly SqlValue[] = []): Promise<readonly SqlRow[]> {
    return (await this.#client.query(numbered(text), values)).rows;
  }

  async change(text: string, values: readonly SqlValue[] = []): Promise<number> {
    return (await this.#client.query(numbered(text), values)).changes;
  }

  async insert(table: Table, rows: readonly SqlRow[]): Promise<void> {
    if (rows.length > 0) await this.#client.query(insertFrom(table, unnested(table)), columnsOf(table, rows));
  }

  async upsert(table: Table, rows: readonly SqlRow[]): Promise<void> {
    if (rows.length > 0) await this.#client.query(upsertFrom(table, unnested(table)), columnsOf(table, rows));
  }

  async remove(table: Table, prefix: SqlRow, lasts: readonly SqlValue[]): Promise<void> {
    if (lasts.length > 0) await this.#client.query(deleteWhere(table, whereAny(table)), [...prefix, lasts]);
  }

  async find(table: Table, prefix: SqlRow, lasts: readonly SqlValue[]): Promise<readonly SqlRow[]> {
    if (lasts.length === 0) return [];
    return (await this.#client.query(selectWhere(table, whereAny(table)), [...prefix, lasts])).rows;
  }
}

const numberedTexts = new Map<string, string>();

/** `?` as `$1`, `$2`, …; no text of ours has one in a literal. */
function numbered(text: string): string {
  const known = numberedTexts.get(text);
  if (known !== undefined) return known;
  let count = 0;
  const result = text.replaceAll('?', () => `$${++count}`);
  numberedTexts.set(text, result);
  return result;
}

/** One array for each column: the statement has the same text for any number of rows. */
function unnested({ columns }: Table): string {
  return `SELECT * FROM unnest(${columns.map(({ type }, at) => `$${at + 1}::${ARRAY[type]}`).join(', ')})`;
}

function columnsOf({ columns }: Table, rows: readonly SqlRow[]): (readonly SqlValue[])[] {
  return columns.map((_: Column, at) => rows.map((row) => row[at]!));
}

function whereAny(table: Table): string {
  return numbered(whereKey(table, `= ANY(?::${ARRAY[lastKeyColumn(table).type]})`));
}

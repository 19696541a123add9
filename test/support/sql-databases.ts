/** SQL databases for tests, each empty, with our schema: a file, a server of its own, or Postgres inside this process. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PGlite, types } from '@electric-sql/pglite';
import { PostgresDatabase } from '../../src/adapters/sql/postgres-database.js';
import { type PostgresPool, postgresPool } from '../../src/adapters/sql/postgres-pool.js';
import { prepareSchema } from '../../src/adapters/sql/schema.js';
import type { SqlDatabase, SqlRow } from '../../src/adapters/sql/sql-database.js';
import { SqliteDatabase } from '../../src/adapters/sql/sqlite-database.js';
import { PostgresServer } from './postgres-server.js';

/** A database that lives as long as a test file. */
export interface SqlUnderTest {
  /** Another connection to it, which the caller closes. */
  connect(): SqlDatabase;
  close(): Promise<void>;
}

export interface SqlKind {
  readonly name: string;
  start(): Promise<SqlUnderTest>;
}

/** Every kind that the contracts are tested on. */
export const sqlKinds: readonly SqlKind[] = [
  { name: 'sqlite', start: startSqlite },
  { name: 'postgres', start: startPostgres },
  { name: 'pglite', start: startPglite },
];

async function startSqlite(): Promise<SqlUnderTest> {
  const dir = await mkdtemp(join(tmpdir(), 'millrace-sqlite-'));
  const connect = (): SqlDatabase => new SqliteDatabase({ path: join(dir, 'millrace.db') });
  return prepared({ connect, close: () => rm(dir, { recursive: true, force: true }) });
}

async function startPostgres(): Promise<SqlUnderTest> {
  const server = await PostgresServer.start();
  return prepared({ connect: () => connectPostgres(server), close: () => server.stop() });
}

export function connectPostgres({ url }: PostgresServer, statementMs?: number): SqlDatabase {
  return new PostgresDatabase({ pool: postgresPool({ url, name: 'test', statementMs }), name: url });
}

async function startPglite(): Promise<SqlUnderTest> {
  const postgres = await PGlite.create({ parsers: { [types.INT8]: Number } });
  const pool = poolOf(postgres);
  const connect = (): SqlDatabase => new PostgresDatabase({ pool, name: 'pglite' });
  return prepared({ connect, close: () => postgres.close() });
}

async function prepared(database: SqlUnderTest): Promise<SqlUnderTest> {
  const first = database.connect();
  await prepareSchema(first);
  await first.close();
  return database;
}

/** One connection: whoever comes second waits. */
function poolOf(postgres: PGlite): PostgresPool {
  let free: Promise<void> = Promise.resolve();
  return {
    async connect() {
      const before = free;
      let release = (): void => undefined;
      free = new Promise((resolve) => {
        release = resolve;
      });
      await before;
      return {
        async query(text, values) {
          const { rows, affectedRows = 0 } = await postgres.query(text, [...values], { rowMode: 'array' });
          return { rows: rows as unknown as readonly SqlRow[], changes: affectedRows };
        },
        release,
      };
    },
    end: async () => undefined,
  };
}

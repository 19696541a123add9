/** SQL databases for tests, each empty, with our schema, in a directory of its own. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { prepareSchema } from '../../src/adapters/sql/schema.js';
import type { SqlDatabase } from '../../src/adapters/sql/sql-database.js';
import { SqliteDatabase } from '../../src/adapters/sql/sqlite-database.js';

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
export const sqlKinds: readonly SqlKind[] = [{ name: 'sqlite', start: startSqlite }];

async function startSqlite(): Promise<SqlUnderTest> {
  const dir = await mkdtemp(join(tmpdir(), 'millrace-sqlite-'));
  const connect = (): SqlDatabase => new SqliteDatabase({ path: join(dir, 'millrace.db') });
  const first = connect();
  await prepareSchema(first);
  await first.close();
  return { connect, close: () => rm(dir, { recursive: true, force: true }) };
}

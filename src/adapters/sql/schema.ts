/** The schema of a database: made where there is none, compared where there is one, never changed in passing. */
import { MillraceError } from '../../errors.js';
import type { SqlDatabase, SqlSession } from './sql-database.js';
import { createTable } from './statements.js';
import { allTables, type ColumnType, meta, SCHEMA_VERSION, type Table } from './tables.js';

const TYPES: Readonly<Record<SqlDatabase['dialect'], Readonly<Record<ColumnType, string>>>> = {
  sqlite: { text: 'TEXT', integer: 'INTEGER', bytes: 'BLOB' },
  postgres: { text: 'TEXT', integer: 'BIGINT', bytes: 'BYTEA' },
};

/** What stored partitions depend on; nodes with another layout must not start. */
export interface StoredLayout {
  readonly partitions: number;
  /** Name of the key hash. */
  readonly hash: string;
  /** Format number of the checkpoint records. */
  readonly format: number;
}

/** Statements that lead from a version to the next one. */
export type Migrations = Readonly<Record<number, readonly string[]>>;

/** None yet: there has been one version. */
const migrations: Migrations = {};

const READ_META = `SELECT value FROM ${meta.name} WHERE app = ? AND name = ?`;

/** Creates all tables in an empty database. @throws MillraceError `SQL_SCHEMA` where another version made them. */
export async function prepareSchema(database: SqlDatabase): Promise<void> {
  if ((await storedVersion(database)) === undefined) {
    await database.write('creating the tables', async (session) => {
      for (const table of allTables) await session.change(createText(database.dialect, table));
      await session.change(insertOnce, ['', 'schema', String(SCHEMA_VERSION)]);
    });
  }
  await requireSchema(database);
}

/**
 * Brings an older schema up to this version, each step in one transaction. For an operator who has stopped the nodes;
 * nothing else migrates. What no step leads from is left as it is.
 */
export async function migrateSchema(database: SqlDatabase, steps: Migrations = migrations): Promise<void> {
  for (;;) {
    const version = Number(await storedVersion(database));
    const step = steps[version];
    if (step === undefined || version >= SCHEMA_VERSION) return;
    await database.write(`migrating from schema ${version}`, async (session) => {
      for (const statement of step) await session.change(statement);
      await session.change(SET_VERSION, [String(version + 1), String(version)]);
    });
  }
}

/** @throws MillraceError `SQL_SCHEMA` where our tables are missing or of another version. */
export async function requireSchema(database: SqlDatabase): Promise<void> {
  const version = await storedVersion(database);
  if (version === String(SCHEMA_VERSION)) return;
  if (version === undefined) throw new MillraceError('SQL_SCHEMA', `${database.name} has no tables of Millrace`);
  const message = `${database.name} has schema ${version}, this Millrace has ${SCHEMA_VERSION}`;
  throw new MillraceError('SQL_SCHEMA', message);
}

const SET_VERSION = `UPDATE ${meta.name} SET value = ? WHERE app = '' AND name = 'schema' AND value = ?`;
const insertOnce = `INSERT INTO ${meta.name} (app, name, value) VALUES (?, ?, ?) ON CONFLICT (app, name) DO NOTHING`;

/** Stores the layout if none is, and else compares. @throws MillraceError `LAYOUT_MISMATCH` with both. */
export async function checkLayout(database: SqlDatabase, app: string, layout: StoredLayout): Promise<void> {
  const { partitions, hash, format } = layout;
  const wanted = JSON.stringify({ partitions, hash, format });
  const stored = await database.write('comparing the layout', async (session) => {
    await session.change(insertOnce, [app, 'layout', wanted]);
    return readMeta(session, app, 'layout');
  });
  if (stored === wanted) return;
  const message = `${database.name} holds ${app} with the layout ${stored}, this node has ${wanted}`;
  throw new MillraceError('LAYOUT_MISMATCH', message);
}

/** Undefined in a database without our tables. */
async function storedVersion(database: SqlDatabase): Promise<string | undefined> {
  return database.each('reading the schema version', async (session) => {
    const there =
      database.dialect === 'sqlite'
        ? await session.query(`SELECT name FROM sqlite_master WHERE type = 'table' AND name = ?`, [meta.name])
        : await session.query('SELECT 1 WHERE to_regclass(?) IS NOT NULL', [meta.name]);
    if (there.length === 0) return undefined;
    return (await readMeta(session, '', 'schema')) ?? 'unknown';
  });
}

async function readMeta(session: SqlSession, app: string, name: string): Promise<string | undefined> {
  return (await session.query(READ_META, [app, name]))[0]?.[0] as string | undefined;
}

function createText(dialect: SqlDatabase['dialect'], table: Table): string {
  // Rows lie in the order of the key; a rowid of SQLite's own would be a second tree for each table.
  return createTable(table, TYPES[dialect], dialect === 'sqlite' ? ' WITHOUT ROWID' : '');
}

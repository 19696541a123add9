/**
 * One connection to a SQLite file, through `node:sqlite` where this Node has it and else through `libsql`, in the few
 * calls that both have. Everything is synchronous: a call returns when it is done.
 */
import { createRequire } from 'node:module';
import type { SqlRow, SqlValue } from './sql-database.js';

export interface SqliteStatement {
  all(values: readonly SqlValue[]): readonly SqlRow[];
  /** How many rows changed. */
  run(values: readonly SqlValue[]): number;
}

export interface SqliteConnection {
  exec(text: string): void;
  prepare(text: string): SqliteStatement;
  close(): void;
}

interface NodeStatement {
  setReturnArrays?(on: boolean): void;
  all(...values: readonly SqlValue[]): readonly (SqlRow | Record<string, SqlValue>)[];
  run(...values: readonly SqlValue[]): { readonly changes: number | bigint };
}

interface NodeSqlite {
  readonly DatabaseSync: new (
    path: string,
  ) => { exec(text: string): void; prepare(text: string): NodeStatement; close(): void };
}

interface LibsqlStatement {
  raw(on: boolean): LibsqlStatement;
  readonly reader: boolean;
  all(values: readonly SqlValue[]): readonly SqlRow[];
  run(values: readonly SqlValue[]): { readonly changes: number };
}

type Libsql = new (
  path: string,
) => {
  exec(text: string): void;
  prepare(text: string): LibsqlStatement;
  close(): void;
};

/** Opens or creates the file. Throws what the library throws: see `sqliteError`. */
export function openSqlite(path: string): SqliteConnection {
  const builtin = nodeSqlite();
  return builtin === undefined ? openLibsql(path) : openNodeSqlite(builtin, path);
}

/** Undefined below Node 22.13. Its loading warns that it is experimental, which says nothing to our users. */
function nodeSqlite(): NodeSqlite | undefined {
  const { emitWarning } = process;
  process.emitWarning = () => undefined;
  try {
    return process.getBuiltinModule('node:sqlite') as NodeSqlite | undefined;
  } finally {
    process.emitWarning = emitWarning;
  }
}

function openNodeSqlite({ DatabaseSync }: NodeSqlite, path: string): SqliteConnection {
  const database = new DatabaseSync(path);
  return {
    exec: (text) => database.exec(text),
    prepare(text) {
      const statement = database.prepare(text);
      statement.setReturnArrays?.(true);
      return {
        all: (values) => statement.all(...values).map((row) => (Array.isArray(row) ? row : Object.values(row))),
        run: (values) => Number(statement.run(...values).changes),
      };
    },
    close: () => database.close(),
  };
}

function openLibsql(path: string): SqliteConnection {
  // Not imported: a runtime that has its own SQLite must not need this library's binary.
  const Database = createRequire(import.meta.url)('libsql') as Libsql;
  const database = new Database(path);
  return {
    exec: (text) => database.exec(text),
    prepare(text) {
      const statement = database.prepare(text);
      const rows = statement.reader ? statement.raw(true) : statement;
      return {
        all: (values) => rows.all(values),
        run: (values) => statement.run(values).changes,
      };
    },
    close: () => database.close(),
  };
}

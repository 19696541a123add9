/**
 * A SQL database as the stores of this folder need it. Two families stand behind it: SQLite (synchronous, one file)
 * and Postgres (`pg`, PGlite). Statements are written once, with `?` for parameters, in the SQL that SQLite, Postgres
 * and CockroachDB share; what differs (types, many rows at once) is behind `SqlSession`.
 *
 * Contract
 * D1. What `write` throws left the database unchanged, or the outcome is unknown; it is never half done.
 * D2. Errors are MillraceErrors; a `transient` one may be tried again.
 * D3. Writers of one row wait for each other and then see what the other wrote.
 */
import type { Table } from './tables.js';

export type SqlValue = string | number | Uint8Array | null;

/** Columns in the order of the statement. Whole numbers up to 2^53 are numbers. */
export type SqlRow = readonly SqlValue[];

/** Statements of one transaction, or single ones. */
export interface SqlSession {
  query(text: string, values?: readonly SqlValue[]): Promise<readonly SqlRow[]>;
  /** Runs a statement that changes rows; answers how many. */
  change(text: string, values?: readonly SqlValue[]): Promise<number>;
  /** Rows with all columns of the table. Repeated keys are an error. */
  insert(table: Table, rows: readonly SqlRow[]): Promise<void>;
  /** Inserts, or replaces the row of the same key. No key twice in one call. */
  upsert(table: Table, rows: readonly SqlRow[]): Promise<void>;
  /** Removes the rows whose key is `prefix` followed by one of `lasts`. */
  remove(table: Table, prefix: SqlRow, lasts: readonly SqlValue[]): Promise<void>;
  /** The rows whose key is `prefix` followed by one of `lasts`, all columns, in any order. */
  find(table: Table, prefix: SqlRow, lasts: readonly SqlValue[]): Promise<readonly SqlRow[]>;
}

export interface SqlDatabase {
  /** Where it is, for messages; without a password. */
  readonly name: string;
  readonly dialect: 'sqlite' | 'postgres';
  /** Statements that each see what is committed when they begin. `what` names the work in errors. */
  each<T>(what: string, work: (session: SqlSession) => Promise<T>): Promise<T>;
  /** Reads of one moment. */
  read<T>(what: string, work: (session: SqlSession) => Promise<T>): Promise<T>;
  /** One transaction. */
  write<T>(what: string, work: (session: SqlSession) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

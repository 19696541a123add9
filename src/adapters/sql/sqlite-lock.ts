/**
 * One process per SQLite file: a lock that the kernel takes back when its holder is gone, however it ended.
 *
 * The lock is SQLite's own, on a small database beside the real one. The holder writes its process id there and then
 * keeps a write transaction open for ever: others can read who it is, and cannot begin one. A file that merely holds
 * a process id would be left behind by kill -9, and its number may be another program's by then.
 */
import { hostname } from 'node:os';
import { MillraceError } from '../../errors.js';
import { isBusy, sqliteError } from './sql-errors.js';
import { openSqlite, type SqliteConnection } from './sqlite-connection.js';

/**
 * Takes the lock of a database file; the answer lets it go.
 * @throws MillraceError `SQL_IN_USE` with the process that holds it.
 */
export function lockSqlite(path: string): () => void {
  const file = `${path}.lock`;
  let connection: SqliteConnection | undefined;
  try {
    connection = openSqlite(file);
    hold(connection);
  } catch (error) {
    const holder = connection === undefined || !isBusy(error) ? undefined : holderOf(connection);
    connection?.close();
    if (!isBusy(error)) throw sqliteError(`locking ${file}`, error);
    throw new MillraceError('SQL_IN_USE', `${path} is in use by ${holder ?? 'a process that is just starting'}`);
  }
  const held = connection;
  heldLocks.add(held);
  return () => {
    // First: a library may close a connection only when its statements are garbage.
    held.exec('ROLLBACK');
    held.close();
    heldLocks.delete(held);
  };
}

/** A connection that nothing points to is garbage, and its lock with it. */
const heldLocks = new Set<SqliteConnection>();

function hold(connection: SqliteConnection): void {
  connection.exec('PRAGMA busy_timeout = 0');
  connection.exec('BEGIN IMMEDIATE');
  connection.exec('CREATE TABLE IF NOT EXISTS holder (pid INTEGER NOT NULL, host TEXT NOT NULL)');
  connection.exec('DELETE FROM holder');
  connection.prepare('INSERT INTO holder (pid, host) VALUES (?, ?)').run([process.pid, hostname()]);
  connection.exec('COMMIT');
  // Whoever came between the two has won, and this throws.
  connection.exec('BEGIN IMMEDIATE');
}

function holderOf(connection: SqliteConnection): string | undefined {
  try {
    const [row] = connection.prepare('SELECT pid, host FROM holder').all([]);
    return row === undefined ? undefined : `process ${row[0]} on ${row[1]}`;
  } catch {
    return undefined; // it is writing its name just now
  }
}

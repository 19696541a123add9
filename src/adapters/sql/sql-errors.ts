/** What a SQLite library throws, as errors of the table. */
import { type ErrorCode, MillraceError, messageOf } from '../../errors.js';

/** SQLite's own result codes; the rest of the byte says more than we need. */
const PERMANENT: Readonly<Record<number, ErrorCode>> = {
  3: 'SQL_REFUSED', // SQLITE_PERM
  11: 'SQL_DAMAGED', // SQLITE_CORRUPT
  14: 'SQL_REFUSED', // SQLITE_CANTOPEN
  23: 'SQL_REFUSED', // SQLITE_AUTH
  26: 'SQL_DAMAGED', // SQLITE_NOTADB
};
/** BUSY, LOCKED, NOMEM, READONLY, INTERRUPT, IOERR, FULL, PROTOCOL: the outside may mend them. */
const TRANSIENT = new Set([5, 6, 7, 8, 9, 10, 13, 15]);
const BUSY = 5;

function resultCode(error: unknown): number | undefined {
  const { rawCode, errcode } = error as { rawCode?: unknown; errcode?: unknown };
  const code = typeof rawCode === 'number' ? rawCode : errcode;
  if (typeof code === 'number') return code & 0xff;
  // libsql tells only in words why a file cannot be opened.
  const said = /Unable to open connection .*: (\d+)"\)$/.exec(messageOf(error));
  return said === null ? undefined : Number(said[1]) & 0xff;
}

/** Whether another connection holds the lock. */
export function isBusy(error: unknown): boolean {
  return resultCode(error) === BUSY;
}

export function sqliteError(what: string, cause: unknown): MillraceError {
  if (cause instanceof MillraceError) return cause;
  const code = resultCode(cause);
  if (code === undefined) return new MillraceError('BUG', `${what}: ${messageOf(cause)}`, { cause });
  const known = TRANSIENT.has(code) ? 'SQL_UNAVAILABLE' : PERMANENT[code];
  return new MillraceError(known ?? 'BUG', `${what}: SQLite says ${code}: ${messageOf(cause)}`, { cause });
}

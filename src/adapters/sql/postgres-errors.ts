/** What Postgres and the network throw, as errors of the table. Codes: the SQLSTATE of the server. */
import { type ErrorCode, MillraceError, messageOf } from '../../errors.js';

/** By SQLSTATE, or by its class, the first two characters. */
const BY_STATE: Readonly<Record<string, ErrorCode>> = {
  '08': 'SQL_UNREACHABLE', // connection
  '25006': 'SQL_UNAVAILABLE', // read only: a standby
  '25P03': 'SQL_UNREACHABLE', // the transaction was silent for too long
  '28': 'SQL_REFUSED', // authorization
  '3D': 'SQL_REFUSED', // no such database
  '3F': 'SQL_REFUSED', // no such schema
  '40': 'SQL_UNAVAILABLE', // serialization, deadlock
  '42501': 'SQL_REFUSED', // no right to do it
  '42P01': 'SQL_SCHEMA', // no such table
  '42703': 'SQL_SCHEMA', // no such column
  '53': 'SQL_UNAVAILABLE', // disk, memory, connections
  '55': 'SQL_UNAVAILABLE', // locked
  '57': 'SQL_UNREACHABLE', // shut down, starting
  '57014': 'SQL_UNAVAILABLE', // the statement took too long
  '58': 'SQL_UNAVAILABLE', // a file of the server
  XX001: 'SQL_DAMAGED',
  XX002: 'SQL_DAMAGED',
};

function stateOf(error: unknown): string | undefined {
  const { code } = error as { code?: unknown };
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) ? code : undefined;
}

function known(state: string): ErrorCode | undefined {
  return BY_STATE[state] ?? BY_STATE[state.slice(0, 2)];
}

/** Whether the connection is as good as before. */
export function isStatementError(error: unknown): boolean {
  const state = stateOf(error);
  return state !== undefined && known(state) !== 'SQL_UNREACHABLE';
}

export function postgresError(what: string, cause: unknown): MillraceError {
  if (cause instanceof MillraceError) return cause;
  const state = stateOf(cause);
  // What has no state comes from the network or from a deadline of ours.
  const code = state === undefined ? networkCode(cause) : (known(state) ?? 'BUG');
  const said = state === undefined ? '' : ` Postgres says ${state}:`;
  return new MillraceError(code, `${what}:${said} ${messageOf(cause)}`, { cause });
}

function networkCode(cause: unknown): ErrorCode {
  if (cause instanceof TypeError || cause instanceof RangeError) return 'BUG';
  return /password must be a string|SCRAM|does not support SSL/i.test(messageOf(cause))
    ? 'SQL_REFUSED'
    : 'SQL_UNREACHABLE';
}

/**
 * Every error of ioredis and of the server, as one of ours; and what is known of a connection for the message.
 *
 * None of them is kept as a cause: ioredis hangs the command with all its arguments on an error, which are states
 * of keys or a password.
 */
import type { Redis } from 'ioredis';
import { type ErrorCode, MillraceError, messageOf } from '../../errors.js';

interface Connection {
  readonly server: string;
  /** Never to be printed. */
  readonly password: string | undefined;
  /** Why there is no connection, as far as known. */
  problem: string | undefined;
}

const connections = new WeakMap<Redis, Connection>();

/** Remembers where a connection leads, and what must not appear in any message about it. */
export function watchRedis(redis: Redis, server: string, password: string | undefined): void {
  connections.set(redis, { server, password, problem: undefined });
}

/** Remembers why a connection failed; returns the reason if it is another one than last time. */
export function noteProblem(redis: Redis, error: unknown): string | undefined {
  const connection = connectionOf(redis);
  const problem = reasonOf(error, connection);
  if (problem === connection.problem) return undefined;
  connection.problem = problem;
  return problem;
}

/** Forgets the reason: the connection stands. */
export function noteReady(redis: Redis): void {
  connectionOf(redis).problem = undefined;
}

/** Why there is no connection, as far as known. */
export function problemOf(redis: Redis): string | undefined {
  return connectionOf(redis).problem;
}

/** Whether a script was asked for by a hash that the server does not know; then nothing has run. */
export function isScriptUnknown(error: unknown): boolean {
  return error instanceof Error && error.name === 'ReplyError' && error.message.startsWith('NOSCRIPT');
}

/** `host:port` of a connection. */
export function serverOf(redis: Redis): string {
  return connectionOf(redis).server;
}

/** `what` was being done when `error` came. Total: whatever nobody knows is a `BUG`. */
export function redisError(redis: Redis, what: string, error: unknown): MillraceError {
  if (error instanceof MillraceError) return error;
  const connection = connectionOf(redis);
  const code = classify(error);
  let reason = reasonOf(error, connection);
  if (code === 'REDIS_UNREACHABLE') reason = connection.problem ?? 'the connection was lost';
  if (code === 'COMMIT_TIMEOUT') reason = `no answer within ${redis.options.commandTimeout} ms`;
  return new MillraceError(code, `${what}: Redis at ${connection.server}: ${reason}`);
}

// The server's words stand at the start of its message, or inside it where a script met them (Redis 6).
const CORRUPT = /\b(?:WRONGTYPE|CORRUPT)\b/;
const UNSUITABLE = /^(?:MOVED|ASK|CROSSSLOT)\b/;
const UNAVAILABLE =
  /\b(?:MISCONF|BUSY|READONLY|OOM|LOADING|MASTERDOWN|CLUSTERDOWN|NOREPLICAS|TRYAGAIN|NOAUTH|WRONGPASS|NOPERM)\b|ACL failure|can't run this command/;

function classify(error: unknown): ErrorCode {
  if (!(error instanceof Error)) return 'BUG';
  if (error.name === 'ReplyError') return classifyReply(error);
  if (error.message === 'Command timed out') return 'COMMIT_TIMEOUT';
  return isConnectionError(error) ? 'REDIS_UNREACHABLE' : 'BUG';
}

function classifyReply(error: Error & { previousErrors?: readonly Error[] }): ErrorCode {
  const { message, previousErrors } = error;
  // A transaction that was never begun says no more than that; its first command says why.
  const first = previousErrors?.[0];
  if (message.startsWith('EXECABORT') && first !== undefined) return classify(first);
  if (CORRUPT.test(message)) return 'CORRUPT_CHECKPOINT';
  if (UNSUITABLE.test(message)) return 'REDIS_UNSUITABLE';
  if (UNAVAILABLE.test(message)) return 'REDIS_UNAVAILABLE';
  return message.includes('user_script') ? 'BUG' : 'REDIS_UNAVAILABLE';
}

/** ioredis has no classes for these; its messages are held by tests. */
function isConnectionError(error: Error): boolean {
  // Of the system, such as ECONNREFUSED; Node's own begin with ERR_ and mean a mistake of ours.
  if ('code' in error && /^E(?!RR_)/.test(String(error.code))) return true;
  if (['MaxRetriesPerRequestError', 'AbortError', 'ParserError'].includes(error.name)) return true;
  return /^Connection is closed|^Stream isn't writeable|^Socket timeout/.test(error.message);
}

function connectionOf(redis: Redis): Connection {
  let connection = connections.get(redis);
  if (connection === undefined) {
    // Made by somebody else than connectRedis.
    const { host, port, password } = redis.options;
    watchRedis(redis, `${host}:${port}`, password);
    connection = connections.get(redis)!;
  }
  return connection;
}

function reasonOf(error: unknown, { password }: Connection): string {
  let reason = messageOf(error);
  // Several addresses of one name: the error around theirs has no message.
  if (reason === '' && error instanceof AggregateError) reason = messageOf(error.errors[0]);
  if (reason === '' && error instanceof Error && 'code' in error) reason = String(error.code);
  return password === undefined || password === '' ? reason : reason.replaceAll(password, '***');
}

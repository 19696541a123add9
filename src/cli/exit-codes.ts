/** Exit codes of the command: the same four for every subcommand. */
import { codeOf, type ErrorCode } from '../errors.js';

/** `finding`: it ran, and something is not as it should be. `unreachable`: a server is away; trying again may help. */
export const exitCode = { ok: 0, finding: 1, usage: 2, unreachable: 3 } as const;

const usage: ReadonlySet<ErrorCode> = new Set([
  'OPTIONS_INVALID',
  'REQUEST_INVALID',
  'HANDLER_INVALID',
  'NATS_REFUSED',
  'SQL_REFUSED',
]);

const unreachable: ReadonlySet<ErrorCode> = new Set([
  'NATS_UNREACHABLE',
  'REDIS_UNREACHABLE',
  'REDIS_UNAVAILABLE',
  'SQL_UNREACHABLE',
  'SQL_UNAVAILABLE',
  'COMMIT_TIMEOUT',
  'NODE_UNREACHABLE',
]);

/** Exit code of a command that ended with `error`. */
export function exitCodeOf(error: unknown): number {
  const code = codeOf(error);
  if (usage.has(code)) return exitCode.usage;
  return unreachable.has(code) ? exitCode.unreachable : exitCode.finding;
}

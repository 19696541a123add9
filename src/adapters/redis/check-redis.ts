/** Whether a Redis is one that keeps what it is told. */
import type { Redis } from 'ioredis';
import { MillraceError } from '../../errors.js';
import { redisError, serverOf } from './redis-errors.js';

/** What a Redis says of itself; undefined where the user has no right to ask. */
export interface RedisFacts {
  readonly version: string | undefined;
  readonly maxmemoryPolicy: string | undefined;
}

const NEVER_EVICTS = 'noeviction';

/**
 * Asks for version and eviction policy: by INFO, and for the policy by CONFIG GET where INFO is not allowed. A user
 * that may do neither is no error; the caller should then say that the policy is unknown.
 * @throws MillraceError `REDIS_UNSUITABLE` for any policy but noeviction; transient ones when Redis is away.
 */
export async function checkRedis(redis: Redis): Promise<RedisFacts> {
  const info = (await allowed(redis, 'INFO', () => redis.info())) ?? '';
  const version = infoField(info, 'valkey_version') ?? infoField(info, 'redis_version');
  const maxmemoryPolicy = infoField(info, 'maxmemory_policy') ?? (await policyByConfig(redis));
  if (maxmemoryPolicy !== undefined && maxmemoryPolicy !== NEVER_EVICTS) {
    throw new MillraceError(
      'REDIS_UNSUITABLE',
      `Redis at ${serverOf(redis)} has maxmemory-policy ${maxmemoryPolicy}: it deletes checkpoints when memory is short`,
    );
  }
  return { version, maxmemoryPolicy };
}

async function policyByConfig(redis: Redis): Promise<string | undefined> {
  const answer = await allowed(redis, 'CONFIG GET', () => redis.config('GET', 'maxmemory-policy'));
  return Array.isArray(answer) && typeof answer[1] === 'string' ? answer[1] : undefined;
}

/** The answer, or undefined where the user may not ask or the command is renamed or switched off. */
export async function allowed<T>(redis: Redis, what: string, ask: () => Promise<T>): Promise<T | undefined> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof Error && /^NOPERM|unknown (sub)?command|not allowed/i.test(error.message)) return undefined;
    throw redisError(redis, what, error);
  }
}

export function infoField(info: string, name: string): string | undefined {
  return new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1];
}

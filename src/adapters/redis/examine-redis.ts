/** What a Redis says of itself, for people who want to know whether it is set safely. */
import type { Redis } from 'ioredis';
import { allowed, infoField } from './check-redis.js';

export interface RedisExamination {
  readonly version: string | undefined;
  readonly maxmemoryPolicy: string | undefined;
  readonly appendonly: boolean | undefined;
  readonly appendfsync: string | undefined;
  /** Used part of maxmemory, 0 to 1; undefined without a bound. */
  readonly usedShare: number | undefined;
  readonly replicas: number | undefined;
  /** Its clock minus ours, ms. */
  readonly skewMs: number | undefined;
  /** Commands that our user may not use. */
  readonly refused: readonly string[];
}

/** What a node uses, each with arguments of the right number. */
const USED = [
  ['HGETALL', 'k'],
  ['HMGET', 'k', 'f'],
  ['HSCAN', 'k', '0'],
  ['HKEYS', 'k'],
  ['HSET', 'k', 'f', 'v'],
  ['HDEL', 'k', 'f'],
  ['EVALSHA', 'x', '1', 'k'],
  ['EVAL', 'x', '1', 'k'],
  ['MULTI'],
  ['EXEC'],
] as const;

/** Asks everything at once. Throws transient MillraceErrors when Redis is away. */
export async function examineRedis(redis: Redis, prefix: string): Promise<RedisExamination> {
  const info = (await allowed(redis, 'INFO', () => redis.info())) ?? '';
  const setting = async (name: string): Promise<string | undefined> => {
    const answer = await allowed(redis, 'CONFIG GET', () => redis.config('GET', name));
    return Array.isArray(answer) && typeof answer[1] === 'string' ? answer[1] : undefined;
  };
  const before = Date.now();
  const time = await allowed(redis, 'TIME', () => redis.time());
  const after = Date.now();
  const aof = infoField(info, 'aof_enabled');
  const maxmemory = Number(infoField(info, 'maxmemory') ?? 0);
  const replicas = infoField(info, 'connected_slaves');
  return {
    version: infoField(info, 'valkey_version') ?? infoField(info, 'redis_version'),
    maxmemoryPolicy: infoField(info, 'maxmemory_policy') ?? (await setting('maxmemory-policy')),
    appendonly: aof === undefined ? undefined : aof === '1',
    appendfsync: await setting('appendfsync'),
    usedShare: maxmemory > 0 ? Number(infoField(info, 'used_memory') ?? 0) / maxmemory : undefined,
    replicas: replicas === undefined ? undefined : Number(replicas),
    skewMs: time === undefined ? undefined : Number(time[0]) * 1000 + Number(time[1]) / 1000 - (before + after) / 2,
    refused: await refusedCommands(redis, prefix),
  };
}

/** By ACL DRYRUN, which needs the right to use ACL; without it nothing is known to be refused. */
async function refusedCommands(redis: Redis, prefix: string): Promise<string[]> {
  const user = await allowed(redis, 'ACL WHOAMI', () => redis.call('ACL', 'WHOAMI'));
  const refused: string[] = [];
  for (const [command, key, ...rest] of user === undefined ? [] : USED) {
    const args = key === undefined ? [] : [key === 'k' ? `${prefix}0}:meta` : key, ...rest];
    const withKey = args.map((one) => (one === 'k' ? `${prefix}0}:meta` : one));
    const verdict = await allowed(redis, 'ACL DRYRUN', () =>
      redis.call('ACL', 'DRYRUN', String(user), command, ...withKey),
    ).catch(() => undefined); // before Redis 7 nobody can be asked
    if (verdict !== undefined && verdict !== 'OK') refused.push(String(verdict));
  }
  return refused;
}

/** The connection to Redis as the options name it. By itself, because threads need no other, and start the sooner. */
import { readFileSync } from 'node:fs';
import type { Redis } from 'ioredis';
import { connectRedis } from '../adapters/redis/redis-connection.js';
import type { Options } from '../options/types.js';
import type { LogLine } from '../ports/log.js';

/** Redis settings as plain data, so that they cross a thread edge. */
export interface RedisSettings {
  readonly url: string;
  readonly tlsCa: string | undefined;
  readonly commandTimeoutMs: number;
}

export function redisSettings({ redis }: Options): RedisSettings {
  const url = new URL(redis.url);
  if (redis.username !== undefined) url.username = encodeURIComponent(redis.username);
  if (redis.password !== undefined) url.password = encodeURIComponent(redis.password);
  return { url: url.href, tlsCa: redis.tlsCa, commandTimeoutMs: redis.commandTimeoutMs };
}

/** Starts to connect and returns at once; see `connectRedis`. */
export function openRedis(settings: RedisSettings, name: string, log: LogLine): Redis {
  const { url, tlsCa, commandTimeoutMs } = settings;
  return connectRedis({
    url,
    commandTimeoutMs,
    name,
    log,
    ...(tlsCa === undefined ? {} : { tls: { ca: readFileSync(tlsCa) } }),
  });
}

/** Redis as the options name it. By itself, because threads need no other, and start the sooner. */
import { readFileSync } from 'node:fs';
import type { Redis } from 'ioredis';
import { RedisCheckpointStore } from '../adapters/redis/redis-checkpoint-store.js';
import { connectRedis, untilRedisReady } from '../adapters/redis/redis-connection.js';
import type { LogLine } from '../ports/log.js';
import type { OpenStore, RedisSettings } from './store.js';

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

/** The checkpoints alone. */
export function openRedisStore(settings: RedisSettings, app: string, name: string, log: LogLine): OpenStore {
  const redis = openRedis(settings, name, log);
  return { store: new RedisCheckpointStore({ app, redis }), untilReady: (ms) => untilRedisReady(redis, ms) };
}

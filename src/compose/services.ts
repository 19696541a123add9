/** Connections to NATS and Redis as the options name them. Part of the composition root. */
import type { NatsConnection } from '@nats-io/nats-core';
import type { Redis } from 'ioredis';
import { connectNats } from '../adapters/nats/connect-nats.js';
import { untilRedisReady } from '../adapters/redis/redis-connection.js';
import type { Options } from '../options/types.js';
import type { LogLine } from '../ports/log.js';
import { openRedis } from './redis.js';
import { redisSettings } from './store.js';

/** Connects to both, waiting for whichever is away until `signal` aborts. */
export async function openServices(
  options: Options,
  log: LogLine,
  signal?: AbortSignal,
): Promise<{ nats: NatsConnection; redis: Redis }> {
  const name = `millrace-${options.app}-${options.node}`;
  const nats = await connectNats(options.nats, name, log, signal);
  const redis = openRedis(redisSettings(options), name, log);
  try {
    await redisReady(redis, signal);
  } catch (error) {
    redis.disconnect();
    await nats.close();
    throw error;
  }
  return { nats, redis };
}

const WAIT_MS = 2_000;

/** Waits until Redis answers, which the connection says in the log; the last error is thrown when `signal` aborts. */
async function redisReady(redis: Redis, signal?: AbortSignal): Promise<void> {
  for (;;) {
    try {
      await untilRedisReady(redis, WAIT_MS, signal);
      return;
    } catch (error) {
      if (signal?.aborted === true) throw error; // else it is tried again
    }
  }
}

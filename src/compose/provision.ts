/** What a node needs before it starts: made where it is missing, read back, checked. Part of the composition root. */
import { connectNats } from '../adapters/nats/connect-nats.js';
import { bucketName, createBucket } from '../adapters/nats/kv-bucket.js';
import { NatsKvCoordinator } from '../adapters/nats/nats-kv-coordinator.js';
import type { StreamReport } from '../adapters/nats/provision.js';
import { ensureStream } from '../adapters/nats/provision.js';
import type { RedisFacts } from '../adapters/redis/check-redis.js';
import { checkRedis } from '../adapters/redis/check-redis.js';
import { closeRedis, untilRedisReady } from '../adapters/redis/redis-connection.js';
import type { Options } from '../options/types.js';
import type { LogLine } from '../ports/log.js';
import { streamSettings } from './jetstream-backend.js';
import { openRedis, redisSettings } from './services.js';
import { isSql, provisionSql, type SqlProvisioned } from './sql-backend.js';

/** How long NATS and Redis are waited for, ms. */
const WAIT_MS = 3_000;

/** What a node needs before it starts, as it was found or made. */
export interface Provisioned {
  readonly stream: StreamReport;
  readonly bucket: string;
  readonly redis: RedisFacts;
}

/**
 * Creates the stream and the bucket (or the tables) where they are missing, unless `create` is false, reads them back,
 * and checks Redis. Throws `STREAM_MISSING`, `STREAM_UNSUITABLE`, `REDIS_UNSUITABLE`, and after a few seconds `…_UNREACHABLE`.
 */
export async function provision(
  options: Options,
  line: LogLine,
  create: boolean,
): Promise<Provisioned | SqlProvisioned> {
  return isSql(options) ? provisionSql(options, create) : provisionServices(options, line, create);
}

async function provisionServices(options: Options, line: LogLine, create: boolean): Promise<Provisioned> {
  const name = `millrace-${options.app}-provision`;
  const nats = await connectNats(options.nats, name, line, AbortSignal.timeout(WAIT_MS));
  const redis = openRedis(redisSettings(options), name, line);
  try {
    await untilRedisReady(redis, WAIT_MS);
    const stream = await ensureStream(nats, streamSettings(options), { create });
    if (create) await createBucket(nats, options.app, options.stream.replicas);
    else await new NatsKvCoordinator({ nc: nats, ...options }).holder(0); // throws without the bucket
    return { stream, bucket: bucketName(options.app), redis: await checkRedis(redis) };
  } finally {
    await Promise.all([nats.close(), closeRedis(redis)]);
  }
}

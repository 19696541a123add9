/** Durable state without a node. Part of the composition root. */
import { RedisCheckpointStore } from '../adapters/redis/redis-checkpoint-store.js';
import { untilRedisReady } from '../adapters/redis/redis-connection.js';
import { requireSchema } from '../adapters/sql/schema.js';
import { SqlCheckpointStore } from '../adapters/sql/sql-checkpoint-store.js';
import { systemClock } from '../adapters/system/system-clock.js';
import { decodeRecord } from '../core/checkpoint/record.js';
import { MillraceError } from '../errors.js';
import type { Options } from '../options/types.js';
import type { CheckpointStore } from '../ports/checkpoint-store.js';
import type { LogLine } from '../ports/log.js';
import { StateReader } from '../runtime/state-reader.js';
import { openRedis, redisSettings } from './redis.js';
import { openDatabase } from './sql-backend.js';

/** Reads of durable state without a node. */
export interface OpenReader {
  readonly reader: StateReader;
  readonly store: Pick<CheckpointStore, 'deadLetters'>;
  close(): Promise<void>;
}

/** How long a command waits for Redis, ms. */
const WAIT_MS = 3_000;

/**
 * Connects to Redis, or to the SQL database, alone. Throws `REDIS_UNREACHABLE` after a few seconds, `SQL_…`, and
 * `LAYOUT_MISMATCH` if the application was stored with another partition count, because every key would be looked for
 * in the wrong place.
 */
export async function openReader(options: Options, line: LogLine): Promise<OpenReader> {
  const { app, partitions } = options;
  const store = await openStore(options, line);
  try {
    const first = await store.read(0);
    const decoded = first === undefined ? undefined : decodeRecord(first.record);
    const stored = decoded?.kind === 'record' ? decoded.record.layout.partitions : partitions;
    if (stored !== partitions)
      throw new MillraceError(
        'LAYOUT_MISMATCH',
        `application ${app} is stored with ${stored} partitions, not ${partitions}`,
      );
    return { reader: new StateReader(store, systemClock, partitions), store, close: () => store.close() };
  } catch (error) {
    await store.close();
    throw error;
  }
}

async function openStore(options: Options, line: LogLine): Promise<CheckpointStore> {
  const { app, sql } = options;
  if (sql.url !== undefined) {
    const database = openDatabase(sql.url, `millrace-${app}-reader`);
    await requireSchema(database);
    return new SqlCheckpointStore({ app, database });
  }
  const redis = openRedis(redisSettings(options), `millrace-${app}-reader`, line);
  try {
    await untilRedisReady(redis, WAIT_MS);
    return new RedisCheckpointStore({ app, redis });
  } catch (error) {
    redis.disconnect();
    throw error;
  }
}

/** The checkpoint store of a thread or a command, from plain data that crosses a thread edge. */
import { RedisCheckpointStore } from '../adapters/redis/redis-checkpoint-store.js';
import { untilRedisReady } from '../adapters/redis/redis-connection.js';
import { SqlCheckpointStore } from '../adapters/sql/sql-checkpoint-store.js';
import type { Options } from '../options/types.js';
import type { CheckpointStore } from '../ports/checkpoint-store.js';
import type { LogLine } from '../ports/log.js';
import type { StateSource } from '../ports/status-sink.js';
import { openRedis, type RedisSettings, redisSettings } from './redis.js';
import { openDatabase } from './sql-backend.js';

export type StoreSettings =
  | { readonly kind: 'redis'; readonly redis: RedisSettings }
  | { readonly kind: 'sql'; readonly url: string };

const CONNECT_MS = 2_000;

export function storeSettings(options: Options): StoreSettings {
  const { url } = options.sql;
  return url === undefined ? { kind: 'redis', redis: redisSettings(options) } : { kind: 'sql', url };
}

export interface OpenStore {
  readonly store: CheckpointStore;
  /** For a sink of states; a store that is SQL itself needs none. */
  readonly source: StateSource | undefined;
}

/** Connects; not for long, because a thread's start has a deadline, and what is away is tried again at each use. */
export async function openStore(settings: StoreSettings, app: string, name: string, log: LogLine): Promise<OpenStore> {
  if (settings.kind === 'sql')
    return { store: new SqlCheckpointStore({ app, database: openDatabase(settings.url, name) }), source: undefined };
  const redis = openRedis(settings.redis, name, log);
  // Else the first claims of a node would all fail and be logged. A Redis that stays away says so at each use.
  await untilRedisReady(redis, CONNECT_MS).catch(() => undefined);
  const store = new RedisCheckpointStore({ app, redis });
  return { store, source: store };
}

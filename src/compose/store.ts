/** The checkpoint store of a thread or a command, from plain data that crosses a thread edge. */
import type { Options } from '../options/types.js';
import type { CheckpointStore } from '../ports/checkpoint-store.js';
import type { LogLine } from '../ports/log.js';
import type { StateSource } from '../ports/status-sink.js';

export type StoreSettings =
  | { readonly kind: 'redis'; readonly redis: RedisSettings }
  | { readonly kind: 'sql'; readonly url: string };

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

export function storeSettings(options: Options): StoreSettings {
  const { url } = options.sql;
  return url === undefined ? { kind: 'redis', redis: redisSettings(options) } : { kind: 'sql', url };
}

export interface OpenStore {
  readonly store: CheckpointStore & StateSource;
  /** Throws why it is of no use: `REDIS_UNREACHABLE` after `ms`, `SQL_…`. */
  readonly untilReady: (ms: number) => Promise<void>;
}

/** Starts to connect; only the library that is needed is loaded. */
export async function openStore(settings: StoreSettings, app: string, name: string, log: LogLine): Promise<OpenStore> {
  if (settings.kind === 'sql') {
    const { openSqlStore } = await import('./sql-backend.js');
    return openSqlStore(settings.url, app, name);
  }
  const { openRedisStore } = await import('./redis.js');
  return openRedisStore(settings.redis, app, name, log);
}

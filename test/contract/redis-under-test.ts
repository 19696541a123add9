/** A redis-server of a test file's own, and stores in it that know nothing of each other. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { RedisCheckpointStore } from '../../src/adapters/redis/redis-checkpoint-store.js';
import { connectRedis, untilRedisReady } from '../../src/adapters/redis/redis-connection.js';
import { locateServer } from '../../src/services/binaries.js';
import { startRedisServer } from '../../src/services/redis-server.js';
import type { RunningServer } from '../../src/services/server-process.js';
import type { StoreUnderTest } from './checkpoint-store.contract.js';

export interface RedisUnderTest {
  readonly server: RunningServer;
  /** A plain connection of the test's own, for everything that the store must not do. */
  readonly admin: Redis;
  /** A store with a name and a connection of its own. */
  store(commandTimeoutMs?: number): Promise<StoreUnderTest & { readonly app: string; readonly redis: Redis }>;
  close(): Promise<void>;
}

export async function startRedisUnderTest(args: readonly string[] = []): Promise<RedisUnderTest> {
  const dir = await mkdtemp(join(tmpdir(), 'millrace-redis-'));
  const server = await startRedisServer({ binary: await locateServer('redis'), dir, args });
  const admin = new Redis(server.url, { protocol: 2 });
  admin.on('error', () => undefined);
  let stores = 0;
  return {
    server,
    admin,
    async store(commandTimeoutMs = 5_000) {
      const app = `t${++stores}`;
      const redis = connectRedis({ url: server.url, commandTimeoutMs });
      await untilRedisReady(redis, 10_000);
      const store = new RedisCheckpointStore({ app, redis });
      return {
        app,
        redis,
        store,
        snapshot: () => snapshot(admin, `millrace:{${app}:*`),
        loseRecord: async (partition) => {
          await admin.del(`millrace:{${app}:${partition}}:meta`);
        },
        close: () => store.close(),
      };
    },
    async close() {
      admin.disconnect();
      await server.kill();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

/** Remembers all keys of a pattern; the returned function brings them back and removes any other. */
async function snapshot(admin: Redis, pattern: string): Promise<() => Promise<void>> {
  const kept = new Map<string, Buffer>();
  for (const key of await admin.keys(pattern)) kept.set(key, (await admin.dumpBuffer(key))!);
  return async () => {
    const change = admin.multi();
    for (const key of await admin.keys(pattern)) change.del(key);
    for (const [key, dump] of kept) change.restore(key, 0, dump);
    await change.exec();
  };
}

/** F11: a replica that lagged behind its master is promoted, and nodes are led to it. As F8: nothing is lost by it. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { locateServers } from '../../src/services/binaries.js';
import { startRedisServer } from '../../src/services/redis-server.js';
import type { RunningServer } from '../../src/services/server-process.js';
import { Cluster } from '../support/cluster.js';
import { MixedWatch } from '../support/mixed-watch.js';
import { decidedEvents, untilDecided } from '../support/redis-state.js';
import { countLines, untilShared } from '../support/shares.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { until } from '../support/until.js';
import { LiveApp } from './live-app.js';

// Every wait inside has a deadline of its own; this one is for slow machines.
vi.setConfig({ testTimeout: 300_000, hookTimeout: 180_000 });

/** Its Redis is the replica, which the test reads, too. */
let cluster: Cluster;
let dir: string;
let master: RunningServer;
let masterDb: Redis;
/** From the replica to its master, and from the nodes to whoever is the master. */
let link: TcpProxy;
let front: TcpProxy;

beforeAll(async () => {
  cluster = await Cluster.start();
  dir = await mkdtemp(join(tmpdir(), 'millrace-master-'));
  master = await startRedisServer({ binary: (await locateServers()).redis, dir });
  masterDb = new Redis(master.url, { protocol: 2 });
  masterDb.on('error', () => undefined);
  link = await TcpProxy.start(master.port);
  front = await TcpProxy.start(master.port);
  await cluster.db.replicaof('127.0.0.1', link.port);
  const isLinked = async (): Promise<boolean> =>
    (await cluster.db.info('replication')).includes('master_link_status:up');
  await until(isLinked, 30_000, 'the replica');
});

afterAll(async () => {
  masterDb.disconnect();
  await cluster.stop();
  await Promise.all([link.close(), front.close(), master.kill()]);
  await rm(dir, { recursive: true, force: true });
});

it('F11: what the replica had not got is noticed by the guard and replayed', async () => {
  const app = await LiveApp.start(
    cluster,
    'promoted',
    0.4,
    {},
    { order: { settle: '200ms', idle: '2s' }, redis: { url: `redis://127.0.0.1:${front.port}` } },
  );
  const nodes = ['a', 'b'].map((node) => cluster.node({ ...app.options, node }));
  await untilShared(nodes);
  // As the replica has it.
  await app.decided(0.2);
  link.block();
  app.publisher.allow(0.9);
  await untilDecided(masterDb, app.name, app.events * 0.7);
  await master.kill();
  const kept = await decidedEvents(cluster.db, app.name);
  expect(kept).toBeGreaterThan(app.events * 0.2 - 1);
  expect(kept).toBeLessThan(app.events * 0.6);

  const watch = new MixedWatch(cluster.db, app.name);
  await cluster.db.replicaof('NO', 'ONE');
  front.moveTo(cluster.redis.port);
  await Promise.all(nodes.map((node) => node.logged('partition.fenced')));
  app.publisher.allow(1);
  await app.publisher.done;
  const { events } = await app.wanted();
  await untilDecided(cluster.db, app.name, events);
  expect(countLines(nodes, 'checkpoint.refused')).toBeGreaterThan(0);
  expect(countLines(nodes, 'partition.halted')).toBe(0);
  await nodes[1]!.drain();
  await app.finish(nodes[0]!);
  const { looks, mixed } = await watch.stop();
  expect(mixed).toEqual([]);
  expect(looks).toBeGreaterThan(64);
});

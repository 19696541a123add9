/** F7, F8: Redis dies, and comes back older than it was. The stream brings everything back, exactly once. */
import { expect, test } from 'vitest';
import type { Cluster } from '../support/cluster.js';
import { ownCluster } from '../support/own-cluster.js';
import { decidedEvents, readRecords } from '../support/redis-state.js';
import { until } from '../support/until.js';
import { LiveApp } from './live-app.js';
import { RedisCopy } from './redis-copy.js';

// Most of this is waiting for a Redis that comes back.
const it = test.concurrent;

async function checkpoints(cluster: Cluster, app: string): Promise<number[]> {
  return (await readRecords(cluster.db, app)).map((record) => record?.number ?? 0);
}

it('F7: kill -9 of Redis, again and again, pauses the node and nothing else', async (context) => {
  const cluster = await ownCluster(context);
  const app = await LiveApp.start(cluster, 'restarts', 0.2);
  const node = await cluster.node(app.options).ready();
  for (let round = 1; round <= 6; round++) {
    await app.decided(round * 0.1);
    app.publisher.allow(round * 0.1 + 0.25);
    await cluster.redis.kill();
    await cluster.redis.restart();
  }
  const { partitions } = await node.status();
  expect(partitions.filter(({ phase, recoveries }) => phase !== 'running' || recoveries > 0)).toEqual([]);
  await app.finish(node);
});

it('F8: a tail that is lost under a running node is noticed by the guard, and replayed', async (context) => {
  const cluster = await ownCluster(context);
  const copy = new RedisCopy(cluster.redis);
  const app = await LiveApp.start(cluster, 'alive', 0.4);
  const node = await cluster.node(app.options).ready();
  await app.decided(0.2);
  await copy.keep();
  app.publisher.allow(0.9);
  await app.decided(0.7);
  const before = await checkpoints(cluster, 'alive');
  await copy.loseTail();
  await node.logged('partition.fenced');
  app.publisher.allow(1);
  await app.finish(node);
  const lost = node.logs.filter(({ event }) => event === 'partition.fenced');
  expect(lost.length).toBeGreaterThanOrEqual(64);
  expect(before.every((number) => number > 0)).toBe(true);
  expect(node.logs.filter(({ event }) => event === 'partition.halted')).toEqual([]);
});

it('F8: a tail that is lost where nothing happens any more is noticed, too', async (context) => {
  const cluster = await ownCluster(context);
  const copy = new RedisCopy(cluster.redis);
  const app = await LiveApp.start(cluster, 'quiet', 0.3);
  const node = await cluster.node(app.options).ready();
  await app.decided(0.2);
  await copy.keep();
  app.publisher.allow(1);
  await app.publisher.done;
  const { events } = await app.wanted();
  await until(async () => (await decidedEvents(cluster.db, 'quiet')) >= events, 30_000, 'everything decided');
  await copy.loseTail();
  expect(await decidedEvents(cluster.db, 'quiet')).toBeLessThan(events);
  await app.finish(node);
});

it('F8: a tail that is lost while no node runs is replayed by the next one', async (context) => {
  const cluster = await ownCluster(context);
  const copy = new RedisCopy(cluster.redis);
  const app = await LiveApp.start(cluster, 'down', 0.4);
  const first = await cluster.node(app.options).ready();
  await app.decided(0.2);
  await copy.keep();
  app.publisher.allow(0.9);
  await app.decided(0.7);
  const before = await decidedEvents(cluster.db, 'down');
  await first.kill();
  await copy.loseTail();
  expect(await decidedEvents(cluster.db, 'down')).toBeLessThan(before);
  const second = await cluster.node(app.options).ready();
  await app.finish(second);
  expect(second.logs.filter(({ event }) => event === 'checkpoint.rebuild')).toEqual([]);
});

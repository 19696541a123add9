/** The status table behind real nodes: whatever happens to node, Redis or Postgres, it ends as the oracle says. */
import { cp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Client } from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Cluster } from '../support/cluster.js';
import type { NodeProcess } from '../support/node-process.js';
import { PostgresServer } from '../support/postgres-server.js';
import { Random } from '../support/random.js';
import { tableDifferences, untilTable } from '../support/sink-table.js';
import { until } from '../support/until.js';
import { LiveApp } from './live-app.js';

let cluster: Cluster;
let postgres: PostgresServer;
let sql: Client;

beforeAll(async () => {
  cluster = await Cluster.start();
  postgres = await PostgresServer.start();
  sql = await postgres.client();
});

afterAll(async () => {
  await cluster.stop();
  await sql.end().catch(() => undefined);
  await postgres.stop();
});

const startApp = (name: string, share: number): Promise<LiveApp> =>
  LiveApp.start(cluster, name, share, {}, { statusSink: postgres.url });

async function lagMs(node: NodeProcess): Promise<number> {
  const { threads } = await node.status();
  return Math.max(...threads.map(({ sink }) => sink?.lagMs ?? Number.POSITIVE_INFINITY));
}

/** Everything in Redis and in the table, before and after a drain. */
async function finish(app: LiveApp, node: NodeProcess): Promise<void> {
  await app.finish(node);
  const wanted = await app.wanted();
  expect(await tableDifferences(sql, app.name, wanted)).toEqual([]); // a clean end leaves nothing to be written
}

it('a frozen and then killed Postgres holds up nothing, and the table catches up', async () => {
  const app = await startApp('frozen', 0.3);
  const node = await cluster.node(app.options).ready();
  await app.decided(0.2);
  await postgres.pause();
  app.publisher.allow(0.6);
  await app.decided(0.55); // in Redis, while nothing can be written to the table
  await until(async () => (await lagMs(node)) > 500, 20_000, 'a lag');
  await postgres.kill();
  app.publisher.allow(0.8);
  await app.decided(0.75);
  await postgres.restart();
  sql = await postgres.client();
  app.publisher.allow(1);
  await app.publisher.done;
  await untilTable(sql, app.name, await app.wanted());
  await until(async () => (await lagMs(node)) < 5_000, 20_000, 'no lag any more');
  await finish(app, node);
});

it('a node that is killed between commit and table leaves it to the next one', async () => {
  const app = await startApp('between', 0.4);
  const first = await cluster.node(app.options).ready();
  await app.decided(0.3);
  await postgres.pause();
  app.publisher.allow(1);
  await app.publisher.done;
  const wanted = await app.wanted();
  await app.decided(1);
  await first.kill();
  await postgres.resume();
  expect((await tableDifferences(sql, app.name, wanted)).length).toBeGreaterThan(0);
  const second = await cluster.node(app.options).ready(); // which finds nothing to apply
  await untilTable(sql, app.name, wanted);
  await finish(app, second);
});

it('a Redis that loses its tail is followed back and forth', async () => {
  const app = await startApp('tail', 0.4);
  const node = await cluster.node(app.options).ready();
  await app.decided(0.2);
  const data = join(cluster.redis.dir, 'appendonlydir');
  const copy = join(cluster.redis.dir, 'copy');
  await cluster.redis.stop();
  await cp(data, copy, { recursive: true });
  await cluster.redis.restart();
  app.publisher.allow(0.9);
  await app.decided(0.7);
  await cluster.redis.kill();
  await rm(data, { recursive: true });
  await cp(copy, data, { recursive: true });
  await cluster.redis.restart();
  await node.logged('partition.fenced');
  app.publisher.allow(1);
  await app.publisher.done;
  // Every partition is compared as a whole, which may take longer than a clean end waits for.
  await untilTable(sql, app.name, await app.wanted());
  await finish(app, node);
});

// What happens to these nodes is no matter to others.
it.concurrent('a node that is killed at any moment, again and again', async () => {
  const random = new Random(5);
  const app = await startApp('again', 0.1);
  for (let round = 1; round <= 8; round++) {
    const node = await cluster.node(app.options).ready();
    app.publisher.allow(0.1 + round * 0.1);
    const share = round * 0.1 - random.next() * 0.08;
    await app.decided(share);
    await node.kill();
  }
  await finish(app, await cluster.node(app.options).ready());
});

it.concurrent('a zombie that wakes up changes nothing', async () => {
  const app = await startApp('zombie', 0.5);
  const zombie = await cluster.node({ ...app.options, node: 'one' }).ready();
  await app.decided(0.2);
  zombie.signal('SIGSTOP');
  const next = await cluster.node({ ...app.options, node: 'two' }).ready();
  app.publisher.allow(1);
  await app.publisher.done;
  const wanted = await app.wanted();
  await untilTable(sql, app.name, wanted);
  zombie.signal('SIGCONT');
  await zombie.logged('partition.lost');
  expect(await tableDifferences(sql, app.name, wanted)).toEqual([]);
  await zombie.drain();
  await finish(app, next);
});

/** F21: the disk of a server is really full. Nothing acknowledged is lost, and it goes on when there is room again. */
import { expect, it } from 'vitest';
import { capture } from '../support/capture.js';
import type { Cluster } from '../support/cluster.js';
import { natsBinaries } from '../support/nats-binaries.js';
import type { NodeProcess } from '../support/node-process.js';
import { ownCluster } from '../support/own-cluster.js';
import { decidedEvents } from '../support/redis-state.js';
import { until } from '../support/until.js';
import { LiveApp, says } from './live-app.js';

const binaries = await natsBinaries();
const MEGABYTES = 64;

async function goesOn(node: NodeProcess): Promise<void> {
  const { phase, partitions } = await node.status();
  expect(phase).toBe('running');
  expect(partitions.filter((one) => one.phase !== 'running' || one.recoveries > 0)).toEqual([]);
}

it.concurrent('of Redis: commits wait, nothing is dropped, and they go through when there is room', async (context) => {
  const cluster = await ownCluster(context, { redisDisk: MEGABYTES });
  const app = await LiveApp.start(cluster, 'nospace', 0.4);
  const node = await cluster.node(app.options).ready();
  await app.decided(0.2);
  await cluster.disk!.fill();
  app.publisher.allow(0.9);
  await says(node, 'checkpoint.commit.waiting', /REDIS_UNAVAILABLE.*No space left/);
  expect(await cluster.disk!.room()).toBe(0);
  const stuck = await decidedEvents(cluster.db, app.name);
  await goesOn(node);
  await cluster.disk!.free();
  await app.decided(0.85);
  expect(stuck).toBeLessThan(app.events * 0.85);
  await goesOn(node);
  await app.finish(node);
});

it.concurrent('of Redis, which then dies: whatever it had said it has stored and has not, the stream brings it back', async (context) => {
  const cluster = await ownCluster(context, { redisDisk: MEGABYTES });
  const app = await LiveApp.start(cluster, 'nospacekill', 0.4);
  const node = await cluster.node(app.options).ready();
  for (const share of [0.2, 0.4]) {
    await app.decided(share);
    await cluster.disk!.fill();
    app.publisher.allow(share + 0.4);
    await until(
      async () => (await cluster.db.set('probe', 'x').catch((error: Error) => error.message)) !== 'OK',
      20_000,
      'a Redis that refuses',
    );
    await cluster.redis.kill();
    await cluster.disk!.free();
    await cluster.redis.restart();
  }
  await app.finish(node);
  expect(node.logs.filter(({ event }) => event === 'partition.halted')).toEqual([]);
});

it.concurrent.for(binaries.map((binary) => [binary.version, binary] as const))(
  'of nats-server %s: it acknowledges no event that it does not keep, and the node reads on after it',
  async ([, binary], context) => {
    const cluster = await ownCluster(context, { natsBinary: binary, natsDisk: MEGABYTES });
    const app = await LiveApp.start(cluster, 'full', 0.3);
    const time = app.timeAt(0.3);
    const node = await cluster.node(app.options).ready();
    await app.decided(0.2);
    await until(() => app.publisher.isWaiting, 20_000, 'a publisher that waits');
    await cluster.disk!.fill();
    const { acknowledged, refused } = await publishUntilRefused(cluster, time);
    expect(await cluster.disk!.room()).toBeLessThan(64 * 1024);
    expect((await node.status()).phase).toBe('running');
    // A nats-server whose disk was full has switched JetStream off: only another start brings it back.
    await cluster.nats.kill();
    await cluster.disk!.free();
    await cluster.nats.restart();
    await until(() => isBack(cluster), 30_000, 'JetStream is back');
    for (const id of refused) await publish(cluster, id, time);
    await app.finish(node);
    const stored = new Map((await capture(cluster.nc, app.stream)).map(({ sequence, body }) => [sequence, body]));
    for (const [id, sequence] of acknowledged)
      expect(Buffer.from(stored.get(sequence)!).toString()).toContain(`"${id}"`);
    expect(node.logs.filter(({ event }) => event === 'partition.halted')).toEqual([]);
  },
);

/** Large events one after the other, until several in a row are not acknowledged. */
async function publishUntilRefused(cluster: Cluster, time: number) {
  const acknowledged = new Map<string, number>();
  const refused: string[] = [];
  for (let n = 0; refused.length < 5; n++) {
    expect(n).toBeLessThan(1_000);
    const id = `full-${n}`;
    await publish(cluster, id, time).then(
      (sequence) => acknowledged.set(id, sequence),
      () => refused.push(id),
    );
  }
  return { acknowledged, refused };
}

/** Settles with the sequence that the server acknowledges. */
async function publish(cluster: Cluster, id: string, time: number): Promise<number> {
  const event = { id, time, data: { type: 'deposit', amount: 1 }, pad: 'x'.repeat(20_000) };
  const answer = await cluster.nc.request(`full.${id}`, JSON.stringify(event), { timeout: 3_000 });
  const { error, seq } = answer.json<{ error?: { description: string }; seq: number }>();
  if (error !== undefined) throw new Error(error.description);
  return seq;
}

async function isBack(cluster: Cluster): Promise<boolean> {
  const answer = await cluster.nc.request('$JS.API.INFO', '', { timeout: 1_000 }).catch(() => undefined);
  return answer !== undefined && !('error' in answer.json<object>());
}

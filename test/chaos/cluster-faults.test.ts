/** Faults of several nodes that share an application, on real processes. */
import { Kvm } from '@nats-io/kv';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { bucketName } from '../../src/adapters/nats/kv-bucket.js';
import { Cluster } from '../support/cluster.js';
import { countLines, untilShared } from '../support/shares.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { until } from '../support/until.js';
import { clusterRounds } from './cluster-rounds.js';
import { LiveApp } from './live-app.js';

// Every wait inside has a deadline of its own; this one is for slow machines.
vi.setConfig({ testTimeout: 300_000, hookTimeout: 180_000 });

let cluster: Cluster;

beforeAll(async () => {
  cluster = await Cluster.start();
});

afterAll(() => cluster.stop());

const order = { settle: '200ms', idle: '2s' } as const;

it('F5: a main thread that is blocked for less than the lease loses nothing', async () => {
  const app = await LiveApp.start(cluster, 'blocked', 0.5, {}, { order, cluster: { lease: '4s' } });
  const nodes = ['a', 'b'].map((node) => cluster.node({ ...app.options, node }));
  await untilShared(nodes);
  const before = countLines(nodes, 'partition.gained');
  const bucket = await new Kvm(cluster.nc).open(bucketName(app.name));
  const beat = async () => (await bucket.get('node.a'))?.revision;
  for (const ms of [500, 1_500, 2_000]) {
    nodes[0]!.block(ms);
    await nodes[0]!.status();
    // Two blocks without a beat in between would be one of the length of both.
    const last = await beat();
    await until(async () => (await beat()) !== last, 10_000, 'the next beat');
  }
  await app.decided(0.5);
  expect(countLines(nodes, 'partition.gained')).toBe(before);
  for (const event of ['cluster.gone', 'partition.lost', 'checkpoint.refused'])
    expect(countLines(nodes, event)).toBe(0);
  await nodes[1]!.drain();
  await app.finish(nodes[0]!);
});

it('F6: a second process of the same name refuses to start, if it is to, and says so; the first goes on', async () => {
  const options = { order, cluster: { lease: '4s', sameName: 'refuse' } } as const;
  const app = await LiveApp.start(cluster, 'refused', 0.5, {}, options);
  const first = await cluster.node({ ...app.options, node: 'same' }).ready();
  const second = cluster.node({ ...app.options, node: 'same' });
  await second.ended(1);
  expect(second.failure).toMatchObject({ code: 'NODE_NAME_TAKEN' });
  expect(second.failure!.message).toContain('another process is node same');
  await app.finish(first);
});

it('F18: a node that NATS does not hear for longer than a lease is taken over, and comes back to a share', async () => {
  const app = await LiveApp.start(cluster, 'muted', 0.4, {}, { order, cluster: { lease: '1s' } });
  const proxy = await TcpProxy.start(Number(new URL(cluster.nats.url).port));
  try {
    const far = cluster.node({ ...app.options, node: 'far', nats: { url: `nats://127.0.0.1:${proxy.port}` } });
    const near = cluster.node({ ...app.options, node: 'near' });
    await untilShared([far, near]);
    await app.decided(0.2);
    proxy.swallow('requests');
    proxy.swallow('answers');
    await untilShared([near]);
    app.publisher.allow(0.8);
    await until(() => app.publisher.isWaiting, 30_000, 'the events');
    proxy.heal();
    const shares = await untilShared([far, near]);
    expect(shares.map((share) => share.length)).toEqual([32, 32]);
    await far.drain();
    await app.finish(near);
  } finally {
    await proxy.close();
  }
});

describe('in a loop', () => {
  it('F4: nodes that are frozen past their lease: every stale commit is refused, and they come back', async () => {
    const result = await clusterRounds({ fault: 'zombie', rounds: 3, seed: 4, progress: () => undefined });
    expect(result).toMatchObject({ violations: [], replayed: 0 });
    expect(result.takenOver).toBeGreaterThan(3 * 20);
    expect(result.refusedCommits).toBeGreaterThan(0);
  });

  it('F25: rolling restarts hand everything over and apply nothing twice, also where a kill follows the signal', async () => {
    const clean = await clusterRounds({ fault: 'rolling', rounds: 3, seed: 5, progress: () => undefined });
    expect(clean).toMatchObject({
      violations: [],
      killed: 0,
      takenOver: 0,
      replayed: 0,
      uncounted: 0,
      refusedCommits: 0,
    });
    expect(clean.handedOver).toBeGreaterThan(3 * 20);
    const killed = await clusterRounds({ fault: 'rolling', rounds: 4, seed: 6, progress: () => undefined });
    expect(killed).toMatchObject({ violations: [], replayed: 0 });
  });
});

/** Starting and ending of nodes: two of them at once, services that are away, ends in the middle of a start. */
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { capture } from '../support/capture.js';
import { Cluster } from '../support/cluster.js';
import { ledgerRules } from '../support/meanings.js';
import { expected } from '../support/oracle.js';
import { expectStored, untilDecided } from '../support/redis-state.js';
import { makeWorkload, SteadyPublisher } from '../support/workload.js';

// Every wait inside has a deadline of its own; this one is for slow machines.
vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 });

let cluster: Cluster;

beforeAll(async () => {
  cluster = await Cluster.start();
});

afterAll(() => cluster.stop());

describe('a second process of the same node', () => {
  it('takes over; the first is fenced, says so and ends with 1', async () => {
    const options = await cluster.newApp('owners', {
      handler: 'ledger',
      stream: { name: 'OWNERS', subjects: 'owners.*' },
      checkpoint: { interval: '100ms' },
    });
    await cluster.addStream('OWNERS', ['owners.*']);
    const from = Date.now() - 300_000;
    const workload = makeWorkload({ seed: 8, events: 200_000, keys: 2_000, from, disorderMs: 500, prefix: 'owners' });
    const publisher = new SteadyPublisher(cluster.nc, workload, 50);
    const first = await cluster.node(options).ready();
    await untilDecided(cluster.db, 'owners', 5_000);
    const second = await cluster.node(options).ready();
    await first.ended(1);
    expect(first.failure?.code).toBe('FENCED');
    expect(first.failure?.message).toContain('another process has started as node');
    await publisher.stop();
    const wanted = expected(await capture(cluster.nc, 'OWNERS'), ledgerRules);
    await untilDecided(cluster.db, 'owners', wanted.events);
    await expectStored(cluster.db, 'owners', wanted);
    const { partitions } = await second.status();
    expect(partitions.filter(({ phase, recoveries }) => phase !== 'running' || recoveries > 0)).toEqual([]);
    await second.drain();
    await expectStored(cluster.db, 'owners', wanted);
  });
});

describe('services that are away', () => {
  it('are waited for, NATS and Redis alike', async () => {
    await cluster.addStream('AWAY', ['away.*']);
    const options = await cluster.newApp('away', { stream: { name: 'AWAY', subjects: 'away.*' } });
    await cluster.nats.stop();
    const impatient = cluster.node(options);
    const patient = cluster.node({ ...options, node: 'patient' });
    await Promise.all([impatient.logged('nats.waiting'), patient.logged('nats.waiting')]);
    await impatient.drain();
    await cluster.redis.stop();
    await cluster.nats.restart();
    await patient.logged('redis.waiting');
    await cluster.redis.restart();
    await patient.ready();
    await patient.drain();
  });

  it('do not keep a node from ending while it waits for Redis', async () => {
    await cluster.addStream('WAIT', ['wait.*']);
    const options = await cluster.newApp('wait', { stream: { name: 'WAIT', subjects: 'wait.*' } });
    await cluster.redis.stop();
    const node = cluster.node(options);
    await node.logged('redis.waiting');
    await node.drain();
    await cluster.redis.restart();
  });
});

describe('an end in the middle of a start', () => {
  it('is a clean one', async () => {
    await cluster.addStream('START', ['start.*']);
    const options = await cluster.newApp('start', { stream: { name: 'START', subjects: 'start.*' } });
    const node = cluster.node(options);
    await node.logged('nats.connected');
    await node.drain();
    const again = await cluster.node(options).ready();
    await again.drain();
  });

  it('names a stream that is missing', async () => {
    const options = await cluster.newApp('missing', { stream: { name: 'MISSING', subjects: 'missing.*' } });
    const node = cluster.node(options);
    await node.ended(1);
    expect(node.failure?.code).toBe('STREAM_MISSING');
  });
});

/** A node that dies, at any moment and again and again, leaves the state that one undisturbed run would have left. */
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type Captured, capture } from '../support/capture.js';
import { Cluster } from '../support/cluster.js';
import { ledgerRules } from '../support/meanings.js';
import { type Expected, expected } from '../support/oracle.js';
import { Random } from '../support/random.js';
import { decidedEvents, expectStored, RecordWatch, untilDecided } from '../support/redis-state.js';
import { until } from '../support/until.js';
import { makeWorkload, publishAll, SteadyPublisher } from '../support/workload.js';

// Every wait inside has a deadline of its own; this one is for slow machines.
vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 });

const EVENTS = 200_000;

let cluster: Cluster;
let stream: readonly Captured[];
let ledger: Expected;

beforeAll(async () => {
  cluster = await Cluster.start();
  await cluster.addStream('EVENTS', ['events.*']);
  const from = Date.now() - EVENTS - 60_000;
  await publishAll(cluster.nc, makeWorkload({ seed: 2, events: EVENTS, keys: 5_000, from, poison: 22 }));
  stream = await capture(cluster.nc, 'EVENTS');
  ledger = expected(stream, ledgerRules);
});

afterAll(() => cluster.stop());

describe('a backlog of 200,000 events', () => {
  it('is worked off once although the node is killed in the middle', async () => {
    const options = await cluster.newApp('killed', { handler: 'ledger', checkpoint: { interval: '200ms' } });
    const watch = new RecordWatch(cluster.db, 'killed');
    const first = cluster.node(options);
    await untilDecided(cluster.db, 'killed', ledger.events * 0.4);
    await first.kill();
    expect(await decidedEvents(cluster.db, 'killed')).toBeLessThan(ledger.events);
    const second = await cluster.node(options).ready();
    await untilDecided(cluster.db, 'killed', ledger.events);
    await expectStored(cluster.db, 'killed', ledger);
    await second.drain();
    await expectStored(cluster.db, 'killed', ledger);
    expect(await watch.stop()).toBeGreaterThan(64);
  });

  it('is worked off once although Redis and NATS are killed on the way', async () => {
    const options = await cluster.newApp('servers', { handler: 'ledger', checkpoint: { interval: '100ms' } });
    // One that flushes once a second may answer before it has handed what it knows to the system, while the disk is slow.
    await cluster.db.config('SET', 'appendfsync', 'always');
    const node = cluster.node(options);
    await untilDecided(cluster.db, 'servers', ledger.events * 0.2);
    await cluster.redis.kill();
    await cluster.redis.restart();
    await untilDecided(cluster.db, 'servers', ledger.events * 0.5);
    expect(await decidedEvents(cluster.db, 'servers')).toBeLessThan(ledger.events);
    await cluster.nats.kill();
    await cluster.nats.restart();
    await untilDecided(cluster.db, 'servers', ledger.events);
    await expectStored(cluster.db, 'servers', ledger);
    const { partitions } = await node.status();
    expect(partitions.filter(({ phase, recoveries }) => phase !== 'running' || recoveries > 0)).toEqual([]);
    await node.drain();
    await expectStored(cluster.db, 'servers', ledger);
  });
});

describe('200,000 events while the node is restarted ten times', () => {
  it('leave the state of an undisturbed run', async () => {
    const random = new Random(3);
    const app = 'restarted';
    await cluster.addStream('LIVE', ['live.*']);
    const options = await cluster.newApp(app, {
      handler: 'ledger',
      stream: { name: 'LIVE', subjects: 'live.*' },
      checkpoint: { interval: '200ms' },
    });
    const from = Date.now() - EVENTS - 60_000;
    const workload = makeWorkload({ seed: 4, events: EVENTS, keys: 5_000, from, poison: 22, prefix: 'live' });
    const watch = new RecordWatch(cluster.db, app);
    const publisher = new SteadyPublisher(cluster.nc, workload, 60);
    for (let round = 0; round < 10; round++) {
      publisher.allow((round + 1) / 11);
      const node = cluster.node(options);
      // Some die while they still claim their partitions.
      if (random.chance(0.7)) await node.ready();
      const moment = performance.now() + random.between(0, 800);
      await until(() => performance.now() >= moment, 1_000, 'the moment of the end');
      if (round % 2 === 0) await node.kill();
      else await node.drain();
    }
    publisher.allow(1);
    const last = await cluster.node(options).ready();
    await publisher.done;
    const wanted = expected(await capture(cluster.nc, 'LIVE'), ledgerRules);
    await untilDecided(cluster.db, app, wanted.events);
    await expectStored(cluster.db, app, wanted);
    await last.drain();
    await expectStored(cluster.db, app, wanted);
    // How many it sees of the ten times 64 and more depends on how often it is given the time to look.
    expect(await watch.stop()).toBeGreaterThan(64);
  });
});

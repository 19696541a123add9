/** F12: replies of commits that never arrive, that end in the middle, that come late: every commit is written once. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { OptionsInput } from '../../src/options/types.js';
import { capture } from '../support/capture.js';
import { Cluster } from '../support/cluster.js';
import { CommitWatch } from '../support/commit-watch.js';
import { ledgerRules } from '../support/meanings.js';
import { expected } from '../support/oracle.js';
import { expectStored, untilDecided } from '../support/redis-state.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { until } from '../support/until.js';
import { makeWorkload, SteadyPublisher, type Workload } from '../support/workload.js';

const EVENTS = 12_000;

let cluster: Cluster;
let proxy: TcpProxy;
let app: string;
let options: OptionsInput;
let workload: Workload;
let rounds = 0;

beforeAll(async () => {
  cluster = await Cluster.start();
});

afterAll(() => cluster.stop());

beforeEach(async () => {
  app = `replies-${++rounds}`;
  const prefix = `replies${rounds}`;
  const name = `REPLIES${rounds}`;
  await cluster.addStream(name, [`${prefix}.*`]);
  proxy = await TcpProxy.start(cluster.redis.port);
  options = await cluster.newApp(app, {
    handler: 'ledger',
    stream: { name, subjects: `${prefix}.*` },
    redis: { url: `redis://127.0.0.1:${proxy.port}`, commandTimeout: '500ms' },
    checkpoint: { interval: '50ms' },
  });
  const from = Date.now() - EVENTS - 60_000;
  workload = makeWorkload({ seed: rounds, events: EVENTS, keys: 500, from, disorderMs: 200, poison: 11, prefix });
});

/** Runs the workload while the network does its worst, and compares everything. */
async function survives(disturb: () => Promise<void>): Promise<void> {
  const watch = await CommitWatch.start(cluster.redis.url, app);
  try {
    const node = await cluster.node(options).ready();
    const publisher = new SteadyPublisher(cluster.nc, workload, 30);
    publisher.allow(0.8);
    await untilDecided(cluster.db, app, EVENTS * 0.1);
    await disturb();
    publisher.allow(1);
    await publisher.done;
    const wanted = expected(await capture(cluster.nc, `REPLIES${rounds}`), ledgerRules);
    await untilDecided(cluster.db, app, wanted.events);
    await expectStored(cluster.db, app, wanted);
    const { partitions } = await node.status();
    // A lost reply is no reason to start over: the outcome is looked up.
    expect(partitions.filter(({ phase, recoveries }) => phase !== 'running' || recoveries > 0)).toEqual([]);
    await node.drain();
    await expectStored(cluster.db, app, wanted);
    await watch.caughtUp(cluster.db);
    expect(watch.numbers.size).toBe(64);
    expect(watch.broken).toEqual([]);
  } finally {
    watch.close();
    await proxy.close();
  }
}

describe('F12: every commit is written once', () => {
  it('when its reply is lost with the connection', () =>
    survives(async () => {
      for (let n = 1; n <= 10; n++) {
        proxy.resetAt('accept', 0);
        await until(() => proxy.resets === n, 20_000, 'a commit whose reply is lost');
      }
    }));

  it('when the connection ends in the middle of its reply', () =>
    survives(async () => {
      for (let n = 1; n <= 10; n++) {
        proxy.resetAt('accept', n);
        await until(() => proxy.resets === n, 20_000, 'a commit whose reply is cut');
      }
    }));

  it('when nothing is answered until the commit has timed out', () =>
    survives(async () => {
      for (let n = 1; n <= 2; n++) {
        const before = proxy.accepted;
        proxy.swallow('answers');
        await until(() => proxy.accepted > before, 20_000, 'a new connection of the node');
        proxy.heal();
      }
    }));

  it('when Redis is slow', () =>
    survives(async () => {
      proxy.delay(120);
      await untilDecided(cluster.db, app, EVENTS * 0.7);
      proxy.heal();
    }));
});

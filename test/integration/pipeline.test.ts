/** The main job on real servers, nodes in processes of their own: final state of every key equals an independent fold. */
import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual } from 'node:util';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type Captured, capture } from '../support/capture.js';
import { Cluster } from '../support/cluster.js';
import { ledgerRules, ownMeaning } from '../support/meanings.js';
import { type Expected, expected, type FoldedEvent, type Rules } from '../support/oracle.js';
import { decidedEvents, expectStored, untilDecided } from '../support/redis-state.js';
import { LARGE, type Tally } from '../support/tally-actor.js';
import { until } from '../support/until.js';
import { makeWorkload, publishAll } from '../support/workload.js';

// Every wait inside has a deadline of its own; this one is for slow machines.
vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 });

const EVENTS = 200_000;
const TALLY = fileURLToPath(new URL('../support/tally-actor.js', import.meta.url));

let cluster: Cluster;
let stream: readonly Captured[];
let ledger: Expected;

beforeAll(async () => {
  cluster = await Cluster.start();
  await cluster.addStream('EVENTS', ['events.*']);
  await cluster.addStream('OUT', ['out.>']);
  const from = Date.now() - EVENTS - 60_000;
  await publishAll(cluster.nc, makeWorkload({ seed: 1, events: EVENTS, keys: 5_000, from, poison: 33 }));
  stream = await capture(cluster.nc, 'EVENTS');
  ledger = expected(stream, ledgerRules);
});

afterAll(() => cluster.stop());

describe('a ledger of 200,000 events over 5,000 keys', () => {
  it('is a workload that needs order and memory', () => {
    expect(ledger.events).toBe(stream.length);
    expect(ledger.events).toBeGreaterThan(EVENTS);
    expect(ledger.duplicates).toBeGreaterThan(EVENTS * 0.02);
    expect(ledger.dead).toBe(33);
    const accounts = ledger.partitions.flatMap(({ states }) => [...states.values()]);
    expect(accounts.length).toBeGreaterThan(4_990);
    // In stream order the same events leave other balances behind.
    const unordered = expected(stream, { ...ledgerRules, order: 'none' });
    const differ = ledger.partitions.flatMap(({ states }, p) =>
      [...states].filter(
        ([key, { state }]) => !isDeepStrictEqual(unordered.partitions[p]!.states.get(key)?.state, state),
      ),
    );
    expect(differ.length).toBeGreaterThan(200);
  });

  it('equals the fold after a clean run with the defaults', async () => {
    const node = await cluster.node(await cluster.newApp('clean', { handler: 'ledger' })).ready();
    await untilDecided(cluster.db, 'clean', ledger.events);
    await expectStored(cluster.db, 'clean', ledger);
    await node.drain();
    await expectStored(cluster.db, 'clean', ledger);
  });

  it('equals the fold with two threads of which each is killed once', async () => {
    const options = await cluster.newApp('threads', {
      handler: 'ledger',
      threads: 2,
      checkpoint: { interval: '200ms' },
    });
    const node = cluster.node(options);
    await untilDecided(cluster.db, 'threads', ledger.events * 0.2);
    await node.killThread(1);
    await node.logged('thread.lost');
    expect(await decidedEvents(cluster.db, 'threads')).toBeLessThan(ledger.events);
    await untilDecided(cluster.db, 'threads', ledger.events * 0.6);
    await node.killThread(0);
    await untilDecided(cluster.db, 'threads', ledger.events);
    await expectStored(cluster.db, 'threads', ledger);
    const { threadRestarts, partitions } = await node.status();
    expect(threadRestarts).toBe(2);
    expect(partitions.filter(({ phase }) => phase !== 'running')).toEqual([]);
    await node.drain();
    await expectStored(cluster.db, 'threads', ledger);
  });
});

describe('order none with a handler of one’s own', () => {
  const sent: FoldedEvent[] = [];
  const rules: Rules<Tally> = {
    order: 'none',
    meaning: ownMeaning,
    initial: () => ({ count: 0, sum: 0, largest: 0 }),
    fold: ({ count, sum, largest }, event) => {
      const { amount } = event.data as { amount: number };
      if (amount < 0) throw new Error('no such movement');
      if (amount >= LARGE) sent.push(event);
      return { count: count + 1, sum: sum + amount, largest: Math.max(largest, amount) };
    },
  };

  it('equals the fold after kill -9 in the middle, and sends every output once', async () => {
    const wanted = expected(stream, rules);
    const options = await cluster.newApp('tally', {
      handler: TALLY,
      order: { mode: 'none' },
      checkpoint: { interval: '100ms' },
    });
    const first = cluster.node(options);
    await untilDecided(cluster.db, 'tally', wanted.events * 0.3);
    await first.kill();
    expect(await decidedEvents(cluster.db, 'tally')).toBeLessThan(wanted.events);
    const second = await cluster.node(options).ready();
    await untilDecided(cluster.db, 'tally', wanted.events);
    const outboxes = (): Promise<string[]> => cluster.db.keys('millrace:{tally:*:outbox');
    await until(async () => (await outboxes()).length === 0, 20_000, 'empty outboxes');
    await expectStored(cluster.db, 'tally', wanted);
    await second.drain();
    await expectStored(cluster.db, 'tally', wanted);

    const outputs = (await capture(cluster.nc, 'OUT')).map(({ body }) => body.toString());
    const bodies = sent.map(({ id, key, data }) =>
      JSON.stringify({ id, key, amount: (data as { amount: number }).amount }),
    );
    expect(bodies.length).toBeGreaterThan(1_000);
    expect(outputs.sort()).toEqual(bodies.sort());
  });
});

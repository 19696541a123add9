/**
 * A settle window that is too short for the disorder, and a memory that is too small for the keys. What is late is
 * judged by key. An undisturbed run decides it as the documentation computes it; after a kill an event that waits for
 * its key's state is held once more, so that fewer are late, never others, and all that is applied is in order.
 */
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type Captured, capture } from '../support/capture.js';
import { Cluster } from '../support/cluster.js';
import { ledgerRules } from '../support/meanings.js';
import { type Expected, type ExpectedDead, expected } from '../support/oracle.js';
import { decidedEvents, expectStored, untilDecided } from '../support/redis-state.js';
import { until } from '../support/until.js';
import { makeWorkload, publishAll } from '../support/workload.js';

// Every wait inside has a deadline of its own; this one is for slow machines.
vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 });

const EVENTS = 60_000;

let cluster: Cluster;
let stream: Captured[];
let wanted: Expected;

beforeAll(async () => {
  cluster = await Cluster.start();
  await cluster.addStream('EVENTS', ['events.*']);
  const from = Date.now() - EVENTS - 60_000;
  await publishAll(cluster.nc, makeWorkload({ seed: 12, events: EVENTS, keys: 1_500, from, poison: 22 }));
  stream = await capture(cluster.nc, 'EVENTS');
  wanted = expected(stream, { ...ledgerRules, settleMs: 300, late: 'dead-letter' });
});

afterAll(() => cluster.stop());

const lateOf = ({ partitions }: Expected): ExpectedDead[] =>
  partitions.flatMap(({ dead }) => [...dead.values()]).filter(({ code }) => code === 'EVENT_LATE');

/** Stream sequences of the late events that are dead letters of a partition. */
async function lateSequences(partition: number): Promise<number[]> {
  const letters = await cluster.db.hvals(`millrace:{late:${partition}}:dead`);
  const read = letters.map((text) => JSON.parse(text) as { code: string; sequence: number });
  return read.filter(({ code }) => code === 'EVENT_LATE').map(({ sequence }) => sequence);
}

describe('a window of 300 ms for a disorder of a second', () => {
  it('makes some events late, by their key and not by their partition', () => {
    const late = lateOf(wanted);
    expect(late.length).toBeGreaterThan(200);
    expect(late.length).toBeLessThan(EVENTS / 4);
  });

  it('leaves every key in order after kills, and makes nothing late that was not', async () => {
    const options = await cluster.newApp('late', {
      handler: 'ledger',
      threads: 2,
      order: { settle: '300ms' },
      checkpoint: { interval: '20ms', bytes: '16KiB' },
    });
    for (const share of [0.2, 0.4, 0.6]) {
      const node = cluster.node(options);
      await untilDecided(cluster.db, 'late', wanted.events * share);
      if (share === 0.4) await node.killThread(1);
      if (share === 0.4) await untilDecided(cluster.db, 'late', wanted.events * 0.5);
      await node.kill();
      expect(await decidedEvents(cluster.db, 'late')).toBeLessThan(wanted.events);
    }
    const last = await cluster.node(options).ready();
    await untilDecided(cluster.db, 'late', wanted.events);
    const late = new Set<number>();
    for (const [p, { dead }] of wanted.partitions.entries())
      for (const sequence of await lateSequences(p)) {
        late.add(sequence);
        expect(dead.get(sequence)?.code).toBe('EVENT_LATE');
      }
    expect(late.size).toBeGreaterThan(lateOf(wanted).length * 0.8);
    const stored = expected(stream, { ...ledgerRules, late });
    await expectStored(cluster.db, 'late', stored);
    await last.drain();
    await expectStored(cluster.db, 'late', stored);
  });

  it('leaves the same state although hardly any key stays in memory', async () => {
    const options = await cluster.newApp('small', {
      handler: 'ledger',
      order: { settle: '300ms' },
      limits: { residentKeys: 5 },
      checkpoint: { interval: '20ms', bytes: '16KiB' },
    });
    const node = await cluster.node(options).ready();
    await untilDecided(cluster.db, 'small', wanted.events);
    await expectStored(cluster.db, 'small', wanted);
    await node.drain();
    await expectStored(cluster.db, 'small', wanted);
  });

  it('a drain stores everything that no checkpoint has stored', async () => {
    const options = await cluster.newApp('drained', {
      handler: 'ledger',
      order: { settle: '300ms' },
      checkpoint: { interval: '60s', bytes: '4MiB' },
    });
    const node = await cluster.node(options).ready();
    const decided = async (): Promise<number> => {
      const { partitions } = await node.status();
      return partitions.reduce((total, { report }) => {
        if (report === undefined) return total;
        const { applied, duplicates, dead } = report.counters;
        return total + applied + duplicates + Object.values(dead).reduce((sum, count) => sum + count, 0);
      }, 0);
    };
    await until(async () => (await decided()) === wanted.events, 20_000, 'the decision about every event');
    expect(await decidedEvents(cluster.db, 'drained')).toBeLessThan(wanted.events);
    await node.drain();
    await expectStored(cluster.db, 'drained', wanted);
  });
});

/** The main job on real servers, in a process of its own: final state of every key equals an independent fold. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Captured, capture } from '../support/capture.js';
import { Cluster } from '../support/cluster.js';
import { ledgerRules } from '../support/meanings.js';
import { type Expected, expected } from '../support/oracle.js';
import { expectStored, untilDecided } from '../support/redis-state.js';
import { makeWorkload, publishAll } from '../support/workload.js';

const EVENTS = 200_000;

let cluster: Cluster;
let stream: readonly Captured[];
let ledger: Expected;

beforeAll(async () => {
  cluster = await Cluster.start();
  await cluster.addStream('EVENTS', ['events.*']);
  const from = Date.now() - EVENTS - 60_000;
  await publishAll(cluster.nc, makeWorkload({ seed: 1, events: EVENTS, keys: 5_000, from, poison: 33 }));
  stream = await capture(cluster.nc, 'EVENTS');
  ledger = expected(stream, ledgerRules);
});

afterAll(() => cluster.stop());

describe('a ledger of 200,000 events over 5,000 keys', () => {
  it('the workload is what it should be', () => {
    expect(ledger.events).toBe(stream.length);
    expect(ledger.events).toBeGreaterThan(EVENTS);
    expect(ledger.duplicates).toBeGreaterThan(EVENTS * 0.02);
    expect(ledger.dead).toBe(33);
    const refused = ledger.partitions.flatMap(({ states }) =>
      [...states.values()].map(({ state }) => state as { refused: number }),
    );
    expect(refused.length).toBeGreaterThan(4_900);
    expect(refused.reduce((total, account) => total + account.refused, 0)).toBeGreaterThan(EVENTS * 0.05);
  });

  it('equals the fold after a clean run', async () => {
    const node = await cluster.node(await cluster.newApp('clean', { handler: 'ledger' })).ready();
    await untilDecided(cluster.db, 'clean', ledger.events);
    await expectStored(cluster.db, 'clean', ledger);
    await node.drain();
    await expectStored(cluster.db, 'clean', ledger);
  });
});

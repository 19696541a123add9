/** F20: the same id again, soon, late, with another body; with kill -9 in between, so that the index is a stored one. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Cluster } from '../support/cluster.js';
import { readRecords, untilDecided } from '../support/redis-state.js';
import { type Message, publishBatch } from '../support/workload.js';

const APP = 'repeats';
const SECOND = 1_000;

let cluster: Cluster;

beforeAll(async () => {
  cluster = await Cluster.start();
});

afterAll(() => cluster.stop());

it('F20: an id is a repetition within the horizon of event time, and a new event beyond it', async () => {
  await cluster.addStream('EVENTS', ['events.*']);
  const options = await cluster.newApp(APP, {
    handler: 'ledger',
    partitions: 1,
    order: { settle: '1s', idle: '200ms' },
    dedupe: { horizon: '30s' },
    checkpoint: { interval: '50ms' },
  });
  // Always the same bodies: of many that differ, one is taken for the same.
  const start = Date.UTC(2026, 0, 1);
  const event = (id: string, seconds: number, amount: number, key = 'account-1'): Message => ({
    subject: `events.${key}`,
    body: JSON.stringify({ id, time: start + seconds * SECOND, type: 'deposit', data: { amount } }),
  });
  const steps: readonly { readonly events: readonly Message[]; readonly after: Partial<Tally> }[] = [
    { events: [event('a', 0, 1), event('b', 0, 10)], after: { applied: 2, balance: 11 } },
    // Soon, as it was: a duplicate.
    { events: [event('a', 0, 1)], after: { applied: 2, duplicates: 1, balance: 11 } },
    // With another body: a duplicate and a conflict, the first body counts.
    { events: [event('a', 0, 500)], after: { applied: 2, duplicates: 2, conflicts: 1, balance: 11 } },
    // An id belongs to its key.
    { events: [event('a', 1, 7, 'account-2')], after: { applied: 3, duplicates: 2, balance: 11 } },
    // 29 s later in event time it is still known, whatever time the repetition itself claims.
    { events: [event('c', 29, 100), event('b', 29, 10)], after: { applied: 4, duplicates: 3, balance: 111 } },
    // Beyond the horizon of what came since, it is an event like any other.
    { events: [event('d', 90, 1_000)], after: { applied: 5, balance: 1_111 } },
    { events: [event('a', 91, 1)], after: { applied: 6, duplicates: 3, balance: 1_112 } },
    { events: [event('a', 92, 1)], after: { applied: 6, duplicates: 4, conflicts: 3, balance: 1_112 } },
  ];
  let decided = 0;
  for (const { events, after } of steps) {
    const node = await cluster.node(options).ready();
    await publishBatch(cluster.nc, events);
    decided += events.length;
    await untilDecided(cluster.db, APP, decided, 20_000, 1);
    await node.kill();
    expect(await tally()).toMatchObject(after);
  }
  const node = await cluster.node(options).ready();
  await node.drain();
  expect(await tally()).toMatchObject({ applied: 6, duplicates: 4, balance: 1_112 });
});

interface Tally {
  readonly applied: number;
  readonly duplicates: number;
  readonly conflicts: number;
  readonly balance: number;
}

async function tally(): Promise<Tally> {
  const [record] = await readRecords(cluster.db, APP, 1);
  const text = await cluster.db.hget(`millrace:{${APP}:0}:state`, 'account-1');
  const { applied, duplicates, conflicts } = record!.counters;
  return { applied, duplicates, conflicts, balance: (JSON.parse(text!) as { state: Tally }).state.balance };
}

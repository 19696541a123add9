/** A stream as it lives: events in real time, each up to a second late, while their node stops, dies and comes back. */
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { capture } from '../support/capture.js';
import { Cluster } from '../support/cluster.js';
import { ledgerRules } from '../support/meanings.js';
import { expected } from '../support/oracle.js';
import { decidedEvents, expectStored, untilDecided } from '../support/redis-state.js';
import { until } from '../support/until.js';
import { type Message, makeWorkload } from '../support/workload.js';

// Every wait inside has a deadline of its own; this one is for slow machines.
vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 });

const SECONDS = 9;
const PER_SECOND = 1_500;
const WINDOW_MS = 3_000;

let cluster: Cluster;

beforeAll(async () => {
  cluster = await Cluster.start();
});

afterAll(() => cluster.stop());

/** Publishes each event when its time has come, or up to a second later. Settles when all are in the stream. */
async function live(seed: number, prefix: string): Promise<void> {
  const from = Date.now();
  // A window of one event keeps the order of the times; the disorder is made by the delays.
  const workload = makeWorkload({ seed, events: SECONDS * PER_SECOND, keys: 200, from, disorderMs: 1, prefix });
  const bodies = new Map<string, string>();
  const queue = workload.flat().map(({ subject, body: made }, n): [number, Message] => {
    const happened = (n * 1_000) / PER_SECOND;
    const late = ((n * 7_919) % 97) * 10;
    const text = made as string;
    const { id } = JSON.parse(text) as { id: string };
    const body = bodies.get(id) ?? text.replace(/"time":("[^"]+"|\d+)/, `"time":${Math.floor(from + happened)}`);
    bodies.set(id, body);
    return [happened + late, { subject, body }];
  });
  queue.sort(([a], [b]) => a - b);
  for (const [due, { subject, body }] of queue) {
    const wait = from + due - Date.now();
    if (wait > 2) await delay(wait); // real time is what this test is about
    cluster.nc.publish(subject, body);
  }
  await cluster.nc.flush();
}

it('nothing is late although the node stands still for seconds, is drained, is killed', async () => {
  await cluster.addStream('LIVE', ['live.*']);
  const options = await cluster.newApp('live', {
    handler: 'ledger',
    threads: 2,
    stream: { name: 'LIVE', subjects: 'live.*' },
    checkpoint: { interval: '100ms' },
    // Long enough for a publisher that a busy machine holds up.
    order: { settle: `${WINDOW_MS}ms`, idle: `${WINDOW_MS}ms` },
  });
  let node = await cluster.node(options).ready();
  const publishing = live(10, 'live');
  const decided = (): Promise<number> => decidedEvents(cluster.db, 'live');
  const reach = (share: number): Promise<void> =>
    until(async () => (await decided()) > SECONDS * PER_SECOND * share, 20_000, `${share} of the events`);

  await reach(0.1);
  node.signal('SIGSTOP');
  const missed = (await cluster.lastSequence('LIVE')) + 2 * PER_SECOND;
  await until(async () => (await cluster.lastSequence('LIVE')) > missed, 20_000, 'events that the node does not see');
  node.signal('SIGCONT');
  await reach(0.35);
  await node.drain();
  node = await cluster.node(options).ready();
  await reach(0.5);
  await node.killThread(0);
  await reach(0.65);
  await node.kill();
  node = await cluster.node(options).ready();

  await publishing;
  const rules = { ...ledgerRules, settleMs: WINDOW_MS, idleMs: WINDOW_MS };
  const wanted = expected(await capture(cluster.nc, 'LIVE'), rules);
  expect(wanted.events).toBeGreaterThan(SECONDS * PER_SECOND);
  // The last events are not held for ever: the partitions fall quiet.
  await untilDecided(cluster.db, 'live', wanted.events, 10_000);
  await expectStored(cluster.db, 'live', wanted);
  await node.drain();
  await expectStored(cluster.db, 'live', wanted);
});

/** F2 among several nodes: a thread that spins for ever. Its node says that it is stalled, and the others take its share. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { capture } from '../support/capture.js';
import { Cluster } from '../support/cluster.js';
import { ownMeaning } from '../support/meanings.js';
import { expected, partitionFor } from '../support/oracle.js';
import { expectStored, untilDecided } from '../support/redis-state.js';
import { countLines, untilShared } from '../support/shares.js';
import { publishBatch } from '../support/workload.js';

// Every wait inside has a deadline of its own; this one is for slow machines.
vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 });

const PARTITIONS = 8;
const APP = 'spin';
const keys = Array.from({ length: 40 }, (_, n) => `account-${n}`);

let cluster: Cluster;
let dir: string;
let ids = 0;

beforeAll(async () => {
  cluster = await Cluster.start();
  dir = await mkdtemp(join(tmpdir(), 'millrace-spin-'));
});

afterAll(async () => {
  await cluster.stop();
  await rm(dir, { recursive: true, force: true });
});

function publish(of: readonly string[], trouble?: 'spin'): Promise<unknown> {
  const batch = of.map((key) => {
    const data = { type: 'deposit', amount: ++ids, ...(trouble === undefined ? {} : { trouble }) };
    return { subject: `${APP}.${key}`, body: JSON.stringify({ id: `e${ids}`, time: Date.now(), data }) };
  });
  return publishBatch(cluster.nc, batch);
}

it('F2: its partitions move to the node that makes progress, whose own are not disturbed', async () => {
  await cluster.addStream('SPIN', [`${APP}.*`]);
  const options = await cluster.newApp(APP, {
    handler: fileURLToPath(new URL('./troubled-actor.js', import.meta.url)),
    handlerOptions: { marker: join(dir, 'marker') },
    stream: { name: 'SPIN', subjects: `${APP}.*` },
    partitions: PARTITIONS,
    order: { mode: 'none' },
    checkpoint: { interval: '50ms' },
    cluster: { lease: '1s' },
  });
  // It is not ended before the others have noticed.
  const spinning = cluster.node({ ...options, node: 'spinning' }, { silentMsMax: 12_000 });
  const healthy = cluster.node({ ...options, node: 'healthy' });
  const [own] = await untilShared([spinning, healthy], PARTITIONS);
  await publish(keys);
  await publish([keys.find((key) => own!.includes(partitionFor(key, PARTITIONS)))!], 'spin');
  await publish(keys);
  await untilShared([healthy], PARTITIONS);
  expect(countLines([spinning], 'thread.lost')).toBe(0);
  await publish(keys);
  const rules = {
    partitions: PARTITIONS,
    order: 'none',
    meaning: ownMeaning,
    initial: () => ({ sum: 0, count: 0 }),
    fold: ({ sum, count }: { sum: number; count: number }, { data }: { data: unknown }) => ({
      sum: sum + (data as { amount: number }).amount,
      count: count + 1,
    }),
  } as const;
  const wanted = async () => expected(await capture(cluster.nc, 'SPIN'), rules);
  const { events } = await wanted();
  await untilDecided(cluster.db, APP, events, 30_000, PARTITIONS);
  const { partitions } = await healthy.status();
  expect(partitions.filter(({ recoveries }) => recoveries > 0)).toEqual([]);

  // The thread is ended and replaced, and the node has a share again.
  await spinning.logged('thread.silent');
  await untilShared([spinning, healthy], PARTITIONS);
  await publish(keys);
  const whole = await wanted();
  await untilDecided(cluster.db, APP, whole.events, 30_000, PARTITIONS);
  await spinning.drain();
  await healthy.drain();
  await expectStored(cluster.db, APP, whole);
});

/** F15: nats-server loses its tail and uses the numbers again, for every version at hand, under a whole node. */
import { cp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { NatsConnection } from '@nats-io/nats-core';
import { describe, expect, it } from 'vitest';
import type { ServerBinary } from '../../src/services/binaries.js';
import { capture } from '../support/capture.js';
import { Cluster } from '../support/cluster.js';
import { ledgerRules } from '../support/meanings.js';
import { natsBinaries } from '../support/nats-binaries.js';
import type { NodeProcess } from '../support/node-process.js';
import { expected } from '../support/oracle.js';
import { expectStored, readRecords, untilDecided } from '../support/redis-state.js';
import { until } from '../support/until.js';
import { makeWorkload, publishAll } from '../support/workload.js';

const binaries = await natsBinaries();
const EVENTS = 3_000;
const APP = 'tail';

async function back(nc: NatsConnection): Promise<void> {
  const isBack = (): Promise<boolean> =>
    nc.rtt().then(
      async () => (await nc.request('$JS.API.INFO', '', { timeout: 1_000 }).catch(() => undefined)) !== undefined,
      () => false,
    );
  await until(isBack, 30_000, 'the connection to NATS');
}

/** Publishes events that are newer than those of the parts before. */
async function publish(cluster: Cluster, part: number, events: number): Promise<void> {
  const from = Date.now() - (10 - part) * 60_000;
  await publishAll(cluster.nc, makeWorkload({ seed: part, events, keys: 300, from, name: `${part}`, disorderMs: 500 }));
}

async function allHalted(node: NodeProcess): Promise<void> {
  const isHalted = async (): Promise<boolean> =>
    (await node.status()).partitions.every(({ phase }) => phase === 'halted');
  await until(isHalted, 30_000, 'partitions that stand still');
  const { partitions } = await node.status();
  expect(new Set(partitions.map(({ fault }) => fault?.code))).toEqual(new Set(['REGRESSION']));
}

async function losesItsTail(binary: ServerBinary): Promise<void> {
  const cluster = await Cluster.start({ natsBinary: binary });
  try {
    await cluster.addStream('EVENTS', ['events.*']);
    const options = await cluster.newApp(APP, { handler: 'ledger', checkpoint: { interval: '50ms' } });
    const data = join(cluster.nats.dir, 'jetstream');
    const copy = join(cluster.nats.dir, 'copy');
    await publish(cluster, 1, EVENTS);
    const first = await cluster.node(options).ready();
    await untilDecided(cluster.db, APP, EVENTS);
    await first.drain();
    await cluster.nats.stop();
    await cp(data, copy, { recursive: true });
    await cluster.nats.restart();
    await back(cluster.nc);
    await publish(cluster, 2, EVENTS);
    const before = await capture(cluster.nc, 'EVENTS');
    const node = await cluster.node(options).ready();
    await untilDecided(cluster.db, APP, before.length);

    // The tail is lost under the running node, and its numbers are used again at once, and more of them.
    await cluster.nats.kill();
    await rm(data, { recursive: true });
    await cp(copy, data, { recursive: true });
    await cluster.nats.restart();
    await back(cluster.nc);
    await publish(cluster, 3, 2 * EVENTS);
    await allHalted(node);
    await node.drain();
    const untouched = expected(before, ledgerRules);
    await expectStored(cluster.db, APP, untouched);
    const careful = await cluster.node(options).ready();
    await allHalted(careful);
    await careful.drain();
    await expectStored(cluster.db, APP, untouched);

    const kept = (await capture(cluster.nc, 'EVENTS')).filter(({ timeMs }) => timeMs <= before.at(-1)!.timeMs);
    const anew = (await capture(cluster.nc, 'EVENTS')).slice(kept.length);
    expect(kept.length).toBeLessThan(before.length);
    expect(kept.at(-1)!.body.equals(before[kept.length - 1]!.body)).toBe(true);
    const wanted = expected([...before, ...anew], ledgerRules);
    const careless = await cluster.node({ ...options, acceptGap: true }).ready();
    await untilDecided(cluster.db, APP, wanted.events);
    await expectStored(cluster.db, APP, wanted);
    await careless.drain();
    await expectStored(cluster.db, APP, wanted);
    const gaps = (await readRecords(cluster.db, APP)).map((record) => JSON.stringify(record?.gaps));
    expect(new Set(gaps)).toEqual(new Set([JSON.stringify([kept.length + 1, before.length])]));
  } finally {
    await cluster.stop();
  }
}

describe('F15: a stream that has lost its tail', () => {
  it.concurrent.each(binaries.map((binary) => [binary.version, binary] as const))(
    'stops every partition before an event is applied, and goes on with acceptGap (nats-server %s)',
    (_, binary) => losesItsTail(binary),
  );
});

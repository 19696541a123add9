/** A faulted run on JetStream and Redis. */
import { capture } from '../support/capture.js';
import { Cluster } from '../support/cluster.js';
import { publishBatch } from '../support/workload.js';
import type { Arena } from './arena.js';
import { FaultyWorld } from './fault-kinds.js';

export async function openServicesArena(): Promise<Arena> {
  const cluster = await Cluster.start();
  await cluster.addStream('EVENTS', ['events.*']);
  return {
    stored: cluster.db,
    app: (name, input) => cluster.newApp(name, input),
    node: (options) => cluster.node(options),
    async publish(batch) {
      await publishBatch(cluster.nc, batch);
    },
    capture: () => capture(cluster.nc, 'EVENTS'),
    faults: (random, options, exclusively) => FaultyWorld.start(cluster, random, options, exclusively),
    stop: () => cluster.stop(),
  };
}

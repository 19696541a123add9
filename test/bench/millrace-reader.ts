/** The whole pipeline as a user runs it: a node with its threads, draining the stream into Redis. */
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { connect } from '@nats-io/transport-node';
import { createBucket } from '../../src/adapters/nats/kv-bucket.js';
import { composeNode } from '../../src/compose/node.js';
import { defaultOptions } from '../../src/options/resolve.js';
import { PARTITIONS, STREAM } from './fill-stream.js';
import { Meter } from './meter.js';
import { readerTask, report } from './readers.js';

/** Each look takes as long as several events. */
const POLL_MS = 20;

const { bench, app, stream, servers, threads } = readerTask();
const { order, dedupe, checkpoint, spin, ...own } = bench.pipeline!;
const connection = await connect({ servers: servers.nats.url });
await createBucket(connection, app, 1);
await connection.close();

const options = defaultOptions({
  app,
  nats: { url: servers.nats.url },
  redis: { url: servers.redis.url },
  stream: { name: STREAM },
  handler: spin === undefined ? 'ledger' : fileURLToPath(new URL('./spinning-handler.js', import.meta.url)),
  handlerOptions: spin === undefined ? {} : { micros: spin },
  partitions: PARTITIONS,
  threads: own.threads ?? threads,
  order: { mode: order },
  dedupe: { idempotent: !dedupe },
  checkpoint: { interval: checkpoint },
});
const composed = await composeNode(options, (level, event, fields) => {
  if (level === 'warn' || level === 'error') console.error(event, fields);
});
const { node } = composed;
const meter = new Meter({ nats: servers.nats.pid, redis: servers.redis.pid });
meter.start();
const starting = node.start();
while (node.status().eventsRead === 0) {
  meter.start();
  await delay(POLL_MS);
}
await starting;

// The router's credits are all back: the threads have taken in everything, and the closers have released it.
while (node.status().eventsRead < stream.messages || node.status().inFlightBytes > 0) await delay(POLL_MS);
meter.last();

const expected = !dedupe && order !== 'sequence' ? stream.messages : stream.messages - stream.duplicates;
while (applied() < expected) await delay(POLL_MS);
await composed.close();
report(meter.result(bench.name, stream.messages));

function applied(): number {
  return node.status().partitions.reduce((sum, { report }) => sum + (report?.counters.applied ?? 0), 0);
}

/**
 * BullMQ, as a stand-in for queues on Redis: a job per event, added beforehand, and a worker that runs the script of
 * the ledger written by hand. Measured is what the worker does; adding the jobs is not, as publishing is not elsewhere.
 */
import { connect } from '@nats-io/transport-node';
import { Meter } from './meter.js';
import { loadPeer } from './peers.js';
import { readerTask, report } from './readers.js';
import { ScriptedLedger } from './scripted-ledger.js';
import type { StreamEvent } from './stream-events.js';
import { streamEvents } from './stream-events.js';

interface Job {
  readonly name: string;
  readonly data: StreamEvent;
  readonly opts: object;
}

interface Queue {
  addBulk(jobs: readonly Job[]): Promise<unknown>;
  getJobCountByTypes(...types: readonly string[]): Promise<number>;
  close(): Promise<void>;
}

interface Worker {
  on(event: 'completed' | 'failed' | 'error', listener: (...args: readonly unknown[]) => void): void;
  run(): Promise<void>;
  close(): Promise<void>;
}

interface BullMq {
  readonly Queue: new (name: string, options: object) => Queue;
  readonly Worker: new (name: string, process: (job: Job) => Promise<void>, options: object) => Worker;
}

const QUEUE = 'events';
const BULK = 1_000;

const { bench, stream, servers, peers } = readerTask();
const { Queue, Worker } = await loadPeer<BullMq>(peers!, 'bullmq');
const { hostname: host, port } = new URL(servers.redis.url);
const redis = { host, port: Number(port), protocol: 2, maxRetriesPerRequest: null };
const queue = new Queue(QUEUE, { connection: redis });
const jobs = await fill();

const ledger = new ScriptedLedger(servers.redis.url);
const meter = new Meter({ nats: servers.nats.pid, redis: servers.redis.pid });
let completed = 0;
const options = { connection: redis, concurrency: bench.underWay, autorun: false };
const worker = new Worker(QUEUE, ({ data }) => ledger.apply(data.key, data.body), options);
await new Promise<void>((resolve, reject) => {
  worker.on('completed', () => {
    if (++completed === jobs) resolve();
  });
  worker.on('failed', (_, error) => reject(error));
  worker.on('error', reject);
  meter.start();
  worker.run().catch(reject);
});
meter.last();
report(meter.result(bench.name, jobs));
await worker.close();
await queue.close();
await ledger.check(stream);
ledger.close();

/** Adds a job for each of the first events; answers how many there are, since a repeated id is not added again. */
async function fill(): Promise<number> {
  const connection = await connect({ servers: servers.nats.url });
  let bulk: Job[] = [];
  for await (const event of streamEvents(connection, stream.messages)) {
    const { id } = JSON.parse(event.body) as { id: string };
    bulk.push({ name: 'event', data: event, opts: { jobId: id, removeOnComplete: true } });
    if (bulk.length < BULK) continue;
    await queue.addBulk(bulk);
    bulk = [];
  }
  if (bulk.length > 0) await queue.addBulk(bulk);
  await connection.close();
  return queue.getJobCountByTypes('waiting');
}

/**
 * A host alone, in this thread: batches that were made beforehand, its actors, and a real Redis. What it measures is the
 * work per event of the thread side, whatever else the machine does: the clock of checkpoints counts events, at
 * `--rate` (150,000) a second, so a busy machine makes neither more commits nor fewer.
 *
 *   node --max-semi-space-size=32 dist/test/bench/thread.js [--events 300000] [--keys 100000] [--order time|none] [--rate N]
 *
 * The flag gives it the room for young objects that a host's thread has. `none` is without dedupe. It does not measure the router, NATS, nor the way between threads. Collections run partly in
 * helper threads: "process" counts them, "thread" does not.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { RedisCheckpointStore } from '../../src/adapters/redis/redis-checkpoint-store.js';
import { connectRedis, untilRedisReady } from '../../src/adapters/redis/redis-connection.js';
import { systemClock } from '../../src/adapters/system/system-clock.js';
import { hostOptions } from '../../src/compose/host-options.js';
import { partitionOf } from '../../src/core/key/partition.js';
import { ledger } from '../../src/handlers/ledger.js';
import { Host } from '../../src/host/host.js';
import type { HostOptions } from '../../src/host/host-options.js';
import { defaultOptions } from '../../src/options/resolve.js';
import { BatchWriter } from '../../src/protocol/batch.js';
import type { HostToMain, MainToHost } from '../../src/protocol/messages.js';
import { locateServers } from '../../src/services/binaries.js';
import { startRedisServer } from '../../src/services/redis-server.js';
import { EVENTS_PER_MS, generate, PARTITIONS, STREAM } from './fill-stream.js';
import { threadMicros } from './meter.js';

type Batch = Extract<MainToHost, { kind: 'batch' }>;

const BATCH_BYTES = 256 * 1024;
/** Batches under way. */
const CREDITS = 4;

const text = { type: 'string' } as const;
const { values } = parseArgs({ options: { events: text, keys: text, order: text, rate: text } });
const events = Number(values.events ?? 300_000);
const rate = Number(values.rate ?? 150_000);
const order = values.order === 'none' ? 'none' : 'time';

const { batches, duplicates } = await makeBatches(events, Number(values.keys ?? 100_000));
const total = batches.reduce((sum, { count }) => sum + count, 0);
const dir = await mkdtemp(join(tmpdir(), 'millrace-thread-'));
const server = await startRedisServer({ binary: (await locateServers()).redis, dir });
const redis = connectRedis({ url: server.url, commandTimeoutMs: 10_000 });
try {
  await untilRedisReady(redis, 5_000);
  await run();
} finally {
  redis.disconnect();
  await server.stop();
  await rm(dir, { recursive: true, force: true });
}

async function run(): Promise<void> {
  let claimed = 0;
  let sent = 0;
  let done = 0;
  let taken = 0;
  let start = { cpu: process.cpuUsage(), thread: threadMicros() };
  const applied = new Map<number, number>();
  let finish: () => void = () => undefined;
  const finished = new Promise<void>((resolve) => {
    finish = resolve;
  });
  const feed = (): void => {
    while (sent < batches.length && sent - done < CREDITS) {
      const batch = batches[sent++]!;
      setImmediate(() => host.receive(batch));
    }
  };
  const post = (message: HostToMain): void => {
    if (message.kind === 'claimed') {
      const { partition, epoch, position, anchor } = message;
      host.receive({ kind: 'run', partition, epoch, position, anchor, gap: [] });
      if (++claimed < PARTITIONS) return;
      start = { cpu: process.cpuUsage(), thread: threadMicros() };
      feed();
    } else if (message.kind === 'done') {
      taken += message.count;
      if (++done === batches.length) finish();
      else feed();
    } else if (message.kind === 'report') {
      for (const { partition, counters } of message.partitions) applied.set(partition, counters.applied);
      if (taken === total && sum(applied) === expected) reported();
    } else if (message.kind === 'drained') drained();
    else if (message.kind === 'stopped' || message.kind === 'refused') throw new Error(message.fault.message);
  };
  const host = new Host(benchOptions(), {
    store: new RedisCheckpointStore({ app: 'bench', redis }),
    handler: ledger.create({}),
    clock: { ...systemClock, elapsed: () => (taken * 1000) / rate },
    log: (level, event, fields) => {
      if (level === 'warn' || level === 'error') console.error(event, fields);
    },
    post,
    defer: setImmediate,
    nonce: () => 'b'.repeat(32),
    heapBytes: () => 0,
  });
  // The closers are the newest events of their partitions: nothing comes that would release them.
  const expected = order === 'none' ? total : total - duplicates - PARTITIONS;
  let reported: () => void = () => undefined;
  let drained: () => void = () => undefined;
  const allStored = new Promise<void>((resolve) => {
    drained = resolve;
  });
  const allApplied = new Promise<void>((resolve) => {
    reported = resolve;
  });
  for (let partition = 0; partition < PARTITIONS; partition++)
    host.receive({ kind: 'claim', partition, epoch: 1, origin: undefined, first: 1, acceptGap: false } as MainToHost);
  await finished;
  const { user, system } = process.cpuUsage(start.cpu);
  const thread = (threadMicros() ?? 0) - (start.thread ?? 0);
  await allApplied;
  const perEvent = (micros: number): string => (micros / total).toFixed(2);
  console.log(
    `${order}: ${total} events, CPU µs per event: thread ${perEvent(thread)}, process ${perEvent(user + system)}`,
  );
  host.receive({ kind: 'drain' });
  await allStored;
}

function sum(counts: ReadonlyMap<number, number>): number {
  return [...counts.values()].reduce((total, count) => total + count, 0);
}

async function makeBatches(count: number, keys: number): Promise<{ batches: Batch[]; duplicates: number }> {
  const made: Batch[] = [];
  const begun = Date.now() - count / EVENTS_PER_MS;
  const bytes = new TextEncoder();
  let writer = new BatchWriter(new ArrayBuffer(BATCH_BYTES * 1.25));
  let sequence = 0;
  let time = begun;
  const flush = (): void => {
    const { buffer, length, count: inBatch } = writer.take();
    const anchor = { sequence, time: `${Math.floor(time)}000000` };
    made.push({ kind: 'batch', stream: 0, buffer, length, count: inBatch, anchor, streamTime: time });
    writer = new BatchWriter(new ArrayBuffer(BATCH_BYTES * 1.25));
  };
  const found = await generate({ events: count, keys, form: 'json' }, async (key, body) => {
    time = begun + ++sequence / EVENTS_PER_MS;
    const subject = bytes.encode(`events.${key}`);
    writer.add(partitionOf(key, PARTITIONS), sequence, time, subject, undefined, bytes.encode(body));
    if (writer.length >= BATCH_BYTES) flush();
  });
  if (writer.count > 0) flush();
  return { batches: made, duplicates: found };
}

function benchOptions(): HostOptions {
  const options = defaultOptions({
    ...{ app: 'bench', partitions: PARTITIONS, order: { mode: order } },
    dedupe: { idempotent: order === 'none' },
  });
  return hostOptions(options, [[{ stream: STREAM, base: 0 }]], 0);
}

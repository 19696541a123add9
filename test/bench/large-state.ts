/**
 * How long a node takes to start over a large state, and what it holds of it: `--keys N` (2,000,000) keys in Redis,
 * events for a hundred of them, and a start in a fresh process; then kill -9, events for a hundred keys, and another start.
 *
 * Run with `node dist/test/bench/large-state.js`. It does not measure filling, nor the start of the servers.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { BroadcastChannel } from 'node:worker_threads';
import type { NatsConnection } from '@nats-io/nats-core';
import { connect } from '@nats-io/transport-node';
import { RedisCheckpointStore } from '../../src/adapters/redis/redis-checkpoint-store.js';
import { connectRedis, untilRedisReady } from '../../src/adapters/redis/redis-connection.js';
import { composeNode } from '../../src/compose/node.js';
import { provision } from '../../src/compose/provision.js';
import { partitionOf } from '../../src/core/key/partition.js';
import { defaultOptions } from '../../src/options/resolve.js';
import { locateServers } from '../../src/services/binaries.js';
import { startNatsServer } from '../../src/services/nats-server.js';
import { startRedisServer } from '../../src/services/redis-server.js';
import { firstRecord } from '../support/first-record.js';
import { TOLD } from './telling-handler.js';

const PARTITIONS = 64;
const HOT_KEYS = 100;
/** After so long the next report has come, with the resident keys. */
const REPORTED_MS = 1_000;

interface Started {
  readonly startMs: number;
  /** Until the events that waited were applied. */
  readonly appliedMs: number;
  readonly rssMb: number;
  readonly residentKeys: number;
}

if (process.send !== undefined) await startNode(process.argv[2]!, process.argv[3]!, Number(process.argv[4]));
else await main();

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { keys: { type: 'string', default: '2000000' } } });
  const keys = Number(values.keys);
  const dir = await mkdtemp(join(tmpdir(), 'millrace-large-'));
  const binaries = await locateServers();
  const nats = await startNatsServer({ binary: binaries.nats, dir: join(dir, 'nats') });
  const redis = await startRedisServer({ binary: binaries.redis, dir: join(dir, 'redis') });
  try {
    await provision(defaultOptions({ nats: { url: nats.url }, redis: { url: redis.url } }), () => undefined, {
      create: true,
      move: false,
    });
    await fill(redis.url, keys);
    const connection = await connect({ servers: nats.url });
    for (const [run, words] of ['first start', 'after kill -9'].entries()) {
      publishHot(connection, run);
      await connection.flush();
      const child = fork(fileURLToPath(import.meta.url), [nats.url, redis.url, String(run)]);
      const [started] = (await once(child, 'message')) as [Started];
      child.kill('SIGKILL');
      await once(child, 'exit');
      console.log(
        `${words}, ${keys} keys in Redis, ms after the start of the process: running ${started.startMs}, waiting events ` +
          `applied ${started.appliedMs}; ${started.residentKeys} keys resident, ${started.rssMb} MB resident memory`,
      );
    }
    await connection.close();
  } finally {
    await nats.stop();
    await redis.stop();
    await rm(dir, { recursive: true, force: true });
  }
}

/** Writes one checkpoint per partition, as a node that had applied one event to every key. */
async function fill(url: string, keys: number): Promise<void> {
  const redis = connectRedis({ url, commandTimeoutMs: 60_000 });
  await untilRedisReady(redis, 10_000);
  const store = new RedisCheckpointStore({ app: 'main', redis });
  const states = Array.from({ length: PARTITIONS }, (): [string, string][] => []);
  for (let i = 0; i < keys; i++) {
    const state = { balance: i, deposits: 1, withdrawals: 0, refused: 0 };
    const envelope = { state, time: 1_700_000_000_000, id: `e${i}`, sequence: '1', applied: 1 };
    states[partitionOf(`account-${i}`, PARTITIONS)]!.push([`account-${i}`, JSON.stringify(envelope)]);
  }
  const none = { set: [], remove: [] };
  for (let partition = 0; partition < PARTITIONS; partition++) {
    const record = firstRecord(partition, PARTITIONS, { floor: 0, above: [] });
    const owner = '1:fill';
    await store.claim({ partition, owner, seen: undefined, record });
    const beside = { dedupePut: [], dedupeDrop: [], dead: none, parked: none, outbox: none };
    await store.commit({
      partition,
      owner,
      number: 1,
      record,
      state: { set: states[partition]!, remove: [] },
      ...beside,
    });
  }
  await store.close();
}

/** One event for each of the hot keys. */
function publishHot(connection: NatsConnection, run: number): void {
  for (let i = 0; i < HOT_KEYS; i++) {
    const event = { id: `hot-${run}-${i}`, type: 'deposit', data: { amount: 1 } };
    connection.publish(`events.account-${i}`, JSON.stringify(event));
  }
}

/** Starts, tells when the events of this run are applied, and goes on until it is killed. */
async function startNode(natsUrl: string, redisUrl: string, run: number): Promise<void> {
  const options = defaultOptions({
    nats: { url: natsUrl },
    redis: { url: redisUrl },
    handler: fileURLToPath(new URL('./telling-handler.js', import.meta.url)),
    handlerOptions: { run, events: HOT_KEYS },
    order: { mode: 'none' },
  });
  const told = new BroadcastChannel(TOLD);
  const applied = new Promise<number>((resolve) => {
    told.onmessage = () => resolve(Math.round(performance.now()));
  });
  const composed = await composeNode(options, () => undefined);
  await composed.node.start();
  const startMs = Math.round(performance.now());
  const appliedMs = await applied;
  told.close();
  await delay(REPORTED_MS);
  const reports = () =>
    composed.node.status().partitions.flatMap(({ report }) => (report === undefined ? [] : [report]));
  const total = (of: (report: ReturnType<typeof reports>[number]) => number): number =>
    reports().reduce((sum, report) => sum + of(report), 0);
  const rssMb = Math.round(process.memoryUsage().rss / 1e6);
  const residentKeys = total((report) => report.residentKeys);
  process.send!({ startMs, appliedMs, rssMb, residentKeys } satisfies Started);
}

/**
 * F14: two nodes on three nats-servers; the leaders of the stream and of the bucket are killed while events come.
 *
 * The newest nats-server of this machine. In 2.9 before 2.9.21 the copies of a stream may go apart when a leader dies while
 * repeated message IDs are on their way (a node then stops with REGRESSION, as it must): there are none where it is all
 * there is.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { jetstreamManager } from '@nats-io/jetstream';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import type { OptionsInput } from '../../src/options/types.js';
import { locateServers } from '../../src/services/binaries.js';
import { startRedisServer } from '../../src/services/redis-server.js';
import type { RunningServer } from '../../src/services/server-process.js';
import { type NatsTrio, provisionTrio, startNatsTrio } from '../cluster/nats-trio.js';
import { capture } from '../support/capture.js';
import { ledgerRules } from '../support/meanings.js';
import { natsBinaries } from '../support/nats-binaries.js';
import { NodeProcess } from '../support/node-process.js';
import { expected } from '../support/oracle.js';
import { expectStored, RecordWatch, untilDecided } from '../support/redis-state.js';
import { countLines, untilShared } from '../support/shares.js';
import { until } from '../support/until.js';
import { makeWorkload, SteadyPublisher } from '../support/workload.js';

// Every wait inside has a deadline of its own; this one is for slow machines.
vi.setConfig({ testTimeout: 300_000, hookTimeout: 180_000 });

const APP = 'led';
const EVENTS = 6_000;
let dir: string;
let duplicates: number;
let trio: NatsTrio;
let redis: RunningServer;
let db: Redis;
const nodes: NodeProcess[] = [];

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'millrace-leader-'));
  const binaries = await locateServers();
  const newest = (await natsBinaries()).at(-1)!;
  duplicates = newest.version.startsWith('2.9.') ? 0 : 0.03;
  trio = await startNatsTrio(newest, dir);
  redis = await startRedisServer({ binary: binaries.redis, dir: join(dir, 'redis') });
  db = new Redis(redis.url, { protocol: 2 });
});

afterAll(async () => {
  await Promise.all(nodes.map((node) => node.kill()));
  db?.disconnect();
  await trio?.stop();
  await redis?.kill();
  await rm(dir, { recursive: true, force: true });
});

/** Kills the server that leads a stream, and starts it again when another one does. */
async function loseLeader(stream: string): Promise<void> {
  const jsm = await jetstreamManager(trio.nc, { timeout: 5_000, checkAPI: false });
  /** The leader of now, as soon as there is one, and it is another one. */
  const leaderOf = async (other?: string): Promise<string> => {
    let leader = '';
    const isLed = async (): Promise<boolean> => {
      leader = (await jsm.streams.info(stream).catch(() => undefined))?.cluster?.leader ?? '';
      return leader !== '' && leader !== other;
    };
    await until(isLed, 60_000, `a leader of ${stream} that is not ${other}`);
    return leader;
  };
  const leader = await leaderOf();
  const server = trio.servers[Number(leader.slice(1))]!;
  await server.kill();
  await leaderOf(leader);
  await server.restart();
}

async function untilCaptured(): Promise<Awaited<ReturnType<typeof capture>>> {
  let captured: Awaited<ReturnType<typeof capture>> | undefined;
  await until(
    async () => {
      captured = await capture(trio.nc, 'EVENTS', 10_000).catch(() => undefined);
      return captured !== undefined;
    },
    60_000,
    'a whole reading of the stream',
  );
  return captured!;
}

it('F14: goes on where it was, in order, and no partition changes hands', async () => {
  const options: OptionsInput = {
    ...{ app: APP, handler: 'ledger', threads: 1, nats: { url: trio.url }, redis: { url: redis.url } },
    ...{ http: { port: 0 }, probes: { host: '127.0.0.1', port: 0 }, stream: { replicas: 3 } },
    ...{ order: { settle: '200ms', idle: '200ms' }, checkpoint: { interval: '50ms' }, cluster: { lease: '20s' } },
  };
  await provisionTrio(options);
  nodes.push(...['a', 'b'].map((node) => new NodeProcess({ ...options, node })));
  await untilShared(nodes);
  const watch = new RecordWatch(db, APP);
  const before = countLines(nodes, 'partition.gained');
  const from = Date.now() - EVENTS - 60_000;
  const workload = makeWorkload({ seed: 14, events: EVENTS, keys: 500, from, disorderMs: 100, duplicates, poison: 11 });
  const publisher = new SteadyPublisher(trio.nc, workload, 50);
  publisher.allow(0.3);
  await untilDecided(db, APP, EVENTS * 0.2);
  await loseLeader('EVENTS');
  publisher.allow(0.6);
  await untilDecided(db, APP, EVENTS * 0.5);
  await loseLeader(`KV_millrace-${APP}`);
  publisher.allow(1);
  await publisher.done;
  // A reading of the test's own may meet the last election, and then is begun again.
  const captured = await untilCaptured();
  const wanted = expected(captured, ledgerRules);
  await untilDecided(db, APP, wanted.events, 120_000);
  await expectStored(db, APP, wanted);
  expect(countLines(nodes, 'partition.gained')).toBe(before);
  expect(countLines(nodes, 'checkpoint.refused')).toBe(0);
  for (const node of nodes) await node.drain();
  await expectStored(db, APP, wanted);
  await watch.stop();
});

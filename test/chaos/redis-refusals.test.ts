/** F13: a Redis that answers and refuses. Every refusal has its type and its words in the log; nothing is dropped. */
import { mkdir, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { freePort } from '../../src/services/free-port.js';
import { Cluster } from '../support/cluster.js';
import { until } from '../support/until.js';
import { LiveApp, says } from './live-app.js';

let cluster: Cluster;
let spinner: Redis;
let rounds = 0;

beforeAll(async () => {
  cluster = await Cluster.start();
});

beforeEach(() => {
  spinner = new Redis(cluster.redis.url, { protocol: 2 });
  spinner.on('error', () => undefined);
});

afterAll(() => cluster.stop());

const set = async (name: string, value: string): Promise<void> => {
  await cluster.db.config('SET', name, value);
};

/** A directory in the place of the snapshot makes saving fail. */
const blockade = (): string => join(cluster.redis.dir, 'dump.rdb');

async function saved(outcome: 'ok' | 'err'): Promise<void> {
  await cluster.db.bgsave();
  const isOver = async (): Promise<boolean> => {
    const info = await cluster.db.info('persistence');
    return info.includes('rdb_bgsave_in_progress:0') && info.includes(`rdb_last_bgsave_status:${outcome}`);
  };
  await until(isOver, 10_000, `a snapshot that is ${outcome}`);
}

const refusals: readonly [string, RegExp, () => Promise<void>, () => Promise<void>][] = [
  ['memory is full', /REDIS_UNAVAILABLE.*OOM/, () => set('maxmemory', '1mb'), () => set('maxmemory', '0')],
  [
    'the disk refuses a snapshot',
    /REDIS_UNAVAILABLE.*MISCONF/,
    async () => {
      await set('save', '3600 1000000');
      await mkdir(blockade());
      await saved('err');
    },
    async () => {
      await rmdir(blockade());
      await saved('ok');
      await set('save', '');
    },
  ],
  [
    'it has become a replica',
    /REDIS_UNAVAILABLE.*READONLY/,
    async () => {
      await cluster.db.replicaof('127.0.0.1', await freePort());
    },
    async () => {
      await cluster.db.replicaof('NO', 'ONE');
    },
  ],
  [
    'a script of somebody else never ends',
    /REDIS_UNAVAILABLE.*BUSY/,
    async () => {
      await set('lua-time-limit', '50');
      spinner.eval('while true do end', 0).catch(() => undefined);
    },
    async () => {
      await cluster.db.script('KILL');
      // It ends at its next instruction, and everything else is refused until then.
      const isBusy = (error: unknown): boolean => String(error).includes('BUSY');
      const mended = () =>
        set('lua-time-limit', '5000').then(
          () => true,
          (error) => !isBusy(error) && Promise.reject(error),
        );
      await until(mended, 10_000, 'the end of the script');
    },
  ],
];

it.each(refusals)('is waited out while %s', async (_, words, breaks, mends) => {
  const app = await LiveApp.start(cluster, `refusal${++rounds}`, 0.4);
  const node = await cluster.node(app.options).ready();
  await app.decided(0.2);
  await breaks();
  app.publisher.allow(0.9);
  await says(node, 'checkpoint.commit.waiting', words);
  expect((await node.status()).phase).toBe('running');
  await mends();
  await node.logged('checkpoint.commit.recovered');
  const { partitions } = await node.status();
  expect(partitions.filter(({ phase, recoveries }) => phase !== 'running' || recoveries > 0)).toEqual([]);
  spinner.disconnect();
  await app.finish(node);
});

it('goes on when its scripts were forgotten, as by a failover', async () => {
  const app = await LiveApp.start(cluster, 'forgotten', 0.4);
  const node = await cluster.node(app.options).ready();
  for (const share of [0.1, 0.2, 0.3]) {
    await app.decided(share);
    await cluster.db.script('FLUSH');
  }
  spinner.disconnect();
  await app.finish(node);
  const isTrouble = (level: string): boolean => level === 'warn' || level === 'error';
  const warnings = node.logs.filter(({ level, event }) => isTrouble(level) && event !== 'stream.warning');
  expect(warnings).toEqual([]);
});

/**
 * F10: checkpoints that are gone, damaged or too new. Each such partition stops with its reason and is not written
 * any more, the others go on; what is mended goes on where it was.
 */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Cluster } from '../support/cluster.js';
import { expectStored, untilDecided } from '../support/redis-state.js';
import { until } from '../support/until.js';
import { LiveApp } from './live-app.js';

interface Counters {
  readonly applied: number;
  readonly duplicates: number;
  readonly dead: Readonly<Record<string, number>>;
}

let cluster: Cluster;

beforeAll(async () => {
  cluster = await Cluster.start();
});

afterAll(() => cluster.stop());

it('F10: every kind of damage has its code, and harms no other partition', async () => {
  const app = await LiveApp.start(cluster, 'damaged', 0.5, { keys: 2_000 });
  const { db } = cluster;
  const name = (partition: number, part: string): string => `millrace:{damaged:${partition}}:${part}`;
  const first = await cluster.node(app.options).ready();
  await app.decided(0.4);
  await first.drain();

  const record = async (partition: number): Promise<Record<string, unknown>> =>
    JSON.parse((await db.hget(name(partition, 'meta'), 'record'))!);
  const damage: readonly [code: string, inflict: (partition: number) => Promise<unknown>][] = [
    ['CORRUPT_CHECKPOINT', (p) => db.hset(name(p, 'meta'), 'record', '{"format":1,')],
    ['CORRUPT_CHECKPOINT', (p) => db.hset(name(p, 'meta'), 'number', 'many')],
    ['CORRUPT_CHECKPOINT', (p) => db.hdel(name(p, 'meta'), 'owner')],
    ['CORRUPT_CHECKPOINT', (p) => db.set(name(p, 'meta'), 'something else')],
    ['CORRUPT_CHECKPOINT', (p) => db.set(name(p, 'state'), 'something else')],
    ['CHECKPOINT_FORMAT', async (p) => db.hset(name(p, 'meta'), 'record', newer(await record(p)))],
    [
      'CORRUPT_CHECKPOINT',
      async (p) => {
        const [segment] = await db.hkeys(name(p, 'dedupe'));
        const bytes = await db.hgetBuffer(name(p, 'dedupe'), segment!);
        await db.hset(name(p, 'dedupe'), segment!, bytes!.subarray(0, bytes!.length - 7));
      },
    ],
    [
      'CORRUPT_CHECKPOINT',
      async (p) => {
        for (const key of await db.hkeys(name(p, 'state'))) await db.hset(name(p, 'state'), key, '{"state":');
      },
    ],
  ];
  const kept = new Map<string, Buffer>();
  const parts = ['meta', 'state', 'dedupe', 'dead'] as const;
  const damaged = damage.map((_, p) => p);
  for (const p of damaged)
    for (const part of parts) {
      const bytes = await db.dumpBuffer(name(p, part));
      if (bytes !== null) kept.set(name(p, part), bytes);
    }
  for (const [p, [, inflict]] of damage.entries()) await inflict(p);

  app.publisher.allow(1);
  await app.publisher.done;
  const wanted = await app.wanted();
  const second = await cluster.node(app.options).ready();
  const counted = async (p: number): Promise<number> => {
    const { applied, duplicates, dead } = ((await record(p)) as { counters: Counters }).counters;
    return Object.values(dead).reduce((sum, count) => sum + count, applied + duplicates);
  };
  let codes: (readonly [partition: number, code: string | undefined])[] = [];
  const isSettled = async (): Promise<boolean> => {
    const { partitions } = await second.status();
    codes = partitions.flatMap(({ partition, phase, fault }) => (phase === 'halted' ? [[partition, fault?.code]] : []));
    if (codes.length < damage.length) return false;
    for (const [p, { events }] of wanted.partitions.entries())
      if (p >= damage.length && (await counted(p)) < events) return false;
    return true;
  };
  await until(isSettled, 30_000, () => `partitions that stop or go on; halted are ${JSON.stringify(codes)}`);
  expect(codes).toEqual(damage.map(([code], p) => [p, code]));
  // What is damaged is evidence: nothing of it was written over.
  expect(await db.hget(name(0, 'meta'), 'record')).toBe('{"format":1,');
  expect(await db.hget(name(1, 'meta'), 'number')).toBe('many');
  expect(await db.hexists(name(2, 'meta'), 'owner')).toBe(0);
  expect(await db.get(name(3, 'meta'))).toBe('something else');
  expect(await db.get(name(4, 'state'))).toBe('something else');
  expect((await record(5)).format).toBe(99);
  expect(new Set(await db.hvals(name(7, 'state')))).toEqual(new Set(['{"state":']));

  await second.drain();
  for (const p of damaged) {
    await db.del(...parts.map((part) => name(p, part)));
    for (const part of parts) {
      const bytes = kept.get(name(p, part));
      if (bytes !== undefined) await db.restore(name(p, part), 0, bytes);
    }
  }
  const third = await cluster.node(app.options).ready();
  await untilDecided(db, 'damaged', wanted.events, 30_000);
  await expectStored(db, 'damaged', wanted);
  await third.drain();
});

function newer(record: Record<string, unknown>): string {
  return JSON.stringify({ ...record, format: 99 });
}

it('F10: one record that is deleted under a running node is rebuilt, never skipped', async () => {
  const app = await LiveApp.start(cluster, 'deleted', 0.4);
  const node = await cluster.node(app.options).ready();
  await app.decided(0.2);
  for (const p of [3, 30]) await cluster.db.del(`millrace:{deleted:${p}}:meta`);
  app.publisher.allow(1);
  await app.finish(node);
  const rebuilt = node.logs.filter(({ event }) => event === 'checkpoint.rebuild');
  expect(rebuilt.map(({ fields }) => (fields as { partition: number }).partition).sort()).toEqual([3, 30]);
});

/** Several nodes share the partitions of one application, while their number changes under load. */
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { LiveApp } from '../chaos/live-app.js';
import { Cluster } from '../support/cluster.js';
import type { NodeProcess } from '../support/node-process.js';
import { PauseWatch, percentile } from '../support/pause-watch.js';
import { expectStored, RecordWatch, untilDecided } from '../support/redis-state.js';
import { isContiguous, untilShared } from '../support/shares.js';

// Every wait inside has a deadline of its own; this one is for slow machines.
vi.setConfig({ testTimeout: 300_000, hookTimeout: 180_000 });

const PARTITIONS = 64;
let cluster: Cluster;

beforeAll(async () => {
  cluster = await Cluster.start();
});

afterAll(() => cluster.stop());

describe('F26: 1, 3, 5, 2 nodes under load', () => {
  it('share in contiguous ranges; nothing is lost, repeated or reordered; clean hand-overs replay nothing', async () => {
    const app = await LiveApp.start(
      cluster,
      'scale',
      1,
      { events: 120_000, keys: 3_000, disorderMs: 100 },
      { cluster: { lease: '3s' }, checkpoint: { interval: '50ms' }, order: { settle: '200ms', idle: '2s' } },
    );
    const start = (name: string): NodeProcess => cluster.node({ ...app.options, node: name });
    const nodes = [await start('n-0').ready()];
    await app.decided(0.02);
    const watch = new RecordWatch(cluster.db, app.name);
    const pauses = new PauseWatch(cluster.db, app.name);
    let before = await untilShared(nodes);
    expect(before[0]).toHaveLength(PARTITIONS);
    const figures: string[] = [];
    const moved = async (what: string, change: () => Promise<void>): Promise<void> => {
      const names = new Map(before.flatMap((share, n) => share.map((p) => [p, nodes[n]] as const)));
      pauses.take();
      await change();
      const after = await untilShared(nodes);
      await untilMoved();
      const longest = pauses.take();
      const moves = after.flatMap((share, n) => share.filter((p) => names.get(p) !== nodes[n]));
      const stayed = longest.filter((_, p) => !moves.includes(p));
      for (const share of after) expect(isContiguous(share)).toBe(true);
      const ms = (values: readonly number[], share: number): number => Math.round(percentile(values, share));
      const ofMoved = moves.map((p) => longest[p] ?? 0);
      figures.push(
        `${what}: ${moves.length} moved, p50 ${ms(ofMoved, 0.5)} p99 ${ms(ofMoved, 0.99)} ms; stayed p99 ${ms(stayed, 0.99)} ms`,
      );
      before = after;
    };
    const untilMoved = async (): Promise<void> => {
      const stored = await cluster.lastSequence(app.stream);
      await untilDecided(cluster.db, app.name, Math.floor(stored * 0.95));
    };
    const join = async (...names: string[]): Promise<void> => {
      const joining = names.map(start);
      nodes.push(...joining);
      await Promise.all(joining.map((node) => node.ready()));
    };
    await moved('1 to 3', () => join('n-1', 'n-2'));
    await moved('3 to 5', () => join('n-3', 'n-4'));
    await moved('5 to 2', async () => {
      const leaving = nodes.splice(1, 3);
      await Promise.all(leaving.map((node) => node.drain()));
      const lost = leaving.flatMap(({ logs }) => logs).filter(({ event }) => event === 'partition.lost');
      expect(lost).toEqual([]);
    });
    const done = await cluster.lastSequence(app.stream);
    console.log(`${figures.join('\n')}\n${done} of ${app.events} events were published meanwhile`);
    app.publisher.allow(1);
    await app.publisher.done;
    const wanted = await app.wanted();
    await untilDecided(cluster.db, app.name, wanted.events, 60_000);
    await expectStored(cluster.db, app.name, wanted);
    const moves = (await Promise.all(nodes.map((node) => node.status()))).map((status) => status.moves);
    for (const { replayed, takenOver, lost } of moves)
      expect({ replayed, takenOver, lost }).toEqual({ replayed: 0, takenOver: 0, lost: 0 });
    const gained = nodes.flatMap(({ logs }) => logs.filter(({ event }) => event === 'partition.gained'));
    expect(gained.length).toBeGreaterThan(PARTITIONS / 2);
    for (const { fields } of gained) expect(fields).toMatchObject({ released: true, replayed: 0 });
    await Promise.all(nodes.map((node) => node.drain()));
    await expectStored(cluster.db, app.name, wanted);
    await watch.stop();
    await pauses.stop();
  });
});

it('F1: what a killed node had stands still for its lease, and everything else goes on', async () => {
  const app = await LiveApp.start(
    cluster,
    'killed',
    0.1,
    { events: 80_000, keys: 3_000, disorderMs: 100 },
    { cluster: { lease: '2s' }, checkpoint: { interval: '50ms' }, order: { settle: '200ms', idle: '2s' } },
  );
  const nodes = ['k-0', 'k-1', 'k-2'].map((node) => cluster.node({ ...app.options, node }));
  const shares = await untilShared(nodes);
  const pauses = new PauseWatch(cluster.db, app.name);
  app.publisher.allow(1);
  await app.decided(0.2);
  pauses.take();
  const [killed] = nodes.splice(1, 1);
  await killed!.kill();
  await untilShared(nodes);
  const stored = await cluster.lastSequence(app.stream);
  await untilDecided(cluster.db, app.name, Math.floor(stored * 0.95));
  const longest = pauses.take();
  const taken = shares[1]!.map((p) => longest[p] ?? 0);
  const ms = (share: number): number => Math.round(percentile(taken, share));
  console.log(`a lease of 2000 ms: ${taken.length} taken over, p50 ${ms(0.5)} p99 ${ms(0.99)} ms`);
  const takenOver = (await Promise.all(nodes.map((node) => node.status()))).map(({ moves }) => moves.takenOver);
  expect(takenOver.reduce((sum, count) => sum + count, 0)).toBeGreaterThan(0);
  await pauses.stop();
  await nodes[1]!.drain();
  await app.finish(nodes[0]!);
});

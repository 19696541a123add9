/** The busiest keys and slow handlers: found, bounded, and said once when they hold a node up. */
import { describe, expect, it } from 'vitest';
import type { Commit } from '../../src/core/checkpoint/commit.js';
import type { CommitVerdict } from '../../src/core/checkpoint/guard.js';
import type { Event } from '../../src/core/event/event.js';
import { TopKeys } from '../../src/core/sketch/top-keys.js';
import { EventAges } from '../../src/host/event-ages.js';
import { HandlerMeter } from '../../src/host/handler-meter.js';
import { HotSpots } from '../../src/observability/hot-spots.js';
import type { CheckpointStore, Claim } from '../../src/ports/checkpoint-store.js';
import { handlerBoundsMs, meanOf, quantileMs } from '../../src/protocol/timing.js';
import type { NodeStatus } from '../../src/runtime/node-status.js';
import { Random } from '../support/random.js';

describe('TopKeys', () => {
  it('never counts a frequent key too low, nor too high by more than one part in its counters', () => {
    const random = new Random(7);
    const top = new TopKeys(20);
    const real = new Map<string, number>();
    for (let at = 0; at < 50_000; at++) {
      const key = random.chance(0.3) ? 'hot' : random.chance(0.2) ? 'warm' : `cold-${random.between(0, 9_999)}`;
      real.set(key, (real.get(key) ?? 0) + 1);
      top.add(key);
    }
    const [first, second] = top.top(2);
    expect([first!.key, second!.key]).toEqual(['hot', 'warm']);
    for (const { key, count } of [first!, second!]) {
      expect(count).toBeGreaterThanOrEqual(real.get(key)!);
      expect(count).toBeLessThanOrEqual(real.get(key)! + 50_000 / 20);
    }
    top.fade();
    expect(top.added).toBe(25_000);
  });
});

describe('HandlerMeter', () => {
  it('says which key of which partition takes most, and how long calls take, without changing what they return', () => {
    let now = 0;
    const meter = new HandlerMeter(() => now, new EventAges({ now: () => 5_000 }));
    const handler = meter.around({
      name: 'h',
      initial: () => 0,
      apply: (state, event) => {
        now += event.key === 'hot' ? 40 : 0.015;
        if (event.id === 'bad') throw new Error('no');
        return (state as number) + 1;
      },
    });
    const apply = (key: string, id = 'x'): unknown =>
      handler.apply(1, { key, id, time: 4_990 } as Event, {
        partition: key === 'hot' ? 3 : 1,
        streamSequence: 1,
        emit: () => undefined,
      });
    for (let at = 0; at < 1_600; at++) expect(apply(at % 32 === 31 ? 'hot' : `cold-${at}`)).toBe(2);
    expect(() => apply('cold', 'bad')).toThrow('no');
    const { calls, hotKeys, time, applied } = meter.report();
    expect(calls).toBe(1_601);
    expect(hotKeys[0]).toMatchObject({ key: 'hot', partition: 3, share: 0.5 });
    expect(quantileMs(time.counts, handlerBoundsMs, 0.4)).toBe(0.02);
    expect(quantileMs(time.counts, handlerBoundsMs, 1)).toBe(50);
    expect(time.sumMs).toBeCloseTo(50 * 40 + 50 * 0.015);
    expect(meanOf(applied)).toBe(10);
  });

  it('looks at a call after each report, where there are few', () => {
    const meter = new HandlerMeter(() => 0, new EventAges({ now: () => 0 }));
    const handler = meter.around({ name: 'h', initial: () => 0, apply: (state) => state });
    const context = { partition: 0, streamSequence: 1, emit: () => undefined };
    for (let at = 0; at < 3; at++) {
      meter.report();
      handler.apply(1, { key: 'k', id: 'x', time: 0 } as Event, context);
    }
    expect(meter.report().applied.counts[0]).toBe(3);
  });
});

describe('EventAges', () => {
  const commitOf = (number: number): Commit => ({ partition: 1, number }) as Commit;

  it('count an event as stored once, when its commit is, however often that was sent; not what a fenced one held', async () => {
    let now = 1_000;
    const ages = new EventAges({ now: () => now });
    const verdicts: (CommitVerdict | Error)[] = [new Error('no reply'), 'already', 'accept', 'fenced'];
    const store = ages.around({
      claim: async () => 'accept',
      commit: async () => {
        now += 100;
        const verdict = verdicts.shift()!;
        if (verdict instanceof Error) throw verdict;
        return verdict;
      },
    } as unknown as CheckpointStore);
    const stored = () => ages.report().durable.counts.reduce((all, count) => all + count, 0);
    ages.applied(1, 990);
    ages.applied(1, 2_000_000);
    await expect(store.commit(commitOf(1))).rejects.toThrow('no reply');
    ages.applied(1, 1_100);
    expect(stored()).toBe(0);
    await store.commit(commitOf(1));
    expect(ages.report().durable.sumMs).toBe(210);
    await store.commit(commitOf(2));
    expect(stored()).toBe(3);
    ages.applied(1, 1_200);
    await store.commit(commitOf(3));
    await store.claim({ partition: 1 } as Claim);
    expect(stored()).toBe(3);
    expect(ages.report().applied.sumMs).toBe(110);
  });
});

describe('HotSpots', () => {
  const status = (calls: number, share: number, meanMs: number, unread: number): NodeStatus =>
    ({
      unread,
      streamTime: 0,
      threads: [
        {
          slot: 0,
          handler: { calls, time: { counts: [1], sumMs: meanMs }, hotKeys: [{ partition: 2, key: 'k', share }] },
        },
      ],
    }) as unknown as NodeStatus;

  it('warns of the key or the handler that a node falls behind for, once a minute, and of nothing while it keeps up', () => {
    const said: string[] = [];
    const spots = new HotSpots((_, event) => said.push(event));
    spots.look(status(0, 0.9, 5, 100), 10_000);
    spots.look(status(1_000, 0.9, 5, 0), 11_000);
    expect(said).toEqual([]);
    spots.look(status(2_000, 0.9, 0.01, 100), 12_000);
    expect(said.splice(0)).toEqual(['key.hot']);
    spots.look(status(3_000, 0.9, 0.9, 100), 13_000);
    expect(said.splice(0)).toEqual(['handler.slow']);
    spots.look(status(4_000, 0.9, 0.9, 100), 14_000);
    expect(said).toEqual([]);
    spots.look(status(70_000, 0.9, 0.01, 100), 80_000);
    expect(said).toEqual(['key.hot']);
  });
});

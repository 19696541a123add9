/** The busiest keys and slow handlers: found, bounded, and said once when they hold a node up. */
import { describe, expect, it } from 'vitest';
import type { Event } from '../../src/core/event/event.js';
import { TopKeys } from '../../src/core/sketch/top-keys.js';
import { HandlerMeter } from '../../src/host/handler-meter.js';
import { HotSpots } from '../../src/observability/hot-spots.js';
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
    const meter = new HandlerMeter(() => now);
    const handler = meter.around({
      name: 'h',
      initial: () => 0,
      apply: (state, event) => {
        now += event.key === 'hot' ? 50 : 0.02;
        if (event.id === 'bad') throw new Error('no');
        return (state as number) + 1;
      },
    });
    const apply = (key: string, id = 'x'): unknown =>
      handler.apply(1, { key, id } as Event, {
        partition: key === 'hot' ? 3 : 1,
        streamSequence: 1,
        emit: () => undefined,
      });
    for (let at = 0; at < 1_600; at++) expect(apply(at % 32 === 31 ? 'hot' : `cold-${at}`)).toBe(2);
    expect(() => apply('cold', 'bad')).toThrow('no');
    const { calls, hotKeys, quantilesMs } = meter.report();
    expect(calls).toBe(1_601);
    expect(hotKeys[0]).toMatchObject({ key: 'hot', partition: 3, share: 0.5 });
    expect(quantilesMs[2]).toBe(100);
  });
});

describe('HotSpots', () => {
  const status = (calls: number, share: number, meanMs: number, unread: number): NodeStatus =>
    ({
      unread,
      streamTime: 0,
      threads: [
        { slot: 0, handler: { calls, meanMs, quantilesMs: [0, 0, 0], hotKeys: [{ partition: 2, key: 'k', share }] } },
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

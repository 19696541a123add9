/** When an event is due, late or too far ahead (DESIGN section 4; invariants A1, A4, W2, KeyOrder K2), one rule a test. */
import { describe, expect, it } from 'vitest';
import type { ActorOptions } from '../../src/core/actor/actor.js';
import type { StreamEvent } from '../property/actor-stream.js';
import { baseOptions, streamEvent, T0 } from '../property/actor-stream.js';
import { World } from '../property/actor-world.js';

/** Events of `[key, event time, stream time]`, both relative to T0. */
const streamOf = (...events: readonly (readonly [key: string, time: number, arrival: number])[]): StreamEvent[] =>
  events.map(([key, time, arrival], i) => streamEvent(i + 1, T0 + arrival, { key, time: T0 + time }));

/** Reads `count` events (all, unless said), stores, and gives the world for a look. */
function read(stream: readonly StreamEvent[], over: Partial<ActorOptions>, count = stream.length): World {
  const world = new World(stream, { ...baseOptions, ...over });
  for (let i = 0; i < count; i++) world.deliver();
  store(world);
  return world;
}

function store(world: World): void {
  world.prepare();
  world.confirm();
}

const logOf = (world: World, key = 'a'): number[] => {
  store(world);
  return world.outcome().states[key]?.log ?? [];
};

describe('order time', () => {
  it('holds an event until the newest event time is the settle window past it', () => {
    const world = read(streamOf(['a', 100, 0], ['b', 119, 1], ['b', 120, 2], ['b', 121, 3]), {}, 2);
    expect(logOf(world)).toEqual([]);
    world.deliver();
    expect(logOf(world)).toEqual([1]);
    world.deliver();
    expect([world.actor.buffered, world.actor.watermark]).toEqual([3, T0 + 101]);
  });

  it('applies in the order of time, then of the stream', () => {
    const world = read(streamOf(['a', 30, 0], ['a', 10, 1], ['a', 10, 2], ['a', 20, 3], ['b', 60, 4]), {});
    expect(logOf(world)).toEqual([2, 3, 4, 1]);
  });

  it('KeyOrder K2: lateness is judged by the key: behind the watermark but newer than its own key, an event is applied at once', () => {
    const world = read(streamOf(['b', 500, 0], ['b', 1000, 1], ['a', 100, 2], ['a', 200, 3], ['a', 150, 4]), {
      settleMs: 0,
    });
    expect(logOf(world)).toEqual([3, 4]);
    expect(world.outcome().counters).toMatchObject({ applied: 4, late: 1 });
  });

  it('KeyOrder K2: an event of the same time as the newest applied is not late', () => {
    const world = read(streamOf(['a', 100, 0], ['a', 100, 1]), { settleMs: 0 });
    expect(world.outcome().counters).toMatchObject({ applied: 2, late: 0 });
  });

  it.each([
    ['drop', [1], {}],
    ['apply', [1, 2], {}],
    ['dead-letter', [1], { 2: 'EVENT_LATE' }],
  ] as const)('late: %s, and counted', (late, log, dead) => {
    const world = read(streamOf(['a', 100, 0], ['a', 99, 1]), { settleMs: 0, late });
    expect(logOf(world)).toEqual(log);
    expect(world.outcome()).toMatchObject({ dead, counters: { late: 1 } });
  });

  it('late: apply does not take the time of the key back', () => {
    const world = read(streamOf(['a', 100, 0], ['a', 50, 1], ['a', 70, 2]), { settleMs: 0, late: 'apply' });
    expect(world.outcome()).toMatchObject({ states: { a: { time: T0 + 100 } }, counters: { applied: 3, late: 2 } });
  });
});

describe('an event ahead of its stream', () => {
  const stream = streamOf(['a', 0, 0], ['a', 100_002, 1], ['a', 5, 2]);

  it('W2: is set aside and does not move the watermark', () => {
    const world = read(stream, { aheadMsMax: 100_000, settleMs: 10 }, 2);
    expect(world.actor.watermark).toBe(T0 - 10);
    expect(world.actor.buffered).toBe(1);
    world.deliver();
    world.finish();
    expect(world.outcome()).toMatchObject({ dead: { 2: 'EVENT_TIME_AHEAD' }, states: { a: { log: [1, 3] } } });
  });

  it('is not ahead at exactly the bound', () => {
    const world = read(stream, { aheadMsMax: 100_001 });
    expect([world.actor.buffered, world.actor.deadStored]).toEqual([1, 0]);
    expect(world.actor.watermark).toBe(T0 + 100_002 - baseOptions.settleMs);
  });

  it('clamp: gets the latest time that is allowed, counted once it is decided', () => {
    const world = read(stream, { aheadMsMax: 1000, ahead: 'clamp', settleMs: 10 }, 2);
    expect(world.actor.watermark).toBe(T0 + 1001 - 10);
    expect(world.record().counters.clamped).toBe(0);
    world.crash(false);
    const outcome = world.finish();
    expect(outcome.counters).toMatchObject({ clamped: 1, late: 0, applied: 3 });
    expect(outcome.states.a).toMatchObject({ log: [1, 3, 2], time: T0 + 1001 });
  });
});

describe('release without newer events', () => {
  it('W2: by stream time: when the stream has moved on by the idle time, not before', () => {
    const world = read(streamOf(['a', 100, 0], ['a', 90, 10]), { idleMs: 50, settleMs: 1000 });
    world.actor.passed(T0 + 59);
    expect(logOf(world)).toEqual([]);
    world.actor.passed(T0 + 60);
    expect(logOf(world)).toEqual([2, 1]);
    expect(world.actor.watermark).toBe(T0 + 100);
  });

  it('W2: the next own event comes after the release that was due before it, whoever noticed first', () => {
    const stream = streamOf(['a', 100, 0], ['a', 90, 50], ['a', 80, 60]);
    const noticed = new World(stream, { ...baseOptions, idleMs: 50, settleMs: 1000 });
    noticed.deliver();
    noticed.actor.passed(T0 + 50);
    for (let i = 0; i < 2; i++) noticed.deliver();
    const unnoticed = read(stream, { idleMs: 50, settleMs: 1000 });
    store(noticed);
    expect(noticed.outcome()).toEqual(unnoticed.outcome());
    expect(unnoticed.outcome().counters).toMatchObject({ applied: 1, late: 2 });
  });

  it('W2: duplicates and dead letters are not arrivals', () => {
    const first = streamEvent(1, T0, { id: 'x' });
    const again = streamEvent(2, T0 + 40, { id: 'x' });
    const poison = streamEvent(3, T0 + 45, { body: '{' });
    const world = read([first, again, poison], { idleMs: 50, settleMs: 1000 });
    world.actor.passed(T0 + 50);
    expect(world.actor.buffered).toBe(0);
  });
});

describe('the bound of the buffer', () => {
  it('releases the oldest early, in order, when events are too many', () => {
    const world = read(streamOf(['a', 30, 0], ['a', 10, 1], ['a', 20, 2], ['a', 40, 3]), {
      bufferEventsMax: 2,
      settleMs: 1000,
    });
    expect(logOf(world)).toEqual([2, 3]);
    expect([world.actor.forced, world.actor.watermark, world.actor.buffered]).toEqual([2, T0 + 20, 2]);
  });

  it('releases when they are too large, and one that is larger than everything does not stay', () => {
    const small = streamOf(['a', 10, 0], ['a', 20, 1]);
    const large = streamEvent(3, T0 + 2, { key: 'a', time: T0 + 15, note: 'x'.repeat(5000) });
    const world = read([...small, large], { bufferBytesMax: 1000, settleMs: 1000 });
    expect(logOf(world)).toEqual([1, 3]);
    expect(world.actor.buffered).toBe(1);
    const alone = read([streamEvent(1, T0, { note: 'x'.repeat(5000) })], { bufferBytesMax: 1000, settleMs: 1000 });
    expect(alone.actor.buffered).toBe(0);
  });
});

describe('order none', () => {
  it('applies on arrival, whatever the times', () => {
    const world = read(streamOf(['a', 100, 0], ['a', 10, 1], ['a', 50, 2]), { order: 'none' });
    expect(logOf(world)).toEqual([1, 2, 3]);
    expect(world.outcome().counters.late).toBe(0);
    expect(world.outcome().states.a!.time).toBe(T0 + 100);
  });
});

describe('offers', () => {
  it('A1: what was offered before is passed over', () => {
    const world = read(streamOf(['a', 0, 0], ['a', 1, 1]), { order: 'none', dedupe: undefined });
    for (const { raw, decoded } of world.stream) world.actor.offer(raw, decoded);
    expect(logOf(world)).toEqual([1, 2]);
  });

  it('A4: one commit at a time; what happens meanwhile is in the next one', () => {
    const stream = streamOf(['a', 0, 0], ['a', 1, 1]);
    const world = new World(stream, { ...baseOptions, order: 'none' });
    world.deliver();
    world.prepare();
    const first = world.pending;
    expect([world.actor.isSaving, world.actor.isDirty, world.actor.prepare(0)]).toEqual([true, false, undefined]);
    world.deliver();
    expect(world.pending).toBe(first);
    world.confirm();
    expect(world.outcome().states.a!.log).toEqual([1]);
    expect([world.actor.isSaving, world.actor.isDirty, world.actor.number]).toEqual([false, true, 1]);
    expect(logOf(world)).toEqual([1, 2]);
    expect(world.actor.hasMoved).toBe(false);
    world.actor.routed({ sequence: 9, time: '1' });
    expect([world.actor.isDirty, world.actor.hasMoved, world.actor.floor]).toEqual([false, true, 9]);
  });
});

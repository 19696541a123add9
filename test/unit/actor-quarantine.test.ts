/** Quarantined keys: parked in order, until an operator releases, skips or edits (KeyOrder K1 and K3, Q1 to Q3). */
import { describe, expect, it } from 'vitest';
import type { ActorOptions } from '../../src/core/actor/actor.js';
import type { Handler } from '../../src/core/actor/handler.js';
import { Decision } from '../../src/core/dedupe/dedupe-index.js';
import type { Event } from '../../src/core/event/event.js';
import type { Deed, Log, StreamEvent } from '../property/actor-stream.js';
import { baseOptions, streamEvent, T0 } from '../property/actor-stream.js';
import { World } from '../property/actor-world.js';

const options: ActorOptions = { ...baseOptions, order: 'none', poison: 'quarantine' };
const streamOf = (...events: readonly (readonly [key: string, deed?: Deed])[]): StreamEvent[] =>
  events.map(([key, deed = 'add'], i) => streamEvent(i + 1, T0 + i, { key, deed }));

function read(stream: readonly StreamEvent[], over: Partial<ActorOptions> = {}, handler?: Handler): World {
  const world = new World(stream, { ...options, ...over }, handler);
  while (!world.atEnd) world.deliver();
  return world;
}

function checkpoint(world: World): void {
  world.prepare();
  world.confirm();
}

function logOf(world: World, key = 'a'): number[] {
  checkpoint(world);
  return world.outcome().states[key]?.log ?? [];
}

const poisoned = streamOf(['a'], ['a', 'throw'], ['a'], ['b'], ['a', 'undefined'], ['a']);

describe('quarantine', () => {
  it('K1: a refused event stops its key and no other; what follows is parked', () => {
    const world = read(poisoned);
    expect([logOf(world), logOf(world, 'b')]).toEqual([[1], [4]]);
    expect(world.actor.quarantined()).toMatchObject([
      { key: 'a', quarantine: { code: 'HANDLER_THREW', sequence: 2 }, parked: 4 },
    ]);
    expect(world.actor.quarantinedEvent('a')?.streamSequence).toBe(2);
    expect([world.actor.deadStored, world.actor.parked]).toEqual([0, 4]);
  });

  it('Q2 Q3: is stored with its first cut and comes back in order; the stored ids are known', () => {
    const again = streamEvent(7, T0 + 7, { key: 'a', id: 'e3' });
    const world = new World([...poisoned, again], options);
    for (let i = 0; i < 6; i++) world.deliver();
    checkpoint(world);
    expect(world.record().position.floor).toBe(6);
    world.crash(false);
    world.deliver();
    world.answerAll();
    expect(world.actor.counters.duplicates).toBe(1);
    expect(world.actor.quarantined()).toMatchObject([{ key: 'a', quarantine: { sequence: 2 }, parked: 4 }]);
    world.skipQuarantined();
    expect(logOf(world)).toEqual([1, 3, 6]);
    expect(world.outcome().dead).toEqual({ 2: 'HANDLER_THREW', 5: 'STATE_INVALID' });
    expect(world.stored.parked.size).toBe(0);
  });

  it('release: tries the event again, and it is quarantined again if it still cannot be applied', () => {
    let isBroken = true;
    const handler: Handler<Log> = {
      name: 'mended',
      initial: () => [],
      apply(log, { data }, { streamSequence }) {
        if (isBroken && (data as { deed: Deed }).deed === 'throw') throw new Error('broken');
        return [...log, streamSequence];
      },
    };
    const world = read(streamOf(['a'], ['a', 'throw'], ['a']), {}, handler as Handler);
    expect(world.actor.operate('a', { kind: 'release' })).toBe('quarantined');
    expect(logOf(world)).toEqual([1]);
    isBroken = false;
    expect(world.actor.operate('a', { kind: 'release' })).toBe('done');
    expect(logOf(world)).toEqual([1, 2, 3]);
    expect(world.actor.operate('a', { kind: 'release' })).toBe('not-found');
    expect(world.actor.operate('nobody', { kind: 'skip' })).toBe('not-found');
  });

  it('edit: another content in the same place, also after a crash', () => {
    const world = read(streamOf(['a'], ['a', 'throw'], ['a']));
    checkpoint(world);
    world.crash(false);
    world.answerAll();
    const edited = streamEvent(2, T0 + 1, { key: 'a', deed: 'add' });
    expect(world.actor.operate('a', { kind: 'edit', ...edited })).toBe('done');
    expect(logOf(world)).toEqual([1, 2, 3]);
    expect([...world.stored.dead, ...world.stored.parked]).toEqual([]);
  });

  it('a body that cannot be decoded quarantines its key too', () => {
    const garbage = streamEvent(2, T0, { key: 'a', body: '{' });
    const world = read([streamEvent(1, T0, { key: 'a' }), garbage, streamEvent(3, T0 + 1, { key: 'a' })]);
    expect(world.actor.quarantined()).toMatchObject([{ key: 'a', quarantine: { code: 'EVENT_INVALID' }, parked: 2 }]);
    checkpoint(world);
    world.crash(false);
    world.answerAll();
    world.skipQuarantined();
    expect(logOf(world)).toEqual([1, 3]);
    expect(world.outcome().dead).toEqual({ 2: 'EVENT_INVALID' });
  });

  it('too many parked events stop the partition; none is lost', () => {
    const world = read(poisoned, { parkedMax: 2 });
    expect(world.actor.halt?.code).toBe('PARKED_FULL');
    checkpoint(world);
    world.options = { ...options, parkedMax: 10 };
    world.crash(false);
    expect(world.finish().states).toMatchObject({ a: { log: [1, 3, 6] }, b: { log: [4] } });
  });

  it('Q3: what is parked behind a quarantine is stored by itself, without another decision of the partition', () => {
    const world = new World(poisoned, options);
    for (let i = 0; i < 2; i++) world.deliver();
    checkpoint(world);
    expect(world.actor.isDirty).toBe(false);
    world.deliver();
    expect(world.actor.isDirty).toBe(true);
    checkpoint(world);
    expect(world.record().position.floor).toBe(3);
    expect(world.actor.isDirty).toBe(false);
  });

  it('K3: a partition that is full of parked events can be mended: what an operator frees goes on after a recovery', () => {
    const world = read(poisoned, { parkedMax: 2 });
    expect(world.actor.operate('a', { kind: 'skip' })).toBe('done');
    expect(logOf(world)).toEqual([1]);
    world.crash(false);
    while (!world.atEnd) world.deliver();
    world.answerAll();
    expect(logOf(world)).toEqual([1, 3]);
    expect(world.outcome().dead).toEqual({ 2: 'HANDLER_THREW' });
  });

  it('W2: a clamped time stays clamped when its parked event is read back', () => {
    const ahead = streamEvent(2, T0 + 1, { key: 'a', time: T0 + 3_600_000 });
    const stream = [streamEvent(1, T0, { key: 'a', deed: 'throw' }), ahead];
    const world = read(stream, { ahead: 'clamp', aheadMsMax: 1_000 });
    checkpoint(world);
    world.crash(false);
    world.answerAll();
    world.skipQuarantined();
    checkpoint(world);
    expect(world.outcome().states.a).toMatchObject({ log: [2], time: T0 + 1_001 });
    expect(world.actor.counters.clamped).toBe(1);
  });

  it('D2: a parked event whose id left the horizon and came again does not decide for the other one', () => {
    const again = streamEvent(4, T0 + 5_000, { key: 'a', id: 'e2', time: T0 + 5_000 });
    const stream = [
      streamEvent(1, T0, { key: 'a', deed: 'throw' }),
      streamEvent(2, T0 + 1, { key: 'a', id: 'e2' }),
      streamEvent(3, T0 + 4_900, { key: 'b', time: T0 + 4_900 }),
      again,
    ];
    const dedupe = { horizonMs: 1_000, idsMax: 1_000 };
    const world = new World(stream, { ...options, order: 'time', settleMs: 100, idleMs: 60_000, dedupe });
    for (let i = 0; i < 3; i++) world.deliver();
    checkpoint(world);
    world.deliver();
    world.skipQuarantined();
    checkpoint(world);
    world.crash(false);
    while (!world.atEnd) world.deliver();
    world.answerAll();
    world.actor.passed(T0 + 100_000);
    expect(logOf(world)).toEqual([2, 4]);
    expect(world.actor.counters.duplicates).toBe(0);
  });

  it('K3: dead letters full while skipping: the event stays at the head of its key, nothing behind it is decided', () => {
    const world = read(poisoned, { deadLettersMax: 0 });
    checkpoint(world);
    world.actor.operate('a', { kind: 'skip' });
    expect(world.actor.halt?.code).toBe('DEAD_LETTERS_FULL');
    checkpoint(world);
    expect(logOf(world)).toEqual([1]);
    world.options = { ...options, deadLettersMax: 10 };
    world.crash(false);
    world.answerAll();
    expect(world.finish().states.a?.log).toEqual([1, 3, 6]);
  });

  it('K2: order time: what was on time when it was parked is not late after a crash, and keeps its place', () => {
    const times: [number, Deed?][] = [[0], [10, 'throw'], [40], [30], [200]];
    const stream = times.map(([time, deed = 'add'], i) => streamEvent(i + 1, T0 + i, { time: T0 + time, deed }));
    const world = read(stream, { order: 'time' });
    checkpoint(world);
    expect(world.actor.parked).toBe(3);
    world.crash(false);
    world.answerAll();
    world.skipQuarantined();
    expect(world.finish()).toMatchObject({ states: { a: { log: [1, 4, 3, 5] } }, counters: { late: 0 } });
  });
});

describe('an event that could not be decoded, order time', () => {
  const unreadable = streamEvent(2, T0 + 50, { key: 'a', body: '{' });
  const mended = streamEvent(2, T0 + 50, { key: 'a', time: T0 + 50 });
  const stream = [
    streamEvent(1, T0, { time: T0 }),
    unreadable,
    streamEvent(3, T0 + 51, { time: T0 + 40 }),
    streamEvent(4, T0 + 52, { time: T0 + 60 }),
    streamEvent(5, T0 + 53, { key: 'b', time: T0 + 200 }),
  ];

  it('takes its place by time when it is edited: what is older was only behind it because it came later', () => {
    const world = read(stream, { order: 'time' });
    expect(world.actor.quarantined()).toMatchObject([{ key: 'a', quarantine: { sequence: 2 }, parked: 4 }]);
    expect(world.actor.operate('a', { kind: 'edit', ...mended })).toBe('done');
    expect(logOf(world)).toEqual([1, 3, 2, 4]);
    expect(world.actor.counters.late).toBe(0);
  });

  it('is not edited while older ones of its key are held', () => {
    const world = new World(stream, { ...options, order: 'time' });
    for (let i = 0; i < 3; i++) world.deliver();
    expect(world.actor.operate('a', { kind: 'edit', ...mended })).toBe('held');
    expect(world.actor.quarantined()).toHaveLength(1);
    while (!world.atEnd) world.deliver();
    expect(world.actor.operate('a', { kind: 'edit', ...mended })).toBe('done');
    expect(logOf(world)).toEqual([1, 3, 2, 4]);
  });
});

describe('the head of a quarantined key', () => {
  it('Q1: is the event that caused it, also after a crash and before older ones that came later', () => {
    const times: [number, Deed?][] = [[0], [100, 'throw'], [300], [50]];
    const stream = times.map(([time, deed = 'add'], i) => streamEvent(i + 1, T0 + i, { time: T0 + time, deed }));
    const world = read(stream, { order: 'time' });
    checkpoint(world);
    expect(world.actor.quarantinedEvent('a')?.streamSequence).toBe(2);
    world.crash(false);
    world.answerAll();
    expect(world.actor.quarantinedEvent('a')?.streamSequence).toBe(2);
    expect(world.finish()).toMatchObject({ dead: { 2: 'HANDLER_THREW' }, states: { a: { log: [1, 4, 3] } } });
  });
});

describe('replay of a dead letter', () => {
  it('applies it now, once, and the letter is gone with the same cut', () => {
    const world = read(streamOf(['a', 'throw'], ['a']), { poison: 'dead-letter' });
    checkpoint(world);
    expect(world.stored.dead.size).toBe(1);
    const mended = streamEvent(1, T0, { key: 'a', deed: 'add' });
    const event = mended.decoded.kind === 'event' ? mended.decoded.event : (undefined as unknown as Event);
    expect(world.actor.replay(mended.raw, event)).toBe('done');
    world.prepare();
    expect(world.pending?.dead.remove).toEqual(['1']);
    expect(world.actor.replay(world.stream[0]!.raw, { ...event, data: { deed: 'throw' } })).toMatchObject({
      code: 'HANDLER_THREW',
    });
  });
});

describe('an id that an operator has written', () => {
  it('is remembered: the event is not applied again when it comes under that id', () => {
    const poison = { ...streamEvent(1, T0, { body: '{', key: 'a' }) };
    const again = streamEvent(2, T0 + 5, { key: 'a', id: 'written' });
    const world = new World([poison, again], { ...baseOptions, order: 'none' });
    world.deliver();
    world.prepare();
    world.confirm();
    const mended = streamEvent(1, T0, { key: 'a', id: 'written' });
    const event = mended.decoded.kind === 'event' ? mended.decoded.event : undefined;
    expect(world.actor.knownAs(event!)).toBeUndefined();
    expect(world.actor.replay(mended.raw, event!)).toBe('done');
    expect(world.actor.knownAs(event!)).toMatchObject({ streamSequence: 1, decision: Decision.applied });
    expect(world.actor.prepare(0)?.dedupePut).toHaveLength(1);
    world.deliver();
    expect(world.actor.counters).toMatchObject({ applied: 1, duplicates: 1 });
  });
});

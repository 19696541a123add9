/** What one incarnation of the actor leaves to the next: watermark, waiting events, ids, outputs (A2, A3, D2, O2, KeyOrder K1). */
import { describe, expect, it } from 'vitest';
import type { ActorOptions } from '../../src/core/actor/actor.js';
import type { Deed, StreamEvent } from '../property/actor-stream.js';
import { baseOptions, streamEvent, T0 } from '../property/actor-stream.js';
import { World } from '../property/actor-world.js';

/** A stream from `[key, time, deed]`, all arriving within a millisecond of stream time each. */
const streamOf = (...events: readonly (readonly [key: string, time: number, deed?: Deed])[]): StreamEvent[] =>
  events.map(([key, time, deed = 'add'], i) => streamEvent(i + 1, T0 + 1000 + i, { key, time: T0 + time, deed }));

function worldOf(stream: readonly StreamEvent[], over: Partial<ActorOptions> = {}): World {
  return new World(stream, { ...baseOptions, ...over });
}

function deliver(world: World, count: number): void {
  for (let i = 0; i < count; i++) world.deliver();
}

function checkpoint(world: World): void {
  world.prepare();
  world.confirm();
}

const logOf = (world: World, key: string): number[] | undefined => world.outcome().states[key]?.log;

describe('what was due at the cut', () => {
  it('A3, I8, KeyOrder K1: comes due again in the same order, so that what was late is late again', () => {
    // Key a is stored and not resident; its events 2 and 3 become due in the order 3, 2, while it is being loaded.
    const stream = streamOf(['a', 0], ['a', 110], ['a', 105], ['b', 500], ['a', 108], ['b', 1100]);
    const world = worldOf(stream);
    deliver(world, 1);
    world.actor.passed(T0 + 3e9);
    checkpoint(world);
    world.crash(false);
    deliver(world, 3);
    expect(world.wanted).toEqual(['a', 'b']);
    checkpoint(world);
    expect(world.record().watermark).toBe(T0 + 500 - baseOptions.settleMs);
    expect(world.record().position).toEqual({ floor: 1, above: [] });
    expect(world.record().due).toEqual([3, 2]);
    world.crash(false);
    world.finish();
    expect(logOf(world, 'a')).toEqual([1, 3, 2]);
    expect(world.outcome().counters.late).toBe(1);
  });

  it('KeyOrder K1: an event that moves the watermark does not overtake what is held behind it, also without a window', () => {
    const world = worldOf(streamOf(['a', 0], ['a', 10], ['a', 20]), { settleMs: 0 });
    deliver(world, 1);
    checkpoint(world);
    world.crash(false);
    deliver(world, 1);
    checkpoint(world); // event 2 is due and waits for its state
    world.crash(false);
    deliver(world, 2);
    world.finish();
    expect(logOf(world, 'a')).toEqual([1, 2, 3]);
  });

  it('A1, KeyOrder K2: is recovered, so that what was late before is late again', () => {
    const stream = streamOf(['a', 0], ['a', 100], ['a', 200], ['a', 50]);
    const world = worldOf(stream);
    deliver(world, 3);
    checkpoint(world);
    world.crash(false);
    expect(world.actor.watermark).toBe(T0 + 200 - baseOptions.settleMs);
    world.finish();
    expect(world.outcome().counters).toMatchObject({ applied: 3, late: 1 });
  });

  it('W2: a recovered partition is not quiet: what it reads again is not released by its own old stream times', () => {
    const stream = streamOf(['a', 0], ['a', 10], ['a', 5]);
    const world = worldOf(stream, { settleMs: 1000, idleMs: 50 });
    deliver(world, 3);
    checkpoint(world);
    world.crash(false);
    deliver(world, 3);
    world.actor.passed(T0 + 1002 + 49);
    expect(world.actor.buffered).toBe(3);
    world.actor.passed(T0 + 1002 + 50);
    expect(world.actor.buffered).toBe(0);
    checkpoint(world);
    expect(logOf(world, 'a')).toEqual([1, 3, 2]);
  });

  it('KeyOrder K1: is also what a halt left undecided', () => {
    const stream = streamOf(['a', 10], ['p', 5, 'throw'], ['a', 7], ['b', 1100]);
    const world = worldOf(stream, { deadLettersMax: 0 });
    deliver(world, 4);
    expect(world.actor.halt?.code).toBe('DEAD_LETTERS_FULL');
    checkpoint(world);
    expect(world.record().position).toEqual({ floor: 0, above: [] });
    world.options = { ...world.options, deadLettersMax: 10 };
    world.crash(false);
    world.finish();
    expect(logOf(world, 'a')).toEqual([3, 1]);
    expect(world.outcome().counters).toMatchObject({ applied: 3, late: 0, dead: { HANDLER_THREW: 1 } });
  });

  it('KeyOrder K1: also when the halt comes while loaded events are applied', () => {
    const stream = streamOf(['a', 0], ['a', 50], ['a', 45, 'throw'], ['a', 47], ['b', 1100]);
    const world = worldOf(stream, { deadLettersMax: 0 });
    deliver(world, 1);
    world.actor.passed(T0 + 3e9);
    checkpoint(world);
    world.crash(false);
    deliver(world, 4);
    world.answerAll();
    expect(world.actor.halt?.code).toBe('DEAD_LETTERS_FULL');
    checkpoint(world);
    world.options = { ...world.options, deadLettersMax: 10 };
    world.crash(false);
    world.finish();
    expect(logOf(world, 'a')).toEqual([1, 4, 2]);
    expect(world.outcome().counters.late).toBe(0);
  });
});

describe('dead letters full', () => {
  it('I9: halts without losing the event, takes nothing more, and goes on after room was made', () => {
    const poison = streamEvent(2, T0 + 1, { body: '{' });
    const stream = [...streamOf(['a', 0]), poison, streamEvent(3, T0 + 2, { key: 'a' })];
    const world = worldOf(stream, { order: 'none', deadLettersMax: 0 });
    deliver(world, 3);
    expect(world.actor.halt).toEqual({ code: 'DEAD_LETTERS_FULL', problem: '0 dead letters are stored' });
    checkpoint(world);
    expect(world.record().position).toEqual({ floor: 1, above: [] });
    expect(world.record().anchor.sequence).toBe(3); // never behind what was decided
    expect(logOf(world, 'a')).toEqual([1]);
    world.options = { ...world.options, deadLettersMax: 1 };
    world.crash(false);
    world.finish();
    expect(world.outcome()).toMatchObject({ dead: { 2: 'EVENT_INVALID' }, states: { a: { log: [1, 3] } } });
  });
});

describe('ids', () => {
  it('D2: of buffered events are not in the checkpoint, so that the event is not its own duplicate', () => {
    const world = worldOf(streamOf(['a', 0], ['a', 5]), { settleMs: 1000 });
    deliver(world, 2);
    checkpoint(world);
    expect(world.stored.segments.size).toBe(0);
    world.crash(false);
    expect(world.finish().counters).toMatchObject({ applied: 2, duplicates: 0 });
  });

  it('D2: also not when many ids came and went between two checkpoints', () => {
    // More ids leave the horizon between two checkpoints than the index keeps: their places are used again.
    const count = 30_000;
    const stream = Array.from({ length: count }, (_, i) => streamEvent(i + 1, T0 + i, { key: `k${i % 10}` }));
    const world = worldOf(stream, { settleMs: 3000, dedupe: { horizonMs: 1000, idsMax: 1e6 } });
    deliver(world, count);
    expect(world.actor.buffered).toBe(3000);
    checkpoint(world);
    world.crash(false);
    expect(world.finish().counters).toMatchObject({ applied: count, duplicates: 0, late: 0 });
  });

  it('A2: an id that was decided is a duplicate after a crash, also of a dead or late event', () => {
    const ids: [string, string, number, Deed?][] = [
      ['x', 'a', 100],
      ['y', 'a', 101, 'throw'],
      ['z', 'a', 50],
      ['x', 'a', 100],
      ['y', 'a', 101, 'throw'],
      ['z', 'a', 50],
      ['x', 'b', 100],
    ];
    const stream = ids.map(([id, key, time, deed = 'add'], i) =>
      streamEvent(i + 1, T0 + i, { id, key, time: T0 + time, deed }),
    );
    const world = worldOf(stream, { settleMs: 0 });
    deliver(world, 3);
    checkpoint(world);
    world.crash(false);
    expect(world.finish().counters).toMatchObject({ applied: 2, late: 1, duplicates: 3, dead: { HANDLER_THREW: 1 } });
  });
});

describe('outputs', () => {
  it('O1 O2 I8: leave after their commit, under ids that a replay repeats', () => {
    const stream = streamOf(['a', 0, 'emit'], ['b', 0, 'emit'], ['a', 0, 'throw'], ['a', 1]);
    const world = worldOf(stream, { order: 'none' });
    deliver(world, 4);
    world.prepare();
    expect(world.outputs.size).toBe(0);
    world.crash(true);
    const ids = ['main.3.1.0', 'main.3.1.1', 'main.3.2.0', 'main.3.2.1'];
    expect([...world.outputs.keys()]).toEqual(ids);
    world.crash(false);
    expect([...(world.finish().counters.dead.HANDLER_THREW?.toString() ?? '')]).toEqual(['1']);
    expect([...world.outputs.keys()]).toEqual(ids);
  });

  it('O1: a crash before the commit publishes nothing, and the replay the same', () => {
    const world = worldOf(streamOf(['a', 0, 'emit']), { order: 'none' });
    deliver(world, 1);
    world.prepare();
    world.crash(false);
    expect(world.outputs.size).toBe(0);
    deliver(world, 1);
    world.crash(false);
    expect(Object.keys(world.finish().outputs)).toEqual(['main.3.1.0', 'main.3.1.1']);
  });
});

/** Order by the key's own numbers: gaps, repeats, what survives a crash (DESIGN section 4; KeyOrder K1, Q1, Q2). */
import { describe, expect, it } from 'vitest';
import type { ActorOptions } from '../../src/core/actor/actor.js';
import type { Deed, StreamEvent } from '../property/actor-stream.js';
import { baseOptions, streamEvent, T0 } from '../property/actor-stream.js';
import { World } from '../property/actor-world.js';

const options: ActorOptions = { ...baseOptions, order: 'sequence', gapMs: 1000, gap: 'skip' };

/** Events of `[key, number, stream time relative to T0]`. */
const streamOf = (...events: readonly (readonly [key: string, number?: number, at?: number, deed?: Deed])[]) =>
  events.map(([key, number, at = 0, deed = 'add'], i) =>
    streamEvent(i + 1, T0 + at, { key, deed, ...(number === undefined ? {} : { number }) }),
  );

function read(stream: readonly StreamEvent[], over: Partial<ActorOptions> = {}, count = stream.length): World {
  const world = new World(stream, { ...options, ...over });
  for (let i = 0; i < count; i++) world.deliver();
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

describe('order sequence', () => {
  it('K1: applies each number after the one before, whatever the order and the times of arrival', () => {
    expect(logOf(read(streamOf(['a', 3], ['a', 1], ['a', 2], ['a', 4])))).toEqual([2, 3, 1, 4]);
  });

  it('starts at the first number of the options, also at 0', () => {
    expect(logOf(read(streamOf(['a', 0], ['a', 1]), { firstNumber: 0 }))).toEqual([1, 2]);
    expect(logOf(read(streamOf(['a', 7], ['a', 6]), { firstNumber: 7 }))).toEqual([1]);
  });

  it('a repeated number is a duplicate for ever, whatever its id: applied, parked, poison or skipped', () => {
    const stream = streamOf(['a', 1], ['a', 1], ['a', 3], ['a', 3], ['a', 2, 0, 'throw'], ['a', 2], ['a', 3]);
    const world = read(stream, { dedupe: undefined });
    expect(logOf(world)).toEqual([1, 3]);
    world.crash(false);
    expect(world.finish().counters).toMatchObject({ applied: 2, duplicates: 4, dead: { HANDLER_THREW: 1 } });
  });

  it('a poison event uses its number up, also when it is the first of its key', () => {
    const world = read(streamOf(['a', 1, 0, 'throw'], ['a', 2]), {}, 1);
    checkpoint(world);
    world.crash(false);
    expect(world.finish().states.a?.log).toEqual([2]);
  });

  it('an event without a number is a dead letter', () => {
    const world = read(streamOf(['a'], ['a', 1]));
    checkpoint(world);
    expect(world.outcome()).toMatchObject({ dead: { 1: 'EVENT_UNNUMBERED' }, states: { a: { log: [2] } } });
  });
});

describe('a gap', () => {
  it('is waited for by stream time, then skipped and counted', () => {
    const world = read(streamOf(['a', 1], ['a', 4, 100], ['b', 1, 1099], ['b', 2, 1100]), {}, 3);
    expect(logOf(world)).toEqual([1]);
    world.deliver();
    expect(logOf(world)).toEqual([1, 2]);
    expect(world.outcome().counters.skipped).toBe(2);
  });

  it('behind a gap has waited as long: both are given up together', () => {
    const world = read(streamOf(['a', 2], ['a', 4, 100], ['a', 6, 200]));
    world.actor.passed(T0 + 1000);
    expect(logOf(world)).toEqual([1]);
    world.actor.passed(T0 + 1200);
    expect(logOf(world)).toEqual([1, 2, 3]);
  });

  it('that is filled in time ends: what comes later waits anew', () => {
    const world = read(streamOf(['a', 2], ['a', 1, 900], ['a', 4, 950]));
    world.actor.passed(T0 + 1900);
    expect(logOf(world)).toEqual([2, 1]);
    world.actor.passed(T0 + 1950);
    expect(logOf(world)).toEqual([2, 1, 3]);
  });

  it('policy quarantine: the key waits for an operator, others go on', () => {
    const world = read(streamOf(['a', 2], ['b', 1, 2000], ['a', 3, 2001]), { gap: 'quarantine' });
    expect(world.actor.quarantined()).toMatchObject([{ key: 'a', quarantine: { code: 'SEQUENCE_GAP' }, parked: 2 }]);
    expect([logOf(world), logOf(world, 'b')]).toEqual([[], [2]]);
    world.crash(false);
    world.answerAll();
    expect(world.actor.quarantined()).toMatchObject([{ key: 'a', parked: 2 }]);
    expect(world.actor.operate('a', { kind: 'skip' })).toBe('done');
    expect(logOf(world)).toEqual([1, 3]);
  });

  it('policy halt: the partition stops, nothing behind the gap is decided', () => {
    const world = read(streamOf(['a', 2], ['b', 1, 2000]), { gap: 'halt' });
    expect(world.actor.halt?.code).toBe('SEQUENCE_GAP');
    checkpoint(world);
    expect(world.record().counters.applied).toBe(0);
  });

  it('too many parked events stop the partition; none is lost', () => {
    const stream = streamOf(['a', 2], ['a', 3], ['a', 4], ['a', 1]);
    const world = read(stream, { parkedMax: 2 });
    expect(world.actor.halt?.code).toBe('PARKED_FULL');
    checkpoint(world);
    world.options = { ...options, parkedMax: 10 };
    world.crash(false);
    expect(world.finish().states.a?.log).toEqual([4, 1, 2, 3]);
  });
});

describe('a long wait', () => {
  it('Q2: moves the body into the checkpoint and the floor past it; the id stays known', () => {
    const stream = streamOf(['a', 2], ['b', 1, 6000], ['a', 2, 6001], ['a', 1, 6002]);
    const world = read(stream, { gapMs: 1e9 }, 2);
    checkpoint(world);
    expect(world.record().position).toEqual({ floor: 2, above: [] });
    expect([...world.stored.parked.keys()]).toEqual(['1']);
    world.crash(false);
    expect(world.actor.parked).toBe(1);
    const outcome = world.finish();
    expect(outcome.states.a?.log).toEqual([4, 1]);
    expect(outcome.counters).toMatchObject({ applied: 3, duplicates: 1 });
    expect(world.stored.parked.size).toBe(0);
  });

  it('Q2: ends after a crash, also where no key was ever applied and nothing more comes', () => {
    const world = read(streamOf(['a', 2], ['b', 2, 7000]), { gapMs: 10_000 });
    checkpoint(world);
    expect(world.stored.state.size).toBe(0);
    world.crash(false);
    world.deliver();
    world.actor.passed(T0 + 30_000);
    expect(world.actor.parked).toBe(0);
    expect([logOf(world), logOf(world, 'b')]).toEqual([[1], [2]]);
  });
});

/** Where a key's state is meanwhile: resident, loaded, passivated, damaged (S1, KeyOrder K1; F10, F23). */
import { describe, expect, it } from 'vitest';
import type { ActorOptions } from '../../src/core/actor/actor.js';
import type { Handler } from '../../src/core/actor/handler.js';
import { readEnvelope } from '../../src/core/actor/state-envelope.js';
import type { StreamEvent } from '../property/actor-stream.js';
import { baseOptions, streamEvent, T0 } from '../property/actor-stream.js';
import { World } from '../property/actor-world.js';

const options: ActorOptions = { ...baseOptions, order: 'none' };
const streamFor = (count: number, key = 'a'): StreamEvent[] =>
  Array.from({ length: count }, (_, i) => streamEvent(i + 1, T0 + i, { key }));

/** Counts the events of a key. */
const counter: Handler<{ n: number }> = {
  name: 'counter',
  initial: () => ({ n: 0 }),
  apply: ({ n }) => ({ n: n + 1 }),
};

describe('keyed state', () => {
  it('S1: keys leave when they are too many, are loaded again, and nothing is lost', () => {
    const rounds = 5;
    const stream = Array.from({ length: 50 * rounds }, (_, i) => streamEvent(i + 1, T0 + i, { key: `k${i % 50}` }));
    const world = new World(stream, { ...options, residentKeysMax: 5 }, counter as Handler);
    let most = 0;
    while (!world.atEnd) {
      world.deliver();
      world.answerAll();
      world.prepare();
      world.confirm();
      most = Math.max(most, world.actor.residentKeys);
    }
    world.answerAll();
    world.prepare();
    world.confirm();
    expect(most).toBeLessThanOrEqual(8);
    expect(world.loads).toBeGreaterThan(50 * (rounds - 2));
    for (const text of world.stored.state.values()) expect(readEnvelope(text)!.state).toEqual({ n: rounds });
  });

  it('S1: a key with something buffered, waiting, dirty or being saved stays', () => {
    const stream = [...streamFor(1), streamEvent(2, T0, { key: 'b' }), streamEvent(3, T0 + 100, { key: 'a' })];
    const world = new World(stream, { ...baseOptions, residentKeysMax: 0 }, counter as Handler);
    world.deliver();
    world.deliver();
    for (let i = 0; i < 3; i++) {
      world.prepare();
      world.confirm();
    }
    expect(world.actor.residentKeys).toBe(2);
    world.deliver();
    world.prepare();
    expect(world.actor.residentKeys).toBe(2);
    world.confirm();
    world.prepare();
    world.confirm();
    expect(world.actor.residentKeys).toBe(1); // b has left; a holds the third event
  });

  it('S1: a key that is being loaded stays, so that no answer to an older question fills it later', () => {
    const repeated = [...streamFor(1), streamEvent(2, T0, { id: 'e1', key: 'a', time: T0 })];
    const world = new World(repeated, { ...options, residentKeysMax: 0 }, counter as Handler);
    world.deliver();
    world.prepare();
    world.confirm();
    world.crash(false);
    world.deliver(); // a duplicate: nothing waits for the state
    for (let i = 0; i < 3; i++) {
      world.prepare();
      world.confirm();
    }
    expect([world.actor.residentKeys, world.wanted]).toEqual([1, ['a']]);
    world.answerAll();
    for (let i = 0; i < 3; i++) {
      world.prepare();
      world.confirm();
    }
    expect(world.actor.residentKeys).toBe(0);
  });

  it('KeyOrder K1: asks once for a key that may be stored, applies what waited in order, and ignores a second answer', () => {
    const world = new World(streamFor(4), options, counter as Handler);
    world.deliver();
    world.prepare();
    world.confirm();
    world.crash(false);
    for (let i = 0; i < 3; i++) world.deliver();
    expect([world.wanted, world.actor.buffered]).toEqual([['a'], 3]);
    world.answerAll();
    world.actor.loaded('a', undefined);
    world.actor.loaded('unknown', '{}');
    expect(world.actor.buffered).toBe(0);
    world.prepare();
    world.confirm();
    expect(readEnvelope(world.stored.state.get('a')!)).toMatchObject({ state: { n: 4 }, applied: 4, sequence: '4' });
  });

  it.each([
    '',
    '{',
    'null',
    '[]',
    '{"state":1}',
    '{"state":1,"time":"1","id":"e1","sequence":"1","applied":1}',
    '{"state":1,"time":1,"id":1,"sequence":"1","applied":1}',
    '{"state":1,"time":1,"id":"e1","sequence":1,"applied":1}',
    '{"state":1,"time":1,"id":"e1","sequence":"x","applied":1}',
    '{"state":1,"time":1,"id":"e1","sequence":"1","applied":0}',
    '{"state":1,"time":1,"id":"e1","sequence":"1","applied":1.5}',
    '{"time":1,"id":"e1","sequence":"1","applied":1}',
  ])('F10: a state that is stored as %j halts the partition, and nothing is applied to a new one', (text) => {
    const world = new World(streamFor(3), options, counter as Handler);
    world.deliver();
    world.prepare();
    world.confirm();
    world.crash(false);
    world.deliver();
    world.actor.loaded('a', text);
    world.deliver();
    expect(world.actor.halt).toMatchObject({ code: 'CORRUPT_CHECKPOINT' });
    expect(world.actor.counters.applied).toBe(1);
    expect(world.actor.prepare(0)?.state.set ?? []).toEqual([]);
  });

  it('F10: a damaged dedupe segment halts the partition before any event', () => {
    const world = new World(streamFor(3), options, counter as Handler);
    world.deliver();
    world.prepare();
    world.confirm();
    world.stored = { ...world.stored, segments: new Map([[1, new Uint8Array(5)]]) };
    world.crash(false);
    world.deliver();
    expect(world.actor.halt?.code).toBe('CORRUPT_CHECKPOINT');
    expect(world.actor.counters.applied).toBe(1);
  });

  it('F23: keys like __proto__ are keys like any other', () => {
    const names = ['__proto__', 'constructor', 'toString'];
    const stream = names.map((key, i) => streamEvent(i + 1, T0, { key }));
    const world = new World(stream, options, counter as Handler);
    while (!world.atEnd) world.deliver();
    world.prepare();
    world.confirm();
    for (const name of names) expect(readEnvelope(world.stored.state.get(name)!)!.state).toEqual({ n: 1 });
  });
});

/** Keys with names that mean something to an object are keys like any other (F23). */
import { describe, expect, it } from 'vitest';
import { readEnvelope } from '../../src/core/actor/keyed-state.js';
import { baseOptions, streamEvent, T0 } from '../property/actor-stream.js';
import { World } from '../property/actor-world.js';

describe('keyed state', () => {
  it('F23: keeps keys named after properties of every object, also through a recovery', () => {
    const keys = ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'valueOf', '0', '1'];
    const stream = [...keys, ...keys].map((key, i) => streamEvent(i + 1, T0 + i, { key }));
    const world = new World(stream, { ...baseOptions, order: 'none' });
    for (const [i] of keys.entries()) {
      world.deliver();
      if (i === 3) world.crash(false);
    }
    while (!world.atEnd) world.deliver();
    world.answerAll();
    world.prepare();
    world.confirm();
    expect([...world.stored.state.keys()].sort()).toEqual([...keys].sort());
    for (const [i, key] of keys.entries())
      expect(readEnvelope(world.stored.state.get(key)!)!.state).toEqual([i + 1, i + 1 + keys.length]);
  });
});

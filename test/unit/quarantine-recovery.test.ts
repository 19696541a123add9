/** A quarantine ends when an operator says so, never because the process or its code was replaced (Q3). */
import { describe, expect, it } from 'vitest';
import type { Handler } from '../../src/core/actor/handler.js';
import type { Deed, Log } from '../property/actor-stream.js';
import { baseOptions, streamEvent, T0 } from '../property/actor-stream.js';
import { World } from '../property/actor-world.js';

describe('a quarantine', () => {
  it('Q3: outlives a recovery with a handler that is mended, and is gone for good when it was released', () => {
    let isBroken = true;
    const handler: Handler<Log> = {
      name: 'mended',
      initial: () => [],
      apply(log, { data }, { streamSequence }) {
        if (isBroken && (data as { deed: Deed }).deed === 'throw') throw new Error('broken');
        return [...log, streamSequence];
      },
    };
    const stream = (['add', 'throw', 'add'] as const).map((deed, i) => streamEvent(i + 1, T0 + i, { deed }));
    const world = new World(stream, { ...baseOptions, order: 'none', poison: 'quarantine' }, handler as Handler);
    const save = (): void => {
      world.prepare();
      world.confirm();
    };
    const recover = (): void => {
      world.crash(false);
      while (!world.atEnd) world.deliver();
      world.answerAll();
    };
    while (!world.atEnd) world.deliver();
    save();
    const before = world.actor.quarantined();
    expect(before).toMatchObject([{ key: 'a', quarantine: { sequence: 2 }, parked: 2 }]);

    isBroken = false;
    recover();
    expect(world.actor.quarantined()).toEqual(before);
    expect(world.actor.counters.applied).toBe(1);

    expect(world.actor.operate('a', { kind: 'release' })).toBe('done');
    save();
    expect(world.outcome().states.a?.log).toEqual([1, 2, 3]);
    recover();
    expect(world.actor.quarantined()).toEqual([]);
    expect(world.stored.parked.size).toBe(0);
  });
});

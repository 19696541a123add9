/** What a handler gives back and may not: the event is a dead letter, and its key goes on from the state before it (F23). */
import { describe, expect, it } from 'vitest';
import { readEnvelope } from '../../src/core/actor/state-envelope.js';
import { baseOptions, streamEvent, T0 } from '../property/actor-stream.js';
import { World } from '../property/actor-world.js';

describe('a state that was refused', () => {
  it.each(['undefined', 'mutate', 'throw'] as const)('F23: leaves nothing behind in memory or store: %s', (deed) => {
    const stream = (['add', deed, 'add', deed] as const).map((one, i) => streamEvent(i + 1, T0 + i, { deed: one }));
    const world = new World(stream, { ...baseOptions, order: 'none' });
    while (!world.atEnd) world.deliver();
    world.prepare();
    world.confirm();
    expect(readEnvelope(world.stored.state.get('a')!)!).toMatchObject({ state: [1, 3], id: 'e3', applied: 2 });
    expect([...world.stored.dead.keys()]).toEqual(['2', '4']);
  });
});

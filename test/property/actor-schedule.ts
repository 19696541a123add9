/** Random schedules: what happens around each event of a stream. */
import fc from 'fast-check';
import type { ActorOptions } from '../../src/core/actor/actor.js';
import type { StreamEvent } from './actor-stream.js';
import { World } from './actor-world.js';

export interface Faults {
  /** Loads are answered at once, or when the schedule says so. */
  readonly loads: 'at once' | 'late';
  readonly crashes: boolean;
  /** Whether the store may fall back with a crash. */
  readonly rollbacks?: boolean;
}

/** Drives a world through the stream: one number of the schedule decides what happens around each event. */
export function drive(
  stream: readonly StreamEvent[],
  options: ActorOptions,
  schedule: readonly number[],
  faults: Faults,
): World {
  const world = new World(stream, options);
  let tick = 0;
  while (!world.atEnd && tick < stream.length * 8) {
    const act = schedule[tick++ % schedule.length]!;
    world.deliver();
    if (faults.loads === 'at once') world.answerAll();
    else for (let i = act % 3; i > 0 && world.wanted.length > 0; i--) world.answer(act);
    const chance = Math.floor(act / 3);
    if (chance % 5 === 0) world.prepare();
    if (chance % 7 === 0) world.confirm(act % 2 === 0);
    if (faults.crashes && chance % 11 === 10) {
      const back = faults.rollbacks !== false && chance % 4 === 3 ? 1 + (act % 3) : 0;
      world.crash(act % 2 === 0, back);
    }
  }
  return world;
}

export const schedules = fc.array(fc.nat(999), { minLength: 7, maxLength: 97, size: 'max' });

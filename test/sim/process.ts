/** One process of the simulation: it lives, stands still, dies, and has a wall clock of its own. */
import type { Clock } from '../../src/ports/clock.js';
import type { Life, VirtualTime } from '../../src/testing/virtual-time.js';
import type { Service } from './network.js';
import { T0 } from './workload.js';

export class SimProcess implements Life {
  readonly name: string;
  /** Virtual ms. */
  readonly bornAt: number;
  readonly #time: VirtualTime;
  isAlive = true;
  pausedUntil = 0;
  /** How far its wall clock is off, ms. */
  wallOffset = 0;
  /** Virtual moments until which it cannot reach a service. */
  readonly cutUntil: Record<Service, number> = { store: 0, log: 0, coordinator: 0 };
  /** It dies instead of the effect after so many more. */
  effectsLeft = Number.POSITIVE_INFINITY;

  constructor(name: string, time: VirtualTime) {
    this.name = name;
    this.bornAt = time.now;
    this.#time = time;
  }

  /** A clock whose timers end with `life`. */
  clock(life: Life): Clock {
    const time = this.#time;
    return {
      now: () => Math.floor(T0 + time.now + this.wallOffset),
      elapsed: () => time.now,
      after: (ms, callback) => time.after(ms, life, callback),
    };
  }
}

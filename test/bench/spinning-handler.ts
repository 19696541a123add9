/** A handler that takes CPU time: what threads are for. It counts, so that the store can be checked. */
import { defineActor } from '../../src/handlers/define-actor.js';

interface Count {
  readonly events: number;
}

/** Steps of the loop that are looked at together with the clock: some tens of µs, which it shows well. */
const STEPS = 20_000;

export const spinning = defineActor<Count>((options) => {
  const steps = stepsFor(Number(options.micros));
  return {
    name: 'spinning',
    initial: () => ({ events: 0 }),
    apply({ events }) {
      spin(steps);
      return { events: events + 1 };
    },
  };
});

/** How many steps take so long on this machine when nothing else runs: work, not time, is what a busy machine shares. */
function stepsFor(micros: number): number {
  for (let i = 0; i < 500; i++) spin(STEPS);
  let best = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 500; i++) {
    const start = performance.now();
    spin(STEPS);
    best = Math.min(best, performance.now() - start);
  }
  return Math.round((STEPS * micros) / (best * 1_000));
}

/** Keeps the loop from being optimised away. */
let sink = 1;

function spin(steps: number): void {
  let mixed = sink;
  for (let i = 0; i < steps; i++) mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1) + i;
  sink = mixed | 1;
}

/** A handler of a user's own that needs no order: it counts, adds up, and sends the large amounts on. */
import { defineActor } from '../../src/handlers/define-actor.js';

export interface Tally {
  readonly count: number;
  readonly sum: number;
  readonly largest: number;
}

/** From this amount on a movement is sent on. */
export const LARGE = 990;

export const tally = defineActor<Tally, { readonly type?: string; readonly amount: number }>({
  name: 'tally',
  initial: () => ({ count: 0, sum: 0, largest: 0 }),
  apply({ count, sum, largest }, { id, key, data }, context) {
    if (!(data.amount > 0)) throw new RangeError('no such movement');
    if (data.amount >= LARGE) context.emit('out.large', { id, key, amount: data.amount });
    return { count: count + 1, sum: sum + data.amount, largest: Math.max(largest, data.amount) };
  },
});

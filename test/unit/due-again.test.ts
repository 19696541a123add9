/** Events that were due at a cut come due again in their order, and one that is gone holds up no other (Y1, Y2). */
import { describe, expect, it } from 'vitest';
import { DueAgain } from '../../src/core/order/due-again.js';

const event = (streamSequence: number) => ({ streamSequence });

function collecting(order: readonly number[]) {
  const again = new DueAgain<{ streamSequence: number }>(order);
  const came: number[] = [];
  const due = ({ streamSequence }: { streamSequence: number }): void => {
    came.push(streamSequence);
  };
  return { again, came, due };
}

describe('DueAgain', () => {
  it('Y1: gives back the stored order, whatever the order of the stream', () => {
    const { again, came, due } = collecting([7, 3, 5]);
    for (const sequence of [3, 5]) again.take(event(sequence), due);
    expect(came).toEqual([]);
    expect(again.left).toEqual([7, 3, 5]);
    again.take(event(7), due);
    expect(came).toEqual([7, 3, 5]);
    expect(again.size).toBe(0);
  });

  it('lets others pass, and none of its own twice', () => {
    const { again, came, due } = collecting([2]);
    for (const sequence of [4, 2, 2]) again.take(event(sequence), due);
    expect(came).toEqual([4, 2, 2]);
  });

  it('Y2: past the last place the rest goes on without what is gone, not before', () => {
    const { again, came, due } = collecting([7, 3, 5]);
    for (const sequence of [3, 5]) again.take(event(sequence), due);
    again.passed(6, due);
    expect(came).toEqual([]);
    again.passed(7, due);
    expect(came).toEqual([3, 5]);
    expect(again.left).toEqual([]);
    again.take(event(9), due);
    expect(came).toEqual([3, 5, 9]);
  });
});

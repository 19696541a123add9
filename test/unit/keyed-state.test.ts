/** What the keyed state keeps of a key, and for how long; S1 and S2 stand in the property tests of the actor. */
import { describe, expect, it } from 'vitest';
import { KeyedState } from '../../src/core/actor/keyed-state.js';

const newState = (keysMax = 100) => new KeyedState(true, keysMax, Number.POSITIVE_INFINITY);

/** As many checkpoints as it takes until everything that may leave has left: the hand clears the mark of use, and comes back. */
function letLeave(state: KeyedState): void {
  for (let i = 0; i < 3; i++) state.saved();
}

describe('KeyedState', () => {
  it('forgets what a key waits for as soon as that is nothing, and not before', () => {
    const state = newState();
    const row = state.rowOf('a');
    const wait = state.waitOf(row);
    wait.gapSince = 1;
    state.settle(row);
    expect([...state.waits()]).toEqual([wait]);
    wait.gapSince = undefined;
    state.settle(row);
    expect([...state.waits()]).toEqual([]);
    expect(state.wait(row)).toBeUndefined();
  });

  it('S1: lets the idle leave, and keeps what is held, dirty or waiting', () => {
    const state = newState(0);
    const [held, dirty, waiting] = ['held', 'dirty', 'waiting'].map((key) => state.rowOf(key)) as [
      number,
      number,
      number,
    ];
    state.rowOf('idle');
    state.hold(held);
    state.waitOf(waiting).gapSince = 1;
    state.encodeDirty();
    state.setState(dirty, 7);
    state.advance(dirty, 'dirty', 'id', 1, 1);
    letLeave(state);
    expect(['held', 'dirty', 'waiting', 'idle'].map((key) => state.resident(key) >= 0)).toEqual([
      true,
      true,
      true,
      false,
    ]);
    state.release(held);
    letLeave(state);
    expect(state.resident('held')).toBe(-1);
    expect(state.state(dirty)).toBe(7);
  });

  it('gives the row of a key that left to another one as if it were new', () => {
    const state = newState(0);
    const row = state.rowOf('a');
    state.setState(row, { n: 1 });
    state.advance(row, 'a', 'first', 99, 5);
    state.encodeDirty();
    letLeave(state);
    expect(state.resident('a')).toBe(-1);
    expect(state.rowOf('b')).toBe(row);
    expect([state.state(row), state.time(row), state.applied(row), state.lastId(row), state.isLoaded(row)]).toEqual([
      undefined,
      Number.NEGATIVE_INFINITY,
      0,
      '',
      false,
    ]);
    expect(state.takeWanted()).toEqual(['b']);
  });
});

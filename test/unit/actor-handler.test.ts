/** What a handler may do and what it may not: state, events, outputs (DESIGN section 4; I8). */
import { describe, expect, it } from 'vitest';
import type { ActorOptions } from '../../src/core/actor/actor.js';
import type { ApplyContext, Handler } from '../../src/core/actor/handler.js';
import { readEnvelope } from '../../src/core/actor/state-envelope.js';
import type { DeadLetter } from '../../src/core/checkpoint/commit.js';
import type { Event } from '../../src/core/event/event.js';
import type { StreamEvent } from '../property/actor-stream.js';
import { baseOptions, streamEvent, T0 } from '../property/actor-stream.js';
import { World } from '../property/actor-world.js';

/** Whatever the handlers below keep. */
interface Kept {
  readonly n: number;
  readonly was: unknown;
  readonly list: unknown[];
}

type Apply = (state: Kept, event: Event, context: ApplyContext) => unknown;

const options: ActorOptions = { ...baseOptions, order: 'none' };
const handlerOf = (apply: Apply, initial: () => unknown = () => ({ n: 0 })): Handler => ({
  name: 'test',
  initial,
  apply,
});
const streamFor = (count: number, key = 'a'): StreamEvent[] =>
  Array.from({ length: count }, (_, i) => streamEvent(i + 1, T0 + i, { key }));

/** Runs a handler over `count` events of one key; gives the stored states and the dead letters. */
function fold(apply: Apply, count = 2, initial?: () => unknown) {
  const world = new World(streamFor(count), options, handlerOf(apply, initial));
  while (!world.atEnd) world.deliver();
  world.prepare();
  world.confirm();
  const dead = [...world.stored.dead.values()].map((text) => JSON.parse(text) as DeadLetter);
  const stored = world.stored.state.get('a');
  return { world, dead, state: stored === undefined ? undefined : readEnvelope(stored)!.state };
}

describe('a handler', () => {
  it('that changes its state and then throws leaves the state as it was', () => {
    const { state, dead } = fold((before, _, context) => {
      if (context.streamSequence === 1) return { n: 1, list: [{ x: 1 }] };
      (before.list[0] as { x: number }).x = 2;
      return before;
    });
    expect(state).toEqual({ n: 1, list: [{ x: 1 }] });
    expect(dead).toMatchObject([{ sequence: 2, code: 'HANDLER_THREW', key: 'a', id: 'e2' }]);
    expect(dead[0]!.problems[0]).toMatch(/^test: TypeError: /);
  });

  it('cannot change what another module froze only at the top', () => {
    const { state, dead } = fold((before, _, context) => {
      if (context.streamSequence === 1) return Object.freeze({ list: [1] });
      before.list.push(2);
      throw new Error('after the change');
    });
    expect(state).toEqual({ list: [1] });
    expect(dead).toHaveLength(1);
  });

  it.each([
    ['undefined', () => undefined, 'test: state is undefined'],
    ['a promise', async () => ({ n: 1 }), 'test: state is not a plain object'],
    ['NaN deep inside, frozen', () => Object.freeze({ a: { b: Number.NaN } }), 'test: state.a.b is NaN'],
    ['BigInt, frozen', () => Object.freeze({ n: 1n }), 'test: state.n is a bigint'],
    ['a Map', () => ({ m: new Map() }), 'test: state.m is not a plain object'],
  ])('that returns %s makes a dead letter, and the checkpoint goes on', (_, apply, problem) => {
    const { state, dead, world } = fold(apply);
    expect(state).toBeUndefined();
    expect(dead.map(({ code, problems }) => [code, ...problems])).toEqual([
      ['STATE_INVALID', problem],
      ['STATE_INVALID', problem],
    ]);
    expect(world.actor.halt).toBeUndefined();
  });

  it('that returns a cycle makes a dead letter', () => {
    const cycle: Record<string, unknown> = {};
    cycle.self = cycle;
    expect(fold(() => cycle).dead).toMatchObject([{ code: 'STATE_INVALID' }, { code: 'STATE_INVALID' }]);
  });

  it('may keep the event in its state: nothing of ours hangs on it', () => {
    const { state, dead } = fold((before, event) => ({ n: before.n + 1, last: event }), 3);
    expect(dead).toEqual([]);
    expect(state).toEqual({ n: 3, last: { id: 'e3', key: 'a', time: T0 + 2, data: { deed: 'add' } } });
  });

  it('whose initial state is no plain JSON is refused; none at all is allowed', () => {
    const shared = new Map([['n', 0]]);
    const invalid = fold(
      () => ({ n: 1 }),
      1,
      () => ({ shared }),
    );
    expect(invalid.dead[0]!.problems).toEqual(['test: initial state.shared is not a plain object']);
    const none = fold(
      (before) => ({ was: before === undefined ? 'nothing' : before.was }),
      2,
      () => undefined,
    );
    expect(none.state).toEqual({ was: 'nothing' });
    expect(
      fold(
        () => 1,
        1,
        () => {
          throw new Error('no');
        },
      ).dead,
    ).toMatchObject([{ code: 'HANDLER_THREW' }]);
  });

  it('that throws anything, or nothing, makes a dead letter with the original bytes', () => {
    for (const thrown of ['text', undefined, null, 5, { a: 1 }])
      expect(
        fold(() => {
          throw thrown;
        }, 1).dead,
      ).toMatchObject([
        {
          code: 'HANDLER_THREW',
          problems: [`test: ${String(thrown)}`],
          subject: 'events.a',
          streamTime: T0,
          encoding: 'utf8',
        },
      ]);
    const [letter] = fold(() => {
      throw new Error('no');
    }, 1).dead;
    expect(JSON.parse(letter!.body)).toEqual({ id: 'e1', time: T0, data: { deed: 'add' } });
  });
});

describe('emit', () => {
  it.each(['', '.', 'a.', '.a', 'a..b', 'a.*', '>', 'a b', 'a\r\nPUB x 0', 'a\u0000'])(
    'refuses subject %j',
    (subject) => {
      const { dead, world } = fold((before, _, { emit }) => {
        emit(subject, 1);
        return before;
      }, 1);
      expect(dead).toMatchObject([{ code: 'HANDLER_THREW' }]);
      expect(world.outputs.size).toBe(0);
    },
  );

  it.each([undefined, () => 1, 1n, Object.freeze({ n: 1n }), new Date(0)])(
    'refuses data that JSON does not carry',
    (data) => {
      expect(
        fold((before, _, { emit }) => {
          emit('out', data);
          return before;
        }, 1).dead,
      ).toHaveLength(1);
    },
  );

  it('of an event that is then set aside is not sent, nor added to the next one', () => {
    const { world } = fold((before, _, { emit, streamSequence }) => {
      emit('out', streamSequence);
      if (streamSequence === 1) throw new Error('after emit');
      return before;
    });
    expect([...world.outputs]).toEqual([['main.3.2.0', '{"subject":"out","data":2}']]);
  });

  it('I8: outside of apply is refused, so that no other event sends it', () => {
    let kept: ApplyContext['emit'] | undefined;
    const { world } = fold((before, _, { emit }) => {
      kept = emit;
      return before;
    });
    expect(() => kept!('out', 1)).toThrow('emit: only while `apply` runs');
    expect(world.outputs.size).toBe(0);
  });

  it('data is what it was when emitted', () => {
    const data = { n: 1 };
    const { dead } = fold((before, _, { emit }) => {
      emit('out', data);
      data.n = 2;
      return before;
    }, 1);
    expect(dead).toMatchObject([{ code: 'HANDLER_THREW' }]);
  });
});

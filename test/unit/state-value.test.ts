/** States are plain JSON data, frozen through and through (src/core/actor/state-value.ts). */
import { describe, expect, it } from 'vitest';
import { freezeState } from '../../src/core/actor/state-value.js';

function isFrozenDeep(value: unknown): boolean {
  return (
    typeof value !== 'object' || value === null || (Object.isFrozen(value) && Object.values(value).every(isFrozenDeep))
  );
}

describe('freezeState', () => {
  it.each([
    [null],
    [0],
    [-1.5],
    [''],
    [true],
    [[]],
    [{}],
    [{ a: [{ b: [1, 'x', null] }], c: undefined }],
    [Object.assign(Object.create(null), { a: { b: 1 } })],
    [JSON.parse('{"__proto__":{"a":[1]},"constructor":{"b":{}}}')],
  ])('freezes %j', (value) => {
    expect(freezeState(value)).toBeUndefined();
    expect(isFrozenDeep(value)).toBe(true);
  });

  it.each([
    ['undefined', undefined, 'state is undefined'],
    ['NaN', { a: [1, Number.NaN] }, 'state.a[1] is NaN'],
    ['infinity', { a: Number.POSITIVE_INFINITY }, 'state.a is Infinity'],
    ['a function', { a: { f: () => 1 } }, 'state.a.f is a function'],
    ['toJSON', { toJSON: () => 1 }, 'state.toJSON is a function'],
    ['a symbol', [Symbol('s')], 'state[0] is a symbol'],
    ['a BigInt', { a: 1n }, 'state.a is a bigint'],
    ['a Date', { at: new Date(0) }, 'state.at is not a plain object'],
    ['a Map', new Map(), 'state is not a plain object'],
    ['a class', { a: new (class Account {})() }, 'state.a is not a plain object'],
    ['a promise', Promise.resolve(1), 'state is not a plain object'],
    ['bytes', { a: new Uint8Array(1) }, 'state.a is not a plain object'],
    ['a hole', { a: [1, undefined] }, 'state.a[1] is undefined'],
  ])('names the place of %s', (_, value, problem) => {
    expect(freezeState(value)).toBe(problem);
  });

  it('does not take a frozen object on trust: its owner may have frozen it only at the top', () => {
    const shallow = Object.freeze({ items: [{ n: 1 }] });
    expect(freezeState(shallow)).toBeUndefined();
    expect(isFrozenDeep(shallow)).toBe(true);
    expect(freezeState(Object.freeze({ a: Object.freeze({ balance: Number.NaN }) }))).toBe('state.a.balance is NaN');
    expect(freezeState(Object.freeze([Object.freeze({ n: 1n })]))).toBe('state[0].n is a bigint');
  });

  it('names a cycle and a state that nests too deep, frozen or not', () => {
    const cycle: Record<string, unknown> = { a: {} };
    cycle.a = [cycle];
    expect(freezeState(cycle)).toMatch(/^state\.a\[0\]\.a.* nests deeper than \d+ levels$/);
    expect(freezeState(Object.freeze(cycle))).toMatch(/nests deeper/);
    let deep: unknown = 1;
    for (let i = 0; i < 50_000; i++) deep = [deep];
    expect(freezeState(deep)).toMatch(/nests deeper/);
    let bearable: unknown = 1;
    for (let i = 0; i < 64; i++) bearable = { a: bearable };
    expect(freezeState(bearable)).toBeUndefined();
  });

  it('does not walk again what it has walked: a shared part costs one look', () => {
    const before = { list: [{ n: 1 }], other: 1 };
    expect(freezeState(before)).toBeUndefined();
    let looks = 0;
    const watched = new Proxy(before.list, {
      ownKeys: (target) => {
        looks++;
        return Reflect.ownKeys(target);
      },
      get: (target, name, receiver) => {
        looks++;
        return Reflect.get(target, name, receiver);
      },
    });
    const old = { list: watched, other: 1 };
    expect(freezeState({ ...old, other: 2 }, 'state', old)).toBeUndefined();
    expect(looks).toBe(0);
  });
});

/** The index of resident keys against a map (X1, X2 of src/core/actor/key-index.ts). */
import { Buffer } from 'node:buffer';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { KeyIndex } from '../../src/core/actor/key-index.js';
import { runs } from './runs.js';

interface Entry {
  readonly key: string;
}

describe('KeyIndex', () => {
  const key = fc.oneof(
    fc.constantFrom('a', 'b', 'ab', 'ba', 'A', '__proto__', 'constructor', 'é', '日本'),
    fc.nat(300).map((n) => `account-${n}`),
  );
  const step = fc.record({ key, act: fc.constantFrom('add', 'add', 'delete', 'get', 'next') });

  it('X1: finds what a map finds, by text and by bytes, however many come and go', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 600 }), (steps) => {
        const index = new KeyIndex<Entry>();
        const model = new Map<string, Entry>();
        for (const { key: name, act } of steps) {
          const known = model.get(name);
          if (act === 'add' && known === undefined) {
            const entry = { key: name };
            model.set(name, entry);
            index.add(entry);
          } else if (act === 'delete' && known !== undefined) {
            model.delete(name);
            index.delete(known);
          } else if (act === 'next') index.next();
          expect(index.get(name)).toBe(model.get(name));
          const bytes = Buffer.from(`..${name}.`);
          if (bytes.length === name.length + 3) expect(index.getBytes(bytes, 2, 2 + name.length)).toBe(model.get(name));
        }
        expect(index.size).toBe(model.size);
        expect(new Set(index.values())).toEqual(new Set(model.values()));
      }),
      runs(200),
    );
  });

  it('X2: a round of the hand meets every entry that stays, also while others are deleted', () => {
    fc.assert(
      fc.property(fc.uniqueArray(key, { maxLength: 200 }), fc.func(fc.boolean()), (keys, isDeleted) => {
        const index = new KeyIndex<Entry>();
        for (const name of keys) index.add({ key: name });
        const met = new Set<string>();
        for (let entry = index.next(); entry !== undefined; entry = index.next()) {
          met.add(entry.key);
          if (isDeleted(entry.key)) index.delete(entry);
        }
        expect([...met].sort()).toEqual([...keys].sort());
      }),
      runs(200),
    );
  });
});

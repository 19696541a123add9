/** The index of resident keys and their records against a map (X1 of key-index.ts, C1 and C2 of key-records.ts). */
import { Buffer } from 'node:buffer';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { KeyIndex } from '../../src/core/actor/key-index.js';
import {
  APPLIED,
  DIRTY_AT,
  HASH_HIGH,
  HASH_LOW,
  HOLDS,
  KeyRecords,
  NEXT,
  SEQUENCE,
  SIZE,
  TIME,
} from '../../src/core/actor/key-records.js';
import { runs } from './runs.js';

/** Two keys with the same `fnv1a32`. */
const TWINS = ['account-439599', 'account-622382'] as const;

const NUMBERS = [TIME, SEQUENCE, APPLIED, NEXT];
const WORDS = [HASH_HIGH, HASH_LOW, HOLDS, SIZE, DIRTY_AT];
/** Those that are anybody's to set. */
const FLAGS = 0x7f;

/**
 * Texts that fit into a record, that just do or just do not with a key beside them, and that are not ASCII. Half of them
 * are of a few, so that keys come back and rows are used again.
 */
const text = fc.oneof(
  fc.constantFrom('a', 'b', 'ab', 'ba', 'A', '__proto__', 'constructor', 'é', '日本'),
  fc.nat(9).map((n) => `account-${n}`),
  fc.nat(300).map((n) => `account-${n}`),
  fc.integer({ min: 30, max: 80 }).map((length) => 'k'.repeat(length)),
  fc.integer({ min: 250, max: 256 }).map((length) => 'l'.repeat(length)),
);

interface Kept {
  readonly row: number;
  time: number;
  holds: number;
  id: string;
}

describe('KeyIndex', () => {
  const act = fc.constantFrom('add', 'add', 'write', 'delete', 'get');
  const step = fc.record({ key: text, act, id: text, time: fc.double() });

  it('X1 C1 C2: finds what a map finds, by text and by bytes, and its record, however many come and go', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 600, size: 'max' }), (steps) => {
        const records = new KeyRecords();
        const index = new KeyIndex(records);
        const model = new Map<string, Kept>();
        let most = 0;
        for (const { key, act: done, id, time } of steps) {
          const known = model.get(key);
          if (done === 'add' && known === undefined) {
            const row = index.add(key);
            expect(NUMBERS.map((column) => records.number(row, column))).toEqual(NUMBERS.map(() => 0));
            expect(WORDS.map((column) => records.word(row, column))).toEqual(WORDS.map(() => 0));
            expect([records.has(row, FLAGS), records.id(row)]).toEqual([false, '']);
            model.set(key, { row, time: 0, holds: 0, id: '' });
            most = Math.max(most, model.size);
          } else if (done === 'delete' && known !== undefined) {
            model.delete(key);
            index.delete(known.row);
          } else if (done === 'write' && known !== undefined) {
            Object.assign(known, { time, holds: known.holds - 1, id });
            for (const column of NUMBERS) records.setNumber(known.row, column, time);
            for (const column of WORDS) records.setWord(known.row, column, known.holds);
            records.set(known.row, FLAGS);
            records.setId(known.row, id);
          }
          const row = model.get(key)?.row ?? -1;
          expect(index.rowOf(key)).toBe(row);
          expect(row).toBeLessThan(most);
          const bytes = Buffer.from(`..${key}.`);
          if (bytes.length === key.length + 3) expect(index.rowOfBytes(bytes, 2, 2 + key.length)).toBe(row);
        }
        expect(index.size).toBe(model.size);
        for (const [key, { row, time, holds, id }] of model)
          expect([records.key(row), records.number(row, TIME), records.word(row, HOLDS), records.id(row)]).toEqual([
            key,
            time,
            holds,
            id,
          ]);
      }),
      runs(200),
    );
  });

  it('X1: tells keys apart that have the same hash and length', () => {
    const index = new KeyIndex(new KeyRecords());
    const [first, second] = TWINS.map((key) => index.add(key));
    expect(TWINS.map((key) => index.rowOf(key))).toEqual([first, second]);
    const bytes = Buffer.from(TWINS[1]);
    expect(index.rowOfBytes(bytes, 0, bytes.length)).toBe(second);
  });

  it('a round of the hand meets every row that stays, also while others are given back', () => {
    fc.assert(
      fc.property(fc.uniqueArray(text, { maxLength: 200, size: 'max' }), fc.func(fc.boolean()), (keys, isDeleted) => {
        const records = new KeyRecords();
        const index = new KeyIndex(records);
        for (const key of keys) index.add(key);
        const met: string[] = [];
        for (let row = records.next(); row >= 0; row = records.next()) {
          const key = records.key(row);
          met.push(key);
          if (isDeleted(key)) index.delete(row);
        }
        expect(met.sort()).toEqual([...keys].sort());
      }),
      runs(200),
    );
  });
});

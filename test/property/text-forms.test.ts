/** Text forms that must tell every value apart: ranges, key tokens (U2, U3), canonical JSON, pointers. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { atPointer, canonicalJson, isTooDeep, parsePointer } from '../../src/core/event/json.js';
import { KEY_BYTES_MAX, keyOfToken, problemOfName, tokenOfKey } from '../../src/core/key/key.js';
import { partitionOf } from '../../src/core/key/partition.js';
import { decodeRanges, encodeRanges, rangesHave } from '../../src/core/position/ranges.js';
import { runs } from './runs.js';

const ranges = fc
  .tuple(fc.nat(2 ** 40), fc.array(fc.tuple(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 5 }))))
  .map(([floor, steps]) => {
    let at = floor;
    const list = steps.flatMap(([gap, length]) => {
      const first = at + gap;
      at = first + length - 1;
      return [first, at];
    });
    return { floor, list };
  });

describe('ranges', () => {
  it('come back from their text, and hold exactly their members', () => {
    fc.assert(
      fc.property(ranges, ({ floor, list }) => {
        expect(decodeRanges(encodeRanges(list, floor), floor)).toEqual(list);
        const members = new Set<number>();
        for (let i = 0; i < list.length; i += 2) for (let n = list[i]!; n <= list[i + 1]!; n++) members.add(n);
        const end = (list[list.length - 1] ?? floor) + 2;
        for (let n = floor - 1; n <= end; n++) expect(rangesHave(list, n)).toBe(members.has(n));
      }),
    );
  });

  it('any other text is refused, and what is read writes the same text', () => {
    const text = fc.oneof(fc.string({ unit: fc.constantFrom(...'0123456789+,- e.') }), fc.string());
    fc.assert(
      fc.property(text, fc.nat(1000), (any, floor) => {
        const list = decodeRanges(any, floor);
        if (list === undefined) return;
        expect(encodeRanges(list, floor)).toBe(any);
        for (let i = 1; i < list.length; i++)
          expect(list[i]!).toBeGreaterThanOrEqual(list[i - 1]! + (i % 2 === 0 ? 1 : 0));
        if (list.length > 0) expect(list[0]!).toBeGreaterThan(floor);
      }),
      runs(500),
    );
  });
});

const letter = fc.oneof(
  fc.constantFrom('.', '*', '>', '%', ' ', '2', '5', 'E', 'a', '\u007f', '\u0000', 'é', '😀', '\ud800'),
  fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }),
);
const keys = fc.array(letter, { maxLength: 12, size: 'max' }).map((letters) => letters.join(''));

describe('key tokens', () => {
  it('U2: tokenOfKey is injective and keyOfToken undoes it', () => {
    fc.assert(
      fc.property(keys, keys, (a, b) => {
        expect(keyOfToken(tokenOfKey(a))).toBe(a);
        expect(tokenOfKey(a) === tokenOfKey(b)).toBe(a === b);
        expect(tokenOfKey(a)).not.toMatch(/[\u0000-\u0020.*>\u007f]/);
        expect(partitionOf(a, 64)).toBeGreaterThanOrEqual(0);
        expect(partitionOf(a, 64)).toBeLessThan(64);
      }),
      runs(1000),
    );
  });

  it('U3: keyOfToken accepts exactly the image of tokenOfKey', () => {
    fc.assert(
      fc.property(keys, (text) => {
        const key = keyOfToken(text);
        if (key !== undefined) expect(tokenOfKey(key)).toBe(text);
      }),
      runs(1000),
    );
  });

  it('U1: what is allowed is well formed, in bounds, without control characters', () => {
    fc.assert(
      fc.property(fc.oneof(keys, fc.string({ unit: 'grapheme', maxLength: 100, size: 'max' })), (text) => {
        const bytes = Buffer.from(text, 'utf8');
        const isAllowed =
          bytes.length > 0 &&
          bytes.length <= KEY_BYTES_MAX &&
          bytes.toString('utf8') === text &&
          !/\p{Cc}/u.test(text) &&
          !/^[\p{White_Space}\ufeff]|[\p{White_Space}\ufeff]$/u.test(text);
        expect(problemOfName(text) === undefined).toBe(isAllowed);
      }),
      runs(1000),
    );
  });
});

describe('canonicalJson', () => {
  const shuffled = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(shuffled);
    if (typeof value !== 'object' || value === null) return value;
    const copy = {};
    for (const [name, part] of Object.entries(value).reverse())
      Object.defineProperty(copy, name, { value: shuffled(part), enumerable: true });
    return copy;
  };

  it('is equal for equal values, whatever the order of their fields, and parses to the value', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const plain: unknown = JSON.parse(JSON.stringify(value));
        expect(canonicalJson(shuffled(plain))).toBe(canonicalJson(plain));
        expect(JSON.parse(canonicalJson(plain))).toEqual(plain);
      }),
      runs(300),
    );
  });

  it('is different for different values', () => {
    const values = [
      '1',
      1,
      [1],
      [[1]],
      { a: 1 },
      { a: '1' },
      { a: null },
      {},
      [],
      null,
      'null',
      '',
      [null],
      { 'a":1,"b': 2 },
    ];
    expect(new Set([...values, { a: 1, b: 2 }, '{"a":1}'].map(canonicalJson)).size).toBe(values.length + 2);
    expect(canonicalJson(JSON.parse('{"__proto__":1,"a":2}'))).toBe('{"__proto__":1,"a":2}');
  });
});

describe('pointers and depth', () => {
  it('a pointer finds each own part of any value, and only own parts', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue(), { noNullPrototype: true }), (value) => {
        for (const name of Object.keys(value)) {
          const path = parsePointer(`/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`);
          expect(path).toEqual([name]);
          expect(atPointer(value, path!)).toBe(value[name]);
        }
        expect(atPointer(value, ['toString'])).toBe(Object.hasOwn(value, 'toString') ? value.toString : undefined);
      }),
    );
  });

  it('depth is counted as nesting is, text aside', () => {
    const depthOf = (value: unknown): number =>
      typeof value === 'object' && value !== null ? 1 + Math.max(0, ...Object.values(value).map(depthOf)) : 0;
    fc.assert(
      fc.property(fc.jsonValue({ depthSize: 'small' }), fc.integer({ min: 55, max: 66 }), (value, wraps) => {
        let nested: unknown = { text: '[{"\\[', value };
        for (let i = 0; i < wraps; i++) nested = i % 2 === 0 ? [nested] : { '[{': nested };
        expect(isTooDeep(JSON.stringify(nested))).toBe(depthOf(nested) > 64);
      }),
    );
  });
});

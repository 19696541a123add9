/** The stored text of a key: what `JSON.stringify` writes of the same values, and read back as they were. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readEnvelope, writeEnvelope } from '../../src/core/actor/state-envelope.js';
import { runs } from './runs.js';

/** Plain ids, and those that JSON must escape, at any place: quotes, control characters, halves of a pair. */
const text = fc.oneof(
  fc.string({ unit: 'grapheme-ascii', maxLength: 40, size: 'max' }),
  fc.string({ unit: 'binary', maxLength: 40, size: 'max' }),
  fc
    .tuple(fc.string({ maxLength: 8 }), fc.constantFrom('"', '\\', '\n', '\0', '\x1f', '\x7f', 'é', '\ud800', '\u2028'))
    .map(([plain, odd]) => plain + odd + plain),
);

/** Of today, of the first hours of 1970, around the places where digits carry, before 1970, broken, not integer. */
const time = fc.oneof(
  fc.integer({ min: 1.5e12, max: 2e12 }),
  fc.integer({ min: 0, max: 3e7 }),
  fc.tuple(fc.integer({ min: 1, max: 200_000 }), fc.integer({ min: -2, max: 2 })).map(([n, off]) => n * 1e7 + off),
  fc.integer({ min: -2e12, max: -1 }),
  fc.maxSafeInteger(),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
);

const count = fc.maxSafeNat();
const state = fc.jsonValue();

describe('the stored text of a key', () => {
  it('is what JSON.stringify writes, and is read as it was written', () => {
    const key = fc.record({ state, time, id: text, sequence: count, applied: fc.oneof(fc.nat(2), count) });
    fc.assert(
      fc.property(key, fc.option(count, { nil: undefined }), (values, keySequence) => {
        const { id, sequence, applied } = values;
        // One that was never applied has neither state nor time, and is stored for its numbering only.
        const known = applied === 0 ? { state: null, time: null } : { state: values.state, time: values.time };
        const stored = { ...known, id, sequence: String(sequence), applied, keySequence };
        const written = writeEnvelope(values.state, values.time, id, sequence, applied, keySequence);
        expect(written).toBe(JSON.stringify(stored));
        const parsed = JSON.parse(written) as { readonly time: number | null };
        const isReadable = applied > 0 || keySequence !== undefined;
        const read = { ...parsed, time: parsed.time ?? Number.NEGATIVE_INFINITY };
        expect(readEnvelope(written)).toEqual(isReadable ? read : undefined);
      }),
      runs(2000),
    );
  });

  it.each([
    ['no JSON', '{"state":1'],
    ['no object', 'null'],
    ['no state', '{"time":1,"id":"a","sequence":"1","applied":1}'],
    ['an id that is none', '{"state":1,"time":1,"id":1,"sequence":"1","applied":1}'],
    ['a sequence that is no number', '{"state":1,"time":1,"id":"a","sequence":"1x","applied":1}'],
    ['a sequence as a number', '{"state":1,"time":1,"id":"a","sequence":1,"applied":1}'],
    ['a count below zero', '{"state":1,"time":1,"id":"a","sequence":"1","applied":-1}'],
    ['a count that is not whole', '{"state":1,"time":1,"id":"a","sequence":"1","applied":1.5}'],
    ['no time', '{"state":1,"time":null,"id":"a","sequence":"1","applied":1}'],
    ['a time of what was never applied', '{"state":null,"time":1,"id":"","sequence":"0","applied":0,"keySequence":1}'],
    ['a number that is none', '{"state":1,"time":1,"id":"a","sequence":"1","applied":1,"keySequence":"2"}'],
  ])('is refused as a whole where it has %s', (_, stored) => {
    expect(readEnvelope(stored)).toBeUndefined();
  });
});

/** The hashes that stored data depends on, against published vectors and a reference of our own. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bodyHash, fnv1a32, fnv1a32Bytes, mix32, murmur128, murmurWords, utf8 } from '../../src/core/key/hash.js';
import { runs } from '../property/runs.js';
import { murmur3x86Of128 } from './murmur-reference.js';

const anyText = fc.string({ unit: 'binary', maxLength: 80, size: 'max' });
const wellFormed = (text: string): string => Buffer.from(text, 'utf8').toString('utf8');

describe('fnv1a32', () => {
  // Vectors: Noll, http://www.isthe.com/chongo/src/fnv/test_fnv.c and draft-eastlake-fnv.
  it.each([
    ['', 0x811c9dc5],
    ['a', 0xe40c292c],
    ['foobar', 0xbf9cf968],
    ['chongo was here!\n', 0xd49930d5],
  ])('gives the published value of %j', (text, hash) => {
    expect(fnv1a32(text)).toBe(hash);
  });

  it('hashes UTF-8 bytes, never UTF-16 units', () => {
    for (const text of ['é', 'ß', '日本', '😀', 'aé', 'éa', '\u007f\u0080']) {
      const bytes = Buffer.from(text, 'utf8');
      expect(fnv1a32(text)).toBe(fnv1a32Bytes(bytes, 0, bytes.length));
    }
    expect(fnv1a32('é')).toBe(Math.imul(Math.imul(0x811c9dc5 ^ 0xc3, 0x01000193) ^ 0xa9, 0x01000193) >>> 0);
  });

  it('agrees with the hash of the encoded bytes for any text', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        const bytes = Buffer.from(text, 'utf8');
        expect(fnv1a32(text)).toBe(fnv1a32Bytes(bytes, 0, bytes.length));
        const padded = Buffer.concat([Buffer.from('..'), bytes, Buffer.from('..')]);
        expect(fnv1a32Bytes(padded, 2, 2 + bytes.length)).toBe(fnv1a32(text));
      }),
      runs(500),
    );
  });
});

describe('utf8', () => {
  it('encodes as every encoder does, lone surrogates as U+FFFD', () => {
    for (const text of [
      '',
      'a',
      '\u007f\u0080\u07ff\u0800\uffff',
      '\u{10000}\u{10ffff}',
      '\ud83d',
      'a\ude00b',
      '\ud83d\ud83d\ude00',
    ])
      expect(Buffer.from(utf8(text))).toEqual(Buffer.from(text, 'utf8'));
    fc.assert(
      fc.property(anyText, (text) => {
        expect(Buffer.from(utf8(text))).toEqual(Buffer.from(text, 'utf8'));
      }),
    );
  });
});

describe('murmur128', () => {
  const words = (text: string, seed: number): number[] => {
    murmur128(text, seed);
    return [...murmurWords];
  };

  it('the reference itself gives the verification value that SMHasher publishes', () => {
    // SMHasher main.cpp: MurmurHash3_x86_128 verifies as 0xB3ECE62A: the hash of the hashes of {0..n-1} under seed 256 - n.
    const hashes = new Uint8Array(256 * 16);
    for (let n = 0; n < 256; n++)
      hashes.set(
        murmur3x86Of128(
          Uint8Array.from({ length: n }, (_, i) => i),
          256 - n,
        ),
        n * 16,
      );
    expect(new DataView(murmur3x86Of128(hashes, 0).buffer).getUint32(0, true)).toBe(0xb3ece62a);
  });

  it('the empty text under seed 0 is zero', () => {
    expect(words('', 0)).toEqual([0, 0, 0, 0]);
  });

  it('agrees with the reference over the UTF-8 bytes for any text, length and seed', () => {
    const reference = (text: string, seed: number): number[] => {
      const view = new DataView(murmur3x86Of128(Buffer.from(text, 'utf8'), seed).buffer);
      return [0, 4, 8, 12].map((at) => view.getUint32(at, true));
    };
    for (let length = 0; length <= 50; length++) {
      const text = 'The quick brown fox jumps over the lazy dog; 0123456789'.slice(0, length);
      expect(words(text, 0x6d696c6c)).toEqual(reference(text, 0x6d696c6c));
    }
    for (const length of [255, 256, 1023, 1024, 1025, 3000])
      for (const letter of ['x', 'é']) {
        const text = letter.repeat(length);
        expect(words(text, 1), `${length} ${letter}`).toEqual(reference(text, 1));
      }
    fc.assert(
      fc.property(anyText, fc.nat(0xffffffff), (text, seed) => {
        expect(words(text, seed)).toEqual(reference(wellFormed(text), seed));
      }),
      runs(500),
    );
  });
});

describe('mix32 and bodyHash', () => {
  it('mix32 is unsigned and depends on both words', () => {
    fc.assert(
      fc.property(fc.nat(0xffffffff), fc.nat(0xffffffff), fc.nat(31), (a, b, bit) => {
        const mixed = mix32(a, b);
        expect(mixed).toBe(mixed >>> 0);
        expect(mix32((a ^ (1 << bit)) >>> 0, b)).not.toBe(mixed);
        expect(mix32(a, (b ^ (1 << bit)) >>> 0)).not.toBe(mixed);
      }),
    );
  });

  it('bodyHash tells bodies apart that differ in one unit or in length', () => {
    const bodies = ['', '{}', '{ }', '{"amount":1}', '{"amount":2}', '{"amount":11}', 'é', 'e\u0301', '日', '\u65e5 '];
    expect(new Set(bodies.map(bodyHash)).size).toBe(bodies.length);
    expect(bodyHash('{"amount":1}')).toBe(bodyHash('{"amount":1}'));
  });
});

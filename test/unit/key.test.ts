/** Keys and ids: what is allowed, and the subject token of a key (invariants U1 to U3 of src/core/key/key.ts). */
import { describe, expect, it } from 'vitest';
import { KEY_BYTES_MAX, keyOfToken, problemOfName, tokenOfKey } from '../../src/core/key/key.js';
import { partitionOf } from '../../src/core/key/partition.js';

const bytesOf = (text: string): number => Buffer.byteLength(text, 'utf8');

describe('problemOfName', () => {
  it.each([
    'a',
    'account-1',
    'with space inside',
    '{braces}:colon',
    'é',
    'Straße',
    '日本',
    '😀',
    '__proto__',
    'constructor',
    '%',
    '*',
    '>',
    'a.b',
    '\u200d', // zero-width joiner: not white space
  ])('accepts %j', (name) => {
    expect(problemOfName(name)).toBeUndefined();
  });

  it.each([
    ['', 'is empty'],
    [' a', 'begins or ends with white space'],
    ['a ', 'begins or ends with white space'],
    ['\u00a0a', 'begins or ends with white space'],
    ['a\u2003', 'begins or ends with white space'],
    ['a\u3000', 'begins or ends with white space'],
    ['\ufeffa', 'begins or ends with white space'],
    ['a\u0000b', 'contains a control character'],
    ['a\tb', 'contains a control character'],
    ['a\r\nb', 'contains a control character'],
    ['a\u007f', 'contains a control character'],
    ['a\u0085', 'contains a control character'],
    ['a\u009fb', 'contains a control character'],
    ['\ud83d', 'is not well-formed Unicode'],
    ['\ude00', 'is not well-formed Unicode'],
    ['\ude00\ud83d', 'is not well-formed Unicode'],
    ['\ud83d\ud83d\ude00', 'is not well-formed Unicode'],
  ])('refuses %j: %s', (name, problem) => {
    expect(problemOfName(name)).toBe(problem);
  });

  it.each(['a', 'é', '日', '😀'])('counts UTF-8 bytes, not units: %s to the bound of 256', (letter) => {
    const fits = letter.repeat(KEY_BYTES_MAX / bytesOf(letter));
    expect(problemOfName(fits.padEnd(fits.length + KEY_BYTES_MAX - bytesOf(fits), 'x'))).toBeUndefined();
    expect(problemOfName(`${fits.padEnd(fits.length + KEY_BYTES_MAX - bytesOf(fits), 'x')}x`)).toBe(
      'is longer than 256 bytes',
    );
  });

  it('U1: names that differ only by case or normal form are two names', () => {
    const names = ['é', 'e\u0301', 'É', 'K', '\u212a'];
    expect(new Set(names.map(tokenOfKey)).size).toBe(names.length);
  });
});

describe('tokenOfKey', () => {
  it.each(['account-1', 'é', '日本', '😀', '{a}', 'a:b', 'a/b', 'a_b', '__proto__'])(
    'U2: an ordinary key is its own token: %s',
    (key) => {
      expect(tokenOfKey(key)).toBe(key);
      expect(keyOfToken(key)).toBe(key);
    },
  );

  it.each([
    ['a.b', 'a%2Eb'],
    ['a b', 'a%20b'],
    ['*', '%2A'],
    ['>', '%3E'],
    ['100%', '100%25'],
    ['%2E', '%252E'],
    ['..', '%2E%2E'],
    ['é.😀', 'é%2E😀'],
  ])('U2: encodes the reserved bytes of %j as %s', (key, token) => {
    expect(tokenOfKey(key)).toBe(token);
    expect(keyOfToken(token)).toBe(key);
  });

  it('U2: no token acts in a subject: it holds no dot, wildcard, blank or control', () => {
    for (let unit = 0; unit < 0x100; unit++)
      expect(tokenOfKey(`a${String.fromCharCode(unit)}b`)).not.toMatch(/[\u0000-\u0020.*>\u007f]/);
  });
});

describe('keyOfToken', () => {
  it.each([
    ['a.b', 'a reserved byte as it is'],
    ['a b', 'a blank'],
    ['*', 'a wildcard'],
    ['>', 'a wildcard'],
    ['a\u007f', 'a control character'],
    ['%', 'a cut escape'],
    ['%2', 'a cut escape'],
    ['a%2', 'a cut escape'],
    ['%2e', 'a lower-case escape'],
    ['%41', 'an escape of an ordinary letter'],
    ['%C3%A9', 'an escape of UTF-8 bytes'],
    ['%GG', 'no hexadecimal'],
    ['%%25', 'a bare percent'],
  ])('U3: refuses %j, %s', (token) => {
    expect(keyOfToken(token)).toBeUndefined();
  });

  it('U3: accepts an escape of a byte exactly if tokenOfKey makes it', () => {
    for (let byte = 0; byte < 256; byte++) {
      const encoded = `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
      const letter = String.fromCharCode(byte);
      expect(keyOfToken(`x${encoded}`)).toBe(tokenOfKey(letter) === encoded ? `x${letter}` : undefined);
    }
  });
});

describe('partitionOf', () => {
  it('hashes the UTF-8 bytes of the token, as the server does', () => {
    expect(partitionOf('foobar', 64)).toBe(0xbf9cf968 % 64);
    expect(partitionOf('a', 10)).toBe(0xe40c292c % 10);
    // FNV-1a of the bytes of "a%2Eb", worked out here with its own loop.
    let hash = 0x811c9dc5;
    for (const byte of Buffer.from('a%2Eb')) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
    expect(partitionOf('a.b', 64)).toBe(hash % 64);
  });
});

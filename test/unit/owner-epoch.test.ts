/** Epochs as text: every one that a coordinator can give stays itself (G1). */
import { describe, expect, it } from 'vitest';
import { ownerText } from '../../src/core/checkpoint/guard.js';

describe('ownerText', () => {
  it.each([1, 2 ** 31, 2 ** 32 + 1, Number.MAX_SAFE_INTEGER])('keeps epoch %d whole', (epoch) => {
    expect(ownerText({ epoch, nonce: 'aa' })).toBe(`${epoch}:aa`);
  });
});

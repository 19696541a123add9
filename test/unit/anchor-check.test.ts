/** Whether a stream is still the one that a checkpoint was made from, as a table of every case. */
import { describe, expect, it } from 'vitest';
import { checkAnchor } from '../../src/core/position/anchor-check.js';

const anchor = { sequence: 20, time: '1700000000000000001' };
const nowhere = { sequence: 0, time: '' };

describe('checkAnchor', () => {
  it.each([
    ['nothing happened', 20, anchor, { first: 1, last: 30 }, anchor.time],
    ['nothing was stored and nothing was read', 0, nowhere, { first: 1, last: 0 }, undefined],
    ['everything that is gone was decided', 20, anchor, { first: 21, last: 30 }, undefined],
    ['everything is gone, and was decided', 20, anchor, { first: 21, last: 20 }, undefined],
  ] as const)('intact: %s', (_, floor, at, stream, time) => {
    expect(checkAnchor(floor, at, stream, time)).toEqual({ kind: 'intact' });
  });

  it.each([
    ['removed past the floor', 10, anchor, { first: 12, last: 30 }, anchor.time, 11, 11],
    ['removed past the anchor', 10, anchor, { first: 25, last: 30 }, undefined, 11, 24],
    ['the event at the anchor is gone', 10, anchor, { first: 1, last: 30 }, undefined, 20, 20],
  ] as const)('gap: %s', (_, floor, at, stream, time, first, last) => {
    expect(checkAnchor(floor, at, stream, time)).toEqual({ kind: 'gap', first, last });
  });

  it.each([
    ['the stream ends before the anchor', 10, anchor, { first: 1, last: 19 }, undefined, 20, 20],
    ['the stream ends before the floor', 25, anchor, { first: 1, last: 24 }, anchor.time, 25, 25],
    ['the stream started over', 20, anchor, { first: 1, last: 0 }, undefined, 1, 20],
    ['another event has the number', 10, anchor, { first: 1, last: 30 }, '1700000000000000002', 20, 30],
  ] as const)('regression: %s', (_, floor, at, stream, time, first, last) => {
    expect(checkAnchor(floor, at, stream, time)).toMatchObject({ kind: 'regression', first, last });
  });
});

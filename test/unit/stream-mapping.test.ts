/** Several streams: which partitions each holds, what the server is told, and how positions count on over a move. */
import { describe, expect, it } from 'vitest';
import { partitionsOf, streamIndexOf, streamNameOf } from '../../src/core/key/stream-share.js';
import { linkAt, placeOf, positionAt, singleStream } from '../../src/core/position/stream-chain.js';
import { chainsOf, firstGeneration, nextGeneration } from '../../src/core/position/stream-generations.js';
import { defaultOptions } from '../../src/options/resolve.js';
import { mappingBlock, streamMapping, subjectsOfStream } from '../../src/options/stream-mapping.js';
import type { OptionsInput } from '../../src/options/types.js';

const token = (index: number) => ({ kind: 'token', index }) as const;

describe('shares', () => {
  it('are contiguous, cover every partition once, and differ by one at most', () => {
    for (const partitions of [1, 2, 7, 64, 100])
      for (let streams = 1; streams <= Math.min(partitions, 12); streams++) {
        const shares = Array.from({ length: streams }, (_, i) => partitionsOf(i, partitions, streams));
        expect(shares.flat()[0]).toBe(0);
        expect(shares.at(-1)![1]).toBe(partitions - 1);
        for (const [i, [first, last]] of shares.entries()) {
          if (i > 0) expect(first).toBe(shares[i - 1]![1] + 1);
          for (let p = first; p <= last; p++) expect(streamIndexOf(p, partitions, streams)).toBe(i);
        }
        const sizes = shares.map(([first, last]) => last - first + 1);
        expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
      }
  });

  it('a multiple of streams divides each share: no partition changes sides', () => {
    for (let p = 0; p < 60; p++)
      for (const factor of [2, 3, 5])
        expect(Math.floor(streamIndexOf(p, 60, 4 * factor) / factor)).toBe(streamIndexOf(p, 60, 4));
  });

  it('one stream keeps its name', () => {
    expect([streamNameOf('EVENTS', 0, 1), streamNameOf('EVENTS', 1, 4)]).toEqual(['EVENTS', 'EVENTS-2-of-4']);
  });
});

describe('the mapping', () => {
  it.each([
    ['events.*', token(2), 'events.{{partition(64,1)}}.{{wildcard(1)}}', 2, 3],
    ['eu.orders.*.created', token(3), 'eu.orders.{{partition(64,1)}}.{{wildcard(1)}}.created', 3, 5],
    ['orders.*.*', token(3), 'orders.{{partition(64,2)}}.{{wildcard(1)}}.{{wildcard(2)}}', 2, 4],
    ['events.*', { kind: 'header', name: 'Key' } as const, 'events.{{partition(64,1)}}', 2, 0],
    ['a.*.z', { kind: 'pointer', path: ['key'] } as const, 'a.{{partition(64,1)}}.z', 2, 0],
  ])('of %s', (from, key, to, partitionToken, storedTokens) => {
    expect(streamMapping([from], key, 64)).toEqual({ from, to, partitionToken, storedTokens });
  });

  it('gives each stream the subjects of its partitions', () => {
    const mapping = streamMapping(['events.*'], token(2), 6);
    expect(subjectsOfStream(mapping, 1, 6, 2)).toEqual(['events.3.*', 'events.4.*', 'events.5.*']);
    const bare = streamMapping(['events.*'], { kind: 'pointer', path: ['key'] }, 6);
    expect(subjectsOfStream(bare, 0, 6, 3)).toEqual(['events.0', 'events.1']);
    expect(mappingBlock(bare)).toBe('mappings {\n  "events.*": "events.{{partition(6,1)}}"\n}');
  });

  it.each<[string, OptionsInput, RegExp]>([
    ['two subjects', { stream: { count: 2, subjects: ['a.*', 'b.*'] } }, /must be one subject/],
    ['an open end', { stream: { count: 2, subjects: ['a.>'] } }, /ends with >/],
    ['no wildcard', { stream: { count: 2, subjects: ['a.b'] }, event: { key: 'json:/key' } }, /has no \* for the key/],
    ['a key somewhere', { stream: { count: 2, subjects: ['a.*.*'] }, event: { key: 'json:/k' } }, /does not say which/],
    ['more streams than partitions', { partitions: 3, stream: { count: 4 } }, /more than partitions 3/],
    [
      'a partition of its own',
      { stream: { count: 2, subjects: ['a.*.*'] }, event: { key: 'subject:3', partition: 'subject:2' } },
      /event\.partition is set/,
    ],
    [
      'an id that is not stored',
      { stream: { count: 2 }, event: { key: 'json:/key', id: 'subject:2' } },
      /cannot be tokens of a subject that is stored without the key/,
    ],
  ])('is refused for %s', (_, input, problem) => {
    expect(() => defaultOptions(input)).toThrow(problem);
  });
});

describe('positions', () => {
  const one = firstGeneration('EVENTS', 1);
  const two = nextGeneration(one, [100], { name: 'EVENTS', count: 2 });
  const four = nextGeneration(two, [7, 0], { name: 'EVENTS', count: 4 });

  it('count on from what the streams before hold', () => {
    expect(chainsOf([one, two, four])).toEqual([
      [
        { stream: 'EVENTS', base: 0 },
        { stream: 'EVENTS-1-of-2', base: 100 },
        { stream: 'EVENTS-1-of-4', base: 107 },
      ],
      [
        { stream: 'EVENTS', base: 0 },
        { stream: 'EVENTS-1-of-2', base: 100 },
        { stream: 'EVENTS-2-of-4', base: 107 },
      ],
      [
        { stream: 'EVENTS', base: 0 },
        { stream: 'EVENTS-2-of-2', base: 100 },
        { stream: 'EVENTS-3-of-4', base: 100 },
      ],
      [
        { stream: 'EVENTS', base: 0 },
        { stream: 'EVENTS-2-of-2', base: 100 },
        { stream: 'EVENTS-4-of-4', base: 100 },
      ],
    ]);
  });

  it('belong to one stream each, and an empty stream has none', () => {
    const [first, , third] = chainsOf([one, two, four]);
    expect([0, 1, 100, 101, 107, 108].map((position) => linkAt(first!, position))).toEqual([0, 0, 0, 1, 1, 2]);
    expect(placeOf(first!, 108)).toEqual({ stream: 'EVENTS-1-of-4', sequence: 1 });
    expect(placeOf(third!, 101)).toEqual({ stream: 'EVENTS-3-of-4', sequence: 1 });
    for (let position = 1; position < 120; position++)
      expect(positionAt(first!, placeOf(first!, position))).toBe(position);
    expect(positionAt(first!, { stream: 'OTHER', sequence: 5 })).toBeUndefined();
    expect(placeOf(singleStream('S'), 9)).toEqual({ stream: 'S', sequence: 9 });
  });
});

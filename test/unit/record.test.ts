/** The stored record of a partition: what is written comes back, what is damaged is named, nothing is guessed. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { PartitionRecord } from '../../src/core/checkpoint/record.js';
import { decodeRecord, emptyCounters, encodeRecord, RECORD_FORMAT } from '../../src/core/checkpoint/record.js';
import { runs } from '../property/runs.js';

const record: PartitionRecord = {
  format: RECORD_FORMAT,
  layout: { app: 'main', partitions: 64, hash: 'fnv1a32' },
  partition: 17,
  chain: [{ stream: 'EVENTS', base: 0 }],
  position: { floor: 100, above: [103, 104, 110, 110] },
  anchor: { sequence: 112, time: '1700000000000000001' },
  watermark: 1_700_000_000_000,
  maxTime: 1_700_000_002_000,
  arrival: 1_700_000_002_003,
  due: [106, 101],
  counters: { applied: 5, duplicates: 1, conflicts: 0, late: 2, clamped: 3, skipped: 6, dead: { HANDLER_THREW: 4 } },
  deadStored: 4,
  gaps: [20, 30],
  savedAt: 1_700_000_003_000,
};

type Fields = Record<string, unknown>;
const fieldsOf = (value: PartitionRecord): Fields => JSON.parse(encodeRecord(value)) as Fields;
const read = (fields: unknown) => decodeRecord(JSON.stringify(fields));

const finiteTime = fc.oneof(fc.constant(Number.NEGATIVE_INFINITY), fc.nat(2 ** 41));
const records = fc
  .record({
    format: fc.constant(RECORD_FORMAT),
    layout: fc.record({
      app: fc.string({ minLength: 1 }),
      partitions: fc.integer({ min: 1, max: 4096 }),
      hash: fc.string(),
    }),
    partition: fc.nat(4095),
    chain: fc
      .uniqueArray(fc.tuple(fc.string({ unit: 'grapheme' }), fc.nat(1_000)), {
        minLength: 1,
        maxLength: 4,
        selector: ([name]) => name,
      })
      .map((links) => {
        const baseAt = (at: number): number => links.slice(1, at + 1).reduce((sum, [, length]) => sum + length, 0);
        return links.map(([stream], at) => ({ stream, base: baseAt(at) }));
      }),
    position: fc
      .tuple(fc.maxSafeNat(), fc.array(fc.tuple(fc.integer({ min: 1, max: 1000 }), fc.integer({ min: 1, max: 1000 }))))
      .map(([wide, steps]) => {
        const floor = Math.floor(wide / 2);
        let at = floor;
        const above = steps.flatMap(([skip, length]) => {
          const first = at + skip + 1;
          at = first + length - 1;
          return [first, at];
        });
        return { floor, above };
      }),
    anchor: fc.record({
      sequence: fc.maxSafeNat(),
      time: fc.oneof(fc.constant(''), fc.bigInt(0n, 2n ** 63n).map(String)),
    }),
    watermark: finiteTime,
    maxTime: finiteTime,
    arrival: finiteTime,
    counters: fc.record({
      applied: fc.nat(),
      duplicates: fc.nat(),
      conflicts: fc.nat(),
      late: fc.nat(),
      clamped: fc.nat(),
      skipped: fc.nat(),
      dead: fc.dictionary(fc.constantFrom('EVENT_INVALID', 'HANDLER_THREW'), fc.nat(), { noNullPrototype: true }),
    }),
    deadStored: fc.nat(),
    gaps: fc.array(fc.integer({ min: 1, max: 100 })).map((steps) => {
      let at = 0;
      return steps.slice(steps.length % 2).map((step) => (at += step));
    }),
    savedAt: fc.nat(),
    due: fc.uniqueArray(fc.integer({ min: 1, max: 1000 })),
  })
  .map((any) => ({ ...any, due: any.due.map((place) => any.position.floor + place) }));

describe('encodeRecord and decodeRecord', () => {
  it('round trip, for any record', () => {
    expect(decodeRecord(encodeRecord(record))).toEqual({ kind: 'record', record });
    fc.assert(
      fc.property(records, (any) => {
        expect(decodeRecord(encodeRecord(any))).toEqual({ kind: 'record', record: any });
      }),
    );
  });

  it('round trip of a first record, before any event: −Infinity and an empty anchor', () => {
    const first: PartitionRecord = {
      ...record,
      position: { floor: 0, above: [] },
      anchor: { sequence: 0, time: '' },
      watermark: Number.NEGATIVE_INFINITY,
      maxTime: Number.NEGATIVE_INFINITY,
      arrival: Number.NEGATIVE_INFINITY,
      due: [],
      counters: emptyCounters(),
      gaps: [],
    };
    expect(decodeRecord(encodeRecord(first))).toEqual({ kind: 'record', record: first });
  });

  it('the stored form is readable, and numbers that can pass 2^53 are text', () => {
    expect(fieldsOf(record)).toMatchObject({
      format: 2,
      app: 'main',
      floor: '100',
      above: '3+2,10+1',
      anchor: { sequence: '112', time: '1700000000000000001' },
      due: [6, 1],
    });
  });

  it('counters do not share their table with the decoded text, nor with each other', () => {
    expect(emptyCounters().dead).not.toBe(emptyCounters().dead);
  });
});

describe('a chain of streams', () => {
  it.each([
    ['no list', 'EVENTS'],
    ['one stream', [['EVENTS', '0']]],
    [
      'a base that is no text',
      [
        ['OLD', '0'],
        ['EVENTS', 5],
      ],
    ],
    [
      'a first base above 0',
      [
        ['OLD', '1'],
        ['EVENTS', '5'],
      ],
    ],
    [
      'a stream twice',
      [
        ['EVENTS', '0'],
        ['EVENTS', '5'],
      ],
    ],
    [
      'another newest stream',
      [
        ['OLD', '0'],
        ['OTHER', '5'],
      ],
    ],
    [
      'bases that go back',
      [
        ['A', '0'],
        ['B', '7'],
        ['EVENTS', '5'],
      ],
    ],
    ['no base', [['OLD', '0'], ['EVENTS']]],
  ])('is corrupt with %s', (_, chain) => {
    const text = JSON.stringify({ ...JSON.parse(encodeRecord(record)), chain });
    expect(decodeRecord(text)).toMatchObject({ kind: 'corrupt' });
  });
});

describe('a damaged record', () => {
  const wrong: Record<string, readonly unknown[]> = {
    app: [5, null],
    partitions: ['64', -1, 1.5, null],
    hash: [7, {}],
    partition: ['17', -1, 0.5, 1e300],
    stream: [null, []],
    floor: [100, '-1', '1.5', '', '01', ' 1', '1e3', '9007199254740993', '99999999999999999999', null],
    above: [5, 'x', '3', '3+0', '0+1', '-1+2', '10+1,3+2', '3+2,4+1', '3+2,', ',', '1+9007199254740993', null, '3 +2'],
    anchor: [
      null,
      'x',
      5,
      {},
      { sequence: 1, time: '' },
      { sequence: '1' },
      { sequence: '1', time: 5 },
      { sequence: '1', time: '-1' },
    ],
    watermark: ['1', {}, true],
    maxTime: ['1', []],
    arrival: ['1', false],
    due: [null, {}, '1', [0], [-1], [1.5], ['1'], [2, 2], [1e300]],
    counters: [
      null,
      5,
      [],
      {},
      { ...record.counters, applied: -1 },
      { ...record.counters, dead: null },
      { ...record.counters, dead: { EVENT_LATE: 'x' } },
    ],
    deadStored: ['4', -1, 1.5, null],
    gaps: [null, {}, '20', [1.5, 2], ['20', '30'], [20], [30, 20], [1, 5, 5, 9]],
    savedAt: ['1', -1, null],
  };

  it('has a case here for every field that is written', () => {
    expect(Object.keys(wrong).sort()).toEqual(
      Object.keys(fieldsOf(record))
        .filter((field) => field !== 'format')
        .sort(),
    );
  });

  for (const [field, values] of Object.entries(wrong)) {
    // A time of the watermark may be null (before the first event), but not absent.
    it.each(values)(`is corrupt: ${field} is %j`, (value) => {
      expect(read({ ...fieldsOf(record), [field]: value })).toMatchObject({ kind: 'corrupt' });
    });

    it(`is corrupt: ${field} is missing`, () => {
      const fields = fieldsOf(record);
      delete fields[field];
      expect(read(fields)).toMatchObject({ kind: 'corrupt' });
    });
  }

  it.each(['', 'x', '{', '5', 'null', '"text"', 'true', encodeRecord(record).slice(0, -1)])(
    'is corrupt: %j',
    (text) => {
      expect(decodeRecord(text)).toMatchObject({ kind: 'corrupt' });
    },
  );

  it.each([RECORD_FORMAT + 1, 0, '1', null, undefined])(
    'of format %j is refused by its format, never guessed at',
    (format) => {
      expect(read({ ...fieldsOf(record), format })).toEqual({ kind: 'format', format });
      expect(read([])).toMatchObject({ kind: 'format' });
    },
  );

  it('never throws and never passes as another record, whatever byte is hit', () => {
    const text = encodeRecord(record);
    fc.assert(
      fc.property(fc.nat(text.length - 1), fc.string({ unit: 'binary-ascii', maxLength: 2 }), (at, patch) => {
        const damaged = text.slice(0, at) + patch + text.slice(at + 1);
        const decoded = decodeRecord(damaged);
        // What still reads as a record says exactly what its text says: nothing was filled in.
        if (decoded.kind !== 'record') return;
        const again = decodeRecord(encodeRecord(decoded.record));
        expect(JSON.stringify(again)).toBe(JSON.stringify(decoded)); // as text, because −0 is 0 there
      }),
      runs(500),
    );
    fc.assert(
      fc.property(fc.json(), (json) => {
        expect(decodeRecord(json).kind).not.toBe('record');
      }),
    );
  });
});

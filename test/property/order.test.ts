/** TimeBuffer against sort (B1, B2) and Watermark against its two rules (W1, W2). */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Arrival } from '../../src/core/actor/arrival.js';
import { HeldEvents } from '../../src/core/actor/held-events.js';
import { DecodedEvent } from '../../src/core/event/offered.js';
import { Watermark } from '../../src/core/order/watermark.js';
import { rawEvent } from '../unit/raw-events.js';
import { runs } from './runs.js';

interface Timed {
  readonly time: number;
  readonly streamSequence: number;
  readonly bytes: number;
}

/** Everything about an event follows from its sequence, so that a row that mixes two events shows. */
function push(buffer: HeldEvents, { time, streamSequence, bytes }: Timed): void {
  const event = { id: `e-${streamSequence}`, key: 'a', time, sequence: undefined, type: undefined, data: null };
  const raw = { ...rawEvent({ streamSequence }) };
  const isClamped = streamSequence % 3 === 0;
  const source = new DecodedEvent(raw, event);
  buffer.push(
    source,
    7,
    3 * streamSequence,
    time,
    streamSequence,
    bytes,
    10 * streamSequence,
    -streamSequence,
    isClamped,
  );
}

/** What went in of an event that came out. */
function timed(arrival: Arrival | undefined): Timed | undefined {
  if (arrival === undefined) return undefined;
  const { time, streamSequence, bytes } = arrival;
  expect(arrival).toMatchObject({ row: 3 * streamSequence, slot: 10 * streamSequence, seen: -streamSequence });
  expect(arrival.rejection).toBeUndefined();
  expect(arrival.isClamped).toBe(streamSequence % 3 === 0);
  expect([arrival.event.id, arrival.raw.streamSequence]).toEqual([`e-${streamSequence}`, streamSequence]);
  return { time, streamSequence, bytes };
}

const byTime = (a: Timed, b: Timed): number => a.time - b.time || a.streamSequence - b.streamSequence;

describe('HeldEvents', () => {
  const taken = fc.record({
    kind: fc.constant('push' as const),
    time: fc.nat(40),
    bytes: fc.integer({ min: 1, max: 500 }),
  });
  const release = fc.record({
    kind: fc.constant('release' as const),
    upTo: fc.nat(45),
    most: fc.integer({ min: 1, max: 9 }),
  });

  it('B1 B2: gives back what sort gives back, and counts what it holds', () => {
    const steps = fc.array(fc.oneof({ weight: 4, arbitrary: taken }, { weight: 1, arbitrary: release }), {
      maxLength: 200,
      size: 'max',
    });
    fc.assert(
      fc.property(steps, fc.boolean(), (acts, isMostlyOrdered) => {
        const buffer = new HeldEvents();
        let held: Timed[] = [];
        let sequence = 0;
        for (const act of acts) {
          if (act.kind === 'push') {
            const time = isMostlyOrdered && act.time % 4 !== 0 ? sequence : act.time;
            const event = { time, streamSequence: ++sequence, bytes: act.bytes };
            held.push(event);
            push(buffer, event);
          } else {
            for (let i = 0; i < act.most; i++) {
              held.sort(byTime);
              const expected = held[0] !== undefined && held[0].time <= act.upTo ? held.shift() : undefined;
              expect(timed(buffer.shiftUpTo(act.upTo))).toEqual(expected);
            }
          }
          expect(buffer.size).toBe(held.length);
          expect(buffer.bytes).toBe(held.reduce((sum, { bytes }) => sum + bytes, 0));
          expect(buffer.firstTime).toBe([...held].sort(byTime)[0]?.time ?? Number.POSITIVE_INFINITY);
        }
        held = held.sort(byTime);
        expect([...buffer].map(timed).sort((a, b) => byTime(a!, b!))).toEqual(held);
        for (const event of held) expect(timed(buffer.shiftUpTo(Number.POSITIVE_INFINITY))).toEqual(event);
        expect([buffer.size, buffer.bytes, buffer.firstTime]).toEqual([0, 0, Number.POSITIVE_INFINITY]);
      }),
      runs(150),
    );
  });

  it('B1: across many thousands, half released and filled again', () => {
    const buffer = new HeldEvents();
    let seed = 1;
    const random = (): number => {
      seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
      return seed % 1000;
    };
    let sequence = 0;
    let last: Timed = { time: -1, streamSequence: 0, bytes: 0 };
    for (let round = 0; round < 20; round++) {
      for (let i = 0; i < 2000; i++) {
        const time = round * 1000 + (random() < 100 ? random() : i >> 1);
        push(buffer, { time, streamSequence: ++sequence, bytes: 1 });
      }
      const bound = round * 1000 - 1; // what is pushed from now on is newer
      for (let event = buffer.shiftUpTo(bound); event !== undefined; event = buffer.shiftUpTo(bound)) {
        if (byTime(last, event) >= 0) expect.fail(`${JSON.stringify(event)} came after ${JSON.stringify(last)}`);
        last = event;
      }
    }
    expect(buffer.size).toBe(2000);
  });
});

describe('Watermark', () => {
  const unset = {
    watermark: Number.NEGATIVE_INFINITY,
    maxTime: Number.NEGATIVE_INFINITY,
    arrival: Number.NEGATIVE_INFINITY,
  };

  it('W1 W2: never goes back, and is what events, quiet stream times and force say', () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('observe' as const), time: fc.nat(500), stream: fc.nat(500) }),
      fc.record({ kind: fc.constant('passed' as const), time: fc.nat(600), stream: fc.constant(0) }),
      fc.record({ kind: fc.constant('force' as const), time: fc.nat(500), stream: fc.constant(0) }),
    );
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 60, size: 'max' }),
        fc.nat(50),
        fc.integer({ min: 1, max: 100 }),
        (steps, settle, idle) => {
          const watermark = new Watermark(settle, idle, unset);
          let [value, maxTime, arrival] = [-Infinity, -Infinity, -Infinity];
          for (const { kind, time, stream } of steps) {
            const before = watermark.value;
            if (kind === 'observe') {
              watermark.observe(time, stream);
              maxTime = Math.max(maxTime, time);
              arrival = Math.max(arrival, stream);
              value = Math.max(value, maxTime - settle);
            } else if (kind === 'passed') {
              const isQuiet = maxTime > value && time - arrival >= idle;
              expect(watermark.passed(time)).toBe(isQuiet);
              if (isQuiet) value = maxTime;
            } else {
              watermark.force(time);
              value = Math.max(value, time);
            }
            expect(watermark.value).toBeGreaterThanOrEqual(before); // W1
            expect([watermark.value, watermark.maxTime, watermark.lastArrival]).toEqual([value, maxTime, arrival]); // W2
          }
        },
      ),
    );
  });

  it('W2: before the first event nothing moves it', () => {
    const watermark = new Watermark(10, 10, unset);
    expect(watermark.passed(1e15)).toBe(false);
    expect(watermark.value).toBe(-Infinity);
  });

  it('W1: goes on where a checkpoint left it', () => {
    const watermark = new Watermark(10, 10, { watermark: 104, maxTime: 200, arrival: 300 });
    watermark.observe(150, 250);
    expect([watermark.value, watermark.maxTime, watermark.lastArrival]).toEqual([104, 200, 300]);
    expect(watermark.passed(309)).toBe(false);
    expect(watermark.passed(310)).toBe(true);
    expect(watermark.value).toBe(200);
  });
});

/** The stored form of the dedupe index: deltas, restarts, damage (D1, D2, D5, I12). */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Decision, DedupeIndex, keyHashOf } from '../../src/core/dedupe/dedupe-index.js';
import type { StoredSegment } from '../../src/core/dedupe/dedupe-segments.js';
import { DedupeSegments } from '../../src/core/dedupe/dedupe-segments.js';
import { runs } from './runs.js';

const T0 = 1_700_000_000_000;
const DAY = 24 * 3600 * 1000;
const key = keyHashOf('a');

/** An index with its segments and what the store has of them. */
class Stored {
  readonly horizonMs: number;
  readonly countMax: number;
  store = new Map<number, Uint8Array>();
  index: DedupeIndex;
  segments: DedupeSegments;
  #decided: number[] = [];
  #sequence = 0;

  constructor(horizonMs: number, countMax: number) {
    this.horizonMs = horizonMs;
    this.countMax = countMax;
    this.index = new DedupeIndex(horizonMs, countMax);
    this.segments = new DedupeSegments(horizonMs, countMax);
  }

  /** Whether the id was new. Decided at once, unless it is to wait. */
  offer(id: string, time: number, waits = false): boolean {
    if (this.index.find(id, key) >= 0) return false;
    const entry = this.index.insert(time, ++this.#sequence, this.#sequence);
    if (waits) return true;
    this.index.decide(entry, Decision.applied);
    this.#decided.push(entry);
    return true;
  }

  commit(): number {
    const { put, drop } = this.segments.delta(this.index, this.#decided);
    this.#decided = [];
    for (const { number, bytes } of put) this.store.set(number, bytes);
    for (const number of drop) expect(this.store.delete(number)).toBe(true);
    return put.reduce((sum, { bytes }) => sum + bytes.length, 0);
  }

  restart(): void {
    this.index = new DedupeIndex(this.horizonMs, this.countMax);
    this.segments = new DedupeSegments(this.horizonMs, this.countMax);
    expect(this.segments.restore(this.list(), this.index)).toBeUndefined();
    this.#decided = [];
  }

  /** As a store may give them: in any order. */
  list(): StoredSegment[] {
    return [...this.store].map(([number, bytes]) => ({ number, bytes })).reverse();
  }
}

describe('DedupeSegments', () => {
  it('I12: what was committed is known after a restart exactly as before it', () => {
    const step = fc.record({
      id: fc.nat(60),
      gapMs: fc.oneof({ weight: 6, arbitrary: fc.nat(5) }, { weight: 1, arbitrary: fc.nat(60) }),
      act: fc.nat(19),
    });
    const bounds = fc.constantFrom([50, 1e6], [1e6, 20], [100, 30], [1e6, 1e6]);
    fc.assert(
      fc.property(fc.array(step, { maxLength: 250, size: 'max' }), bounds, (steps, [horizonMs, countMax]) => {
        const stored = new Stored(horizonMs!, countMax!);
        const whole = new DedupeIndex(horizonMs!, countMax!);
        let time = T0;
        steps.forEach(({ id, gapMs, act }, i) => {
          time += gapMs;
          const isNew = whole.find(`id-${id}`, key) < 0;
          if (isNew) whole.decide(whole.insert(time, i + 1, 0), Decision.applied);
          expect(stored.offer(`id-${id}`, time)).toBe(isNew);
          if (act < 3) stored.commit();
          if (act !== 0) return;
          stored.restart();
          for (let n = 0; n <= 60; n++) {
            const [is, was] = [stored.index.find(`id-${n}`, key) >= 0, whole.find(`id-${n}`, key) >= 0];
            expect(is, `id-${n}`).toBe(was);
          }
        });
      }),
      runs(150),
    );
  });

  it('D2: an event that waits is not stored, but the times it put outside the horizon stay outside', () => {
    const stored = new Stored(1000, 1e6);
    stored.offer('old', T0);
    stored.offer('ahead', T0 + 5000, true);
    stored.offer('now', T0 + 4500);
    stored.commit();
    expect(stored.index.findAll('old')).toEqual([]);
    stored.restart();
    expect(stored.index.maxTime).toBe(T0 + 5000);
    expect(stored.index.findAll('old')).toEqual([]);
    expect(stored.offer('ahead', T0 + 5000)).toBe(true);
    expect(stored.offer('old', T0)).toBe(true);
    expect(stored.offer('now', T0 + 4500)).toBe(false);
  });

  it('D5: what was decided and evicted before the commit is stored as itself', () => {
    const stored = new Stored(1000, 1e6);
    for (let n = 0; n < 30_000; n++) stored.offer(`id-${n}`, T0 + n);
    for (let n = 0; n < 3000; n++) stored.offer(`waits-${n}`, T0 + 30_000, true);
    stored.commit();
    stored.restart();
    for (let n = 0; n < 3000; n++)
      if (stored.index.find(`waits-${n}`, key) >= 0) expect.fail(`D2: waits-${n} is stored`);
    for (let n = 29_001; n < 30_000; n++) if (stored.offer(`id-${n}`, T0 + n)) expect.fail(`id-${n} is forgotten`);
  });

  it('keeps what is known: decision, sequence, time and body of an id come back', () => {
    const stored = new Stored(1e6, 1e6);
    stored.offer('x', T0 + 7);
    const before = stored.index.findAll('x');
    stored.offer('y', T0 + 9);
    stored.commit();
    stored.restart();
    expect(stored.index.findAll('x')).toEqual(before);
    expect(before).toMatchObject([{ streamSequence: 1, time: T0 + 7, decision: Decision.applied }]);
  });

  it('D6: a segment that grows slowly over months keeps its times apart', () => {
    const stored = new Stored(DAY, 1e6);
    for (let day = 0; day < 200; day++) {
      stored.offer(`id-${day}`, T0 + day * DAY * 1.5);
      stored.commit();
      stored.restart();
      for (let n = 0; n < day; n++) expect(stored.index.find(`id-${n}`, key), `${n} on ${day}`).toBe(-1);
    }
    const slow = new Stored(DAY, 1e6);
    for (let day = 0; day < 200; day++) {
      slow.offer(`id-${day}`, T0 + day * DAY * 0.4);
      slow.commit();
    }
    slow.restart();
    const known = Array.from({ length: 200 }, (_, n) => slow.index.find(`id-${n}`, key) >= 0);
    expect(known.map((is, n) => (is ? n : -1)).filter((n) => n >= 0)).toEqual([197, 198, 199]);
  });

  it('writes little for little, few segments for a slow partition, and drops what is outside the horizon', () => {
    const stored = new Stored(1000, 1e6);
    expect(stored.commit()).toBe(0);
    for (let n = 0; n < 2000; n++) {
      stored.offer(`id-${n}`, T0 + n);
      expect(stored.commit()).toBeLessThanOrEqual(24 + 256 * 28);
    }
    expect(stored.store.size).toBeLessThan(8);
    for (let n = 0; n < 40_000; n++) stored.offer(`more-${n}`, T0 + 2000);
    stored.commit();
    expect(stored.store.size).toBeLessThan(12);
    stored.offer('late on', T0 + 9000);
    stored.commit();
    expect(stored.store.size).toBe(1);
  });

  it('names a segment that is cut, padded, of another format or empty, and never throws', () => {
    const stored = new Stored(1000, 1e6);
    stored.offer('a', T0);
    stored.offer('b', T0);
    stored.commit();
    const [{ number, bytes }] = stored.list() as [StoredSegment];
    const judge = (damaged: Uint8Array): string | undefined =>
      new DedupeSegments(1000, 1e6).restore([{ number, bytes: damaged }], new DedupeIndex(1000, 1e6));
    expect(judge(bytes)).toBeUndefined();
    for (let length = 0; length < bytes.length; length++)
      expect(judge(bytes.subarray(0, length))).toContain('segment 1');
    expect(judge(Uint8Array.from([...bytes, 0]))).toContain('is cut');
    expect(judge(Uint8Array.from([2, ...bytes.subarray(1)]))).toContain('another format');
    const inside = new Uint8Array(bytes.length + 13);
    inside.set(bytes, 13);
    expect(judge(inside.subarray(13))).toBeUndefined();
  });
});

/** DedupeIndex against a plain list: horizons, collisions, churn (invariants D1 to D6). */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Seen } from '../../src/core/dedupe/dedupe-index.js';
import {
  AGEING_MS,
  DEDUPE_HORIZON_MS_MAX,
  Decision,
  DedupeIndex,
  keyHashOf,
} from '../../src/core/dedupe/dedupe-index.js';
import type { ModelEntry } from './dedupe-model.js';
import { DedupeModel, neighbourIds } from './dedupe-model.js';
import { runs } from './runs.js';

const DAY = 24 * 3600 * 1000;
const keys = ['a', 'b', 'c'];
const hashes = keys.map(keyHashOf);

/** Index and model side by side; every look-up is compared. */
class Pair {
  readonly index: DedupeIndex;
  readonly model: DedupeModel;
  #sequence = 0;
  #waiting: { entry: number; modelled: ModelEntry }[] = [];

  constructor(horizonMs: number, countMax: number) {
    this.index = new DedupeIndex(horizonMs, countMax);
    this.model = new DedupeModel(horizonMs, countMax);
  }

  /** Returns whether the event was new. */
  offer(id: string, key: number, time: number): boolean {
    const body = (this.#sequence * 0x9e3779b1) >>> 0;
    const found = this.index.find(id, hashes[key]!);
    const expected = this.model.find(id, keys[key]!);
    expect(found >= 0).toBe(expected !== undefined); // D1
    if (expected !== undefined) {
      expect(this.index.hasBody(found, expected.body)).toBe(true);
      expect(this.index.hasBody(found, (expected.body ^ 1) >>> 0)).toBe(false);
      expect(this.index.seen(found)).toMatchObject({ streamSequence: expected.sequence, decision: expected.decision });
      return false;
    }
    const sequence = ++this.#sequence;
    const modelled: ModelEntry = { id, key: keys[key]!, time, sequence, body, decision: Decision.waiting };
    this.#waiting.push({ entry: this.index.insert(time, sequence, body), modelled });
    this.model.insert(modelled);
    return true;
  }

  decide(choice: number, decision: Decision): void {
    const [decided] = this.#waiting.splice(choice % Math.max(1, this.#waiting.length), 1);
    if (decided === undefined) return;
    this.index.decide(decided.entry, decision);
    decided.modelled.decision = decision;
  }

  check(ids: Iterable<string>): void {
    expect(this.index.size).toBe(this.model.arrivals.length);
    expect(this.index.evictedEarly).toBe(this.model.evictedEarly);
    expect(this.index.maxTime).toBe(this.model.maxTime);
    const simple = ({ streamSequence, decision }: Seen) => `${streamSequence}:${decision}`;
    for (const id of ids) {
      const expected = this.model.findAll(id).map(({ sequence, decision }) => `${sequence}:${decision}`);
      expect(this.index.findAll(id).map(simple).sort()).toEqual(expected.sort());
      keys.forEach((key, i) => {
        expect(this.index.find(id, hashes[i]!) >= 0, `${id} ${key}`).toBe(this.model.find(id, key) !== undefined);
      });
    }
  }
}

describe('DedupeIndex', () => {
  const steps = (ids: readonly string[], stepMs: number) =>
    fc.array(
      fc.record({
        id: fc.constantFrom(...ids),
        key: fc.nat(2),
        gapMs: fc.oneof({ weight: 9, arbitrary: fc.nat(stepMs) }, { weight: 1, arbitrary: fc.nat(stepMs * 50) }),
        behindMs: fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(stepMs * 30) }),
        decide: fc.nat(3),
        choice: fc.nat(50),
        decision: fc.constantFrom(Decision.applied, Decision.late, Decision.dead, Decision.skipped),
      }),
      { maxLength: 200, size: 'max' },
    );

  it('D1 D3 D4: agrees with a plain list under collisions, eviction by count and by event time, waiting entries', () => {
    // Places of the table that are all neighbours of each other, over its end: every search and every hole matters.
    const ids = neighbourIds(30);
    fc.assert(
      fc.property(
        steps(ids, 10),
        fc.constantFrom(5, 100, 1e6),
        fc.constantFrom(1, 4, 40, 1e6),
        (acts, horizon, count) => {
          const pair = new Pair(horizon, count);
          let time = 1_700_000_000_000;
          for (const act of acts) {
            time += act.gapMs;
            pair.offer(act.id, act.key, time - act.behindMs);
            for (let i = 0; i < act.decide; i++) pair.decide(act.choice, act.decision);
          }
          pair.check(ids);
        },
      ),
      runs(120),
    );
  });

  it('D1 D6: also when event time leaps by weeks or starts in 1970', () => {
    const ids = neighbourIds(10);
    fc.assert(
      fc.property(
        steps(ids, DAY),
        fc.constantFrom(DAY, DEDUPE_HORIZON_MS_MAX),
        fc.boolean(),
        (acts, horizon, isOld) => {
          const pair = new Pair(horizon, 1e6);
          let time = isOld ? 0 : 1_700_000_000_000;
          for (const act of acts) {
            time += act.gapMs;
            pair.offer(act.id, act.key, Math.max(0, time - act.behindMs));
            for (let i = 0; i < act.decide; i++) pair.decide(act.choice, act.decision);
          }
          pair.check(ids);
        },
      ),
      runs(120),
    );
  });

  it('D6: an entry outside the horizon never looks young again, however far time moves on', () => {
    const index = new DedupeIndex(DAY, 1e6);
    const [key] = hashes;
    index.find('held', key!); // waits, so that nothing behind it is evicted
    index.insert(1_700_000_000_000, 1, 0);
    index.find('old', key!);
    index.decide(index.insert(0, 2, 0), Decision.late);
    index.find('first', key!);
    index.decide(index.insert(1_700_000_000_000, 3, 0), Decision.applied);
    let leap = 1;
    for (let time = 1_700_000_000_001, n = 4; n < 200; n++, leap = (leap * 3) % (60 * DAY), time += leap) {
      expect(index.find(`n${n}`, key!)).toBe(-1);
      index.decide(index.insert(time, n, 0), Decision.applied);
      expect(index.find('old', key!), `at ${time}`).toBe(-1);
      expect(index.find('first', key!) >= 0).toBe(1_700_000_000_000 > time - DAY);
    }
    expect(AGEING_MS + DEDUPE_HORIZON_MS_MAX + AGEING_MS).toBeLessThan(2 ** 32);
  });

  it('D1: ids are unique per key: the same id of two keys is two events', () => {
    const pair = new Pair(1e6, 1e6);
    expect([pair.offer('x', 0, 1), pair.offer('x', 1, 1), pair.offer('x', 0, 1)]).toEqual([true, true, false]);
    expect(pair.index.findAll('x').map(({ streamSequence }) => streamSequence)).toEqual([1, 2]);
    pair.check(['x', 'y']);
  });

  it('D1: an id that differs by a blank, by case or by normal form is another one', () => {
    const pair = new Pair(1e6, 1e6);
    const ids = ['a', 'A', 'é', 'e\u0301', 'a b', 'a  b', '1', '01'];
    for (const id of ids) expect(pair.offer(id, 0, 1)).toBe(true);
    for (const id of ids) expect(pair.offer(id, 0, 1)).toBe(false);
  });

  it('churn over many chunks: 60,000 ids through a horizon of 10,000, with their places used again (D5)', () => {
    const index = new DedupeIndex(10_000, 1e6);
    const [key] = hashes;
    const time = (n: number): number => 1_700_000_000_000 + n;
    for (let n = 0; n < 60_000; n++) {
      if (index.find(`id-${n}`, key!) >= 0) expect.fail(`id-${n} was never seen`);
      index.decide(index.insert(time(n), n + 1, n), Decision.applied);
      if (n % 1000 === 999) index.recycle();
      if (n % 97 !== 0) continue;
      for (const back of [1, 500, 9_999, 10_000, 10_001, 15_000]) {
        const isInside = n - back >= 0 && back < 10_000;
        if (index.find(`id-${n - back}`, key!) >= 0 !== isInside)
          expect.fail(`id-${n - back} at ${n}: not ${isInside}`);
      }
    }
    expect(index.size).toBe(10_000);
    expect(index.bytes).toBeLessThan(10_000 * 72);
  });

  it('takes at most 32 bytes per id from 100,000 ids on, also when its table has just grown, and 64 at 1,000', () => {
    const index = new DedupeIndex(1e9, 1e6);
    const [key] = hashes;
    const worst = { few: 0, many: 0 };
    for (let n = 1; n <= 250_000; n++) {
      if (index.find(`id-${n}`, key!) >= 0) expect.fail(`id-${n} was never seen`);
      index.decide(index.insert(1_700_000_000_000 + n, n, n), Decision.applied);
      const each = index.bytes / n;
      if (n >= 100_000) worst.many = Math.max(worst.many, each);
      else if (n >= 1000) worst.few = Math.max(worst.few, each);
    }
    expect(index.size).toBe(250_000);
    expect(worst.many).toBeLessThanOrEqual(32);
    expect(worst.few).toBeLessThanOrEqual(64);
  });

  it('tells a changed body by the last 13 bits of its hash, before and after it was stored', () => {
    const index = new DedupeIndex(1e9, 1e6);
    const [key] = hashes;
    index.find('x', key!);
    const stored = new Uint32Array(7);
    const whole = 0xdeadbeef;
    const entry = index.insert(1, 1, whole);
    index.decide(entry, Decision.parked);
    index.copy(entry, stored, 0);
    // As it was stored when all 28 bits were kept.
    const older = Uint32Array.from(stored);
    older[4] = (whole << 4) | Decision.parked;
    for (const words of [stored, older]) {
      const again = new DedupeIndex(1e9, 1e6);
      again.restore(words, 0, 1, 1);
      const found = again.find('x', key!);
      expect(again.seen(found)).toEqual(index.seen(entry));
      expect(again.hasBody(found, whole)).toBe(true);
      for (let bit = 0; bit < 32; bit++) expect(again.hasBody(found, (whole ^ (1 << bit)) >>> 0)).toBe(bit >= 13);
    }
  });
});

/** PositionWindow against plain sets: any order of decisions, any crash (invariants P1 to P4). */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Position } from '../../src/core/position/position-window.js';
import { isDecided, PositionWindow } from '../../src/core/position/position-window.js';
import { decodeRanges, encodeRanges } from '../../src/core/position/ranges.js';
import { runs } from './runs.js';

/** What the window must know, as sets; and the last snapshot, which is what survives a crash. */
class Model {
  window = new PositionWindow({ floor: 0, above: [] });
  stored: Position = { floor: 0, above: [] };
  /** Every own sequence of the stream that this or an earlier incarnation was offered. */
  readonly routed = new Set<number>();
  decided = new Set<number>();
  storedDecided = new Set<number>();
  /** Open slots of this incarnation. */
  open = new Map<number, number>();
  next = 1;
  floor = 0;

  /** The router passes the next sequence; `own` is fixed per sequence, so that a replay reads the same stream. */
  read(own: boolean): void {
    const sequence = this.next++;
    if (own) {
      this.routed.add(sequence);
      const slot = this.window.append(sequence);
      if (this.window.wasDecided(sequence)) {
        expect(this.storedDecided.has(sequence)).toBe(true);
        this.window.decide(slot);
      } else {
        expect(this.storedDecided.has(sequence)).toBe(false);
        this.open.set(sequence, slot);
      }
    }
    this.window.advance(sequence);
  }

  decide(choice: number): void {
    const sequence = [...this.open.keys()][choice % Math.max(1, this.open.size)];
    if (sequence === undefined) return;
    this.window.decide(this.open.get(sequence)!);
    this.open.delete(sequence);
    this.decided.add(sequence);
  }

  snapshot(): void {
    this.stored = this.window.snapshot();
    this.storedDecided = new Set(this.decided);
    this.checkPosition(this.stored);
    const { floor, above } = this.stored;
    expect(decodeRanges(encodeRanges(above, floor), floor)).toEqual(above);
  }

  crash(): void {
    this.window = new PositionWindow(this.stored);
    this.decided = new Set(this.storedDecided);
    this.open.clear();
    this.next = this.stored.floor + 1;
    this.floor = this.stored.floor;
  }

  check(): void {
    expect(this.window.high).toBe(this.next - 1);
    expect(this.window.floor).toBeGreaterThanOrEqual(this.floor); // P2
    this.floor = this.window.floor;
    // P1: the floor is the last sequence before the first undecided one.
    const undecided = [...this.open.keys()].sort((a, b) => a - b)[0] ?? this.next;
    expect(this.window.floor).toBe(undecided - 1);
  }

  checkPosition(position: Position): void {
    for (const sequence of this.routed) {
      const known = this.decided.has(sequence);
      expect(isDecided(position, sequence), `P1 P3: ${sequence}`).toBe(known);
    }
  }
}

/** Whether a sequence of the stream is the partition's own: P4 needs strangers between. */
const isOwn = (sequence: number): boolean => (sequence * 7919) % 5 !== 0;

describe('PositionWindow', () => {
  it('P1 P2 P3 P4: agrees with plain sets through reads, decisions, checkpoints and crashes', () => {
    const step = fc.oneof(
      {
        weight: 8,
        arbitrary: fc.record({ kind: fc.constant('read' as const), count: fc.integer({ min: 1, max: 9 }) }),
      },
      { weight: 10, arbitrary: fc.record({ kind: fc.constant('decide' as const), choice: fc.nat(99) }) },
      { weight: 2, arbitrary: fc.record({ kind: fc.constant('snapshot' as const) }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant('crash' as const) }) },
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120, size: 'max' }), (steps) => {
        const model = new Model();
        for (const act of steps) {
          if (act.kind === 'read') for (let i = 0; i < act.count; i++) model.read(isOwn(model.next));
          else if (act.kind === 'decide') model.decide(act.choice);
          else if (act.kind === 'snapshot') model.snapshot();
          else model.crash();
          model.check();
        }
        model.snapshot();
      }),
      runs(250),
    );
  });

  it('P3: a checkpoint before everything above the floor was read again keeps what was not yet reached', () => {
    const window = new PositionWindow({ floor: 10, above: [13, 14, 20, 25] });
    window.append(11);
    window.advance(12);
    expect(window.snapshot()).toEqual({ floor: 10, above: [13, 14, 20, 25] });
    window.decide(window.append(13));
    window.advance(21);
    expect(window.snapshot()).toEqual({ floor: 10, above: [13, 13, 22, 25] });
    window.advance(30);
    expect(window.snapshot()).toEqual({ floor: 10, above: [13, 13] });
  });

  it('P1: with nothing open the floor is what the router has passed, own or not', () => {
    const window = new PositionWindow({ floor: 0, above: [] });
    window.advance(7);
    expect(window.snapshot()).toEqual({ floor: 7, above: [] });
    const slot = window.append(9);
    window.advance(12);
    expect(window.floor).toBe(8);
    window.decide(slot);
    expect(window.floor).toBe(12);
    window.advance(3);
    expect(window.high).toBe(12);
  });

  it('P4: ranges run across the sequences of other partitions', () => {
    const window = new PositionWindow({ floor: 0, above: [] });
    window.append(1);
    for (const sequence of [5, 9, 200]) window.decide(window.append(sequence));
    window.append(300);
    window.decide(window.append(301));
    expect(window.snapshot()).toEqual({ floor: 0, above: [5, 200, 301, 301] });
  });

  it('keeps hundreds of thousands of open sequences apart, whatever the ring has grown to', () => {
    const window = new PositionWindow({ floor: 0, above: [] });
    const slots = Array.from({ length: 100_000 }, (_, i) => window.append((i + 1) * 3));
    for (let i = slots.length - 1; i > 0; i -= 2) window.decide(slots[i]!);
    expect(window.floor).toBe(2);
    expect(window.snapshot().above).toHaveLength(100_000);
    for (let i = 0; i < slots.length; i += 2) window.decide(slots[i]!);
    expect(window.open).toBe(0);
    expect(window.floor).toBe(300_000);
  });
});

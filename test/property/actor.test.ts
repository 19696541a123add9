/**
 * The actor under random schedules against a plain fold: disorder, repeats, poison, late and future events, loads
 * answered late and in any order, checkpoints at any moment, crashes, lost replies, a store that falls back.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ActorOptions } from '../../src/core/actor/actor.js';
import { outcomeOf } from './actor-oracle.js';
import { drive, schedules } from './actor-schedule.js';
import type { StreamEvent } from './actor-stream.js';
import { baseOptions, streams } from './actor-stream.js';
import { PARTITION } from './actor-world.js';
import { runs } from './runs.js';

/** Logs in the order of (time, sequence), as the settle window promises when nothing is late. */
function isOrdered(log: readonly number[], stream: readonly StreamEvent[]): boolean {
  const timeOf = (sequence: number): number => {
    const { decoded } = stream[sequence - 1]!;
    return decoded.kind === 'event' ? decoded.event.time : Number.NaN;
  };
  return log.every((sequence, i) => {
    if (i === 0) return true;
    const last = log[i - 1]!;
    return timeOf(last) < timeOf(sequence) || (timeOf(last) === timeOf(sequence) && last < sequence);
  });
}

describe('Actor, order time', () => {
  it('A1 A2 A3, KeyOrder K1: disorder inside the settle window: loads, crashes and rollbacks change nothing', () => {
    const disorder = { behindMs: baseOptions.settleMs, aheadMs: 0, gapMs: 40 };
    const bounds = fc.record({ residentKeysMax: fc.constantFrom(0, 1, 2, 100) });
    fc.assert(
      fc.property(streams(disorder, 80), schedules, bounds, (stream, schedule, bound) => {
        const options = { ...baseOptions, ...bound };
        const world = drive(stream, options, schedule, { loads: 'late', crashes: true });
        const outcome = world.finish();
        expect(outcome).toEqual(outcomeOf(stream, options, PARTITION));
        expect(outcome.counters.late).toBe(0);
        for (const { log } of Object.values(outcome.states)) expect(isOrdered(log, stream)).toBe(true);
      }),
      runs(300),
    );
  });

  it('W2 D1, KeyOrder K2: late, future and repeated events, idle and forced release, a short horizon: a replay decides the same', () => {
    const disorder = { behindMs: 90, aheadMs: 60, gapMs: 120 };
    const choices: fc.Arbitrary<Partial<ActorOptions>> = fc.record({
      late: fc.constantFrom('drop', 'apply', 'dead-letter'),
      ahead: fc.constantFrom('dead-letter', 'clamp'),
      aheadMsMax: fc.constantFrom(5, 30, 1000),
      idleMs: fc.constantFrom(30, 80, 1e9),
      settleMs: fc.constantFrom(0, 20, 50),
      bufferEventsMax: fc.constantFrom(0, 2, 1e6),
      bufferBytesMax: fc.constantFrom(900, 1e9),
      residentKeysMax: fc.constantFrom(1, 100),
      dedupe: fc.constantFrom(undefined, { horizonMs: 60, idsMax: 1e6 }, { horizonMs: 1e9, idsMax: 1e6 }),
    });
    fc.assert(
      fc.property(streams(disorder, 80), schedules, choices, (stream, schedule, choice) => {
        const options = { ...baseOptions, ...choice };
        const world = drive(stream, options, schedule, { loads: 'at once', crashes: true });
        expect(world.finish()).toEqual(outcomeOf(stream, options, PARTITION));
      }),
      runs(600),
    );
  });

  it('A1 A3 I8, KeyOrder K1 K2: everything at once: a crash or rollback while states are loaded decides nothing otherwise', () => {
    const disorder = { behindMs: 90, aheadMs: 60, gapMs: 120 };
    const choices = fc.record({
      late: fc.constantFrom('drop', 'apply', 'dead-letter'),
      idleMs: fc.constantFrom(30, 1e9),
      settleMs: fc.constantFrom(0, 20),
      bufferEventsMax: fc.constantFrom(2, 1e6),
      residentKeysMax: fc.constantFrom(0, 1, 100),
    });
    fc.assert(
      fc.property(streams(disorder, 80), schedules, choices, (stream, schedule, choice) => {
        const options: ActorOptions = { ...baseOptions, ...choice };
        const world = drive(stream, options, schedule, { loads: 'late', crashes: true });
        expect(world.finish()).toEqual(outcomeOf(stream, options, PARTITION));
      }),
      runs(300),
    );
  });

  it('without crashes too, with loads answered late: late events are late, counters are the same', () => {
    const disorder = { behindMs: 60, aheadMs: 20, gapMs: 40 };
    fc.assert(
      fc.property(streams(disorder, 60), schedules, (stream, schedule) => {
        const world = drive(stream, { ...baseOptions, late: 'dead-letter' }, schedule, {
          loads: 'late',
          crashes: false,
        });
        expect(world.finish()).toEqual(outcomeOf(stream, { ...baseOptions, late: 'dead-letter' }, PARTITION));
      }),
      runs(150),
    );
  });
});

describe('Actor, order none', () => {
  it('A1, KeyOrder K1: applies each accepted event once, in stream order per key, through crashes and late loads', () => {
    const disorder = { behindMs: 500, aheadMs: 20, gapMs: 40 };
    const dedupe = fc.constantFrom(undefined, { horizonMs: 1e9, idsMax: 1e6 });
    fc.assert(
      fc.property(streams(disorder, 80), schedules, dedupe, (stream, schedule, index) => {
        const options: ActorOptions = { ...baseOptions, order: 'none', dedupe: index, residentKeysMax: 1 };
        const outcome = drive(stream, options, schedule, { loads: 'late', crashes: true }).finish();
        expect(outcome).toEqual(outcomeOf(stream, options, PARTITION));
        for (const { log } of Object.values(outcome.states)) expect(log).toEqual([...log].sort((a, b) => a - b));
      }),
      runs(200),
    );
  });
});

describe('the harness', () => {
  it('reaches what it is for: crashes, replays, loads, dead letters, outputs, late events', () => {
    const reached = { crashes: 0, loads: 0, dead: 0, outputs: 0, late: 0, duplicates: 0, conflicts: 0 };
    const disorder = { behindMs: 90, aheadMs: 60, gapMs: 60 };
    fc.assert(
      fc.property(streams(disorder, 80), schedules, (stream, schedule) => {
        const world = drive(stream, { ...baseOptions, residentKeysMax: 1 }, schedule, { loads: 'late', crashes: true });
        const { counters, dead, outputs } = world.finish();
        reached.loads += world.loads;
        reached.crashes += world.crashes;
        reached.dead += Object.keys(dead).length;
        reached.outputs += Object.keys(outputs).length;
        reached.late += counters.late;
        reached.duplicates += counters.duplicates;
        reached.conflicts += counters.conflicts;
      }),
      { ...runs(50), seed: 1 },
    );
    for (const [what, times] of Object.entries(reached)) expect(times, what).toBeGreaterThan(10);
  });
});

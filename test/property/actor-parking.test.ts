/**
 * Events that are due but may not be applied: order by sequence with gaps, and quarantined keys, under crashes, late
 * loads and a store that falls back (A1 to A3, KeyOrder K1 and K3, Q1 to Q3).
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ActorOptions } from '../../src/core/actor/actor.js';
import { numberedOutcomeOf, numberedStreams } from './actor-numbered.js';
import { outcomeOf } from './actor-oracle.js';
import { drive, schedules } from './actor-schedule.js';
import { baseOptions, streams } from './actor-stream.js';
import { PARTITION } from './actor-world.js';
import { runs } from './runs.js';

const bySequence: ActorOptions = { ...baseOptions, order: 'sequence', gapMs: 1e12 };

describe('order sequence', () => {
  it('K1 Q1 Q2: numbers are applied without a break, what misses one waits, through every crash', () => {
    const bounds = fc.record({
      residentKeysMax: fc.constantFrom(0, 100),
      dedupe: fc.constantFrom(undefined, bySequence.dedupe),
    });
    fc.assert(
      fc.property(numberedStreams(60), schedules, bounds, (stream, schedule, { residentKeysMax }) => {
        const options = { ...bySequence, residentKeysMax };
        const world = drive(stream, options, schedule, { loads: 'late', crashes: true });
        const { waiting, ...expected } = numberedOutcomeOf(stream, options, PARTITION);
        expect(world.finish()).toEqual(expected);
        const parked = [...world.stored.parked.keys()].map(Number).sort((a, b) => a - b);
        expect(parked).toEqual(waiting);
      }),
      runs(250),
    );
  });

  it('K1 I8: a gap is given up at the same place whatever loads, crashes and rollbacks do in between', () => {
    fc.assert(
      fc.property(numberedStreams(60), schedules, fc.constantFrom(1, 100, 3000), (stream, schedule, gapMs) => {
        const options: ActorOptions = { ...bySequence, gapMs, gap: 'skip' };
        const world = drive(stream, options, schedule, { loads: 'late', crashes: true });
        const outcome = world.finish();
        const { states } = outcome;
        const calm = drive(stream, options, schedule, { loads: 'at once', crashes: false });
        expect(outcome).toEqual(calm.finish());
        expect(world.actor.parked).toBe(0);
        const numberOf = (sequence: number): number => {
          const { decoded } = stream[sequence - 1]!;
          return decoded.kind === 'event' ? decoded.event.sequence! : Number.NaN;
        };
        for (const { log } of Object.values(states))
          for (let i = 1; i < log.length; i++) expect(numberOf(log[i]!)).toBeGreaterThan(numberOf(log[i - 1]!));
      }),
      runs(150),
    );
  });
});

describe('quarantine', () => {
  it('K1 Q1 Q3: parked events keep their order: skipping each poison gives what dead letters give', () => {
    const disorder = { behindMs: baseOptions.settleMs, aheadMs: 0, gapMs: 40 };
    const order = fc.constantFrom<'none' | 'time'>('none', 'time');
    fc.assert(
      fc.property(streams(disorder, 60), schedules, order, (stream, schedule, by) => {
        const options: ActorOptions = { ...baseOptions, order: by, poison: 'quarantine', residentKeysMax: 1 };
        const world = drive(stream, options, schedule, { loads: 'late', crashes: true });
        expect(world.finish()).toEqual(outcomeOf(stream, options, PARTITION));
        expect(world.stored.parked.size).toBe(0);
      }),
      runs(250),
    );
  });
});

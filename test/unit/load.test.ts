/** The parts of `millrace load` that need no server: the schedule, keys, events, latencies, the audit, and what is shown. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EventMaker, type EventOptions } from '../../src/cli/load/event-maker.js';
import { KeyPicker } from '../../src/cli/load/key-picker.js';
import { Latency } from '../../src/cli/load/latency.js';
import { auditCounters, auditKeys, auditPublished, decidedOf, isReported } from '../../src/cli/load/load-audit.js';
import { type LoadResult, type LoadSecond, resultPlot, resultText } from '../../src/cli/load/load-result.js';
import { PacedPublisher } from '../../src/cli/load/paced-publisher.js';
import type { FromPublisher, PublishingTask } from '../../src/cli/load/publishing-messages.js';
import { sharedNow } from '../../src/cli/load/publishing-messages.js';
import { profileNames, RateProfile } from '../../src/cli/load/rate-profile.js';
import { emptyCounters } from '../../src/core/checkpoint/record.js';
import type { NewEvent } from '../../src/ports/event-log.js';
import { SeededRandom } from '../../src/testing/seeded-random.js';
import { recoverySeconds, slopePerHour, whyBehind } from '../load/trends.js';

describe('the schedule', () => {
  const profiles = fc.record({
    profile: fc.constantFrom(...profileNames),
    rate: fc.integer({ min: 1, max: 100_000 }),
    peak: fc.integer({ min: 1, max: 400_000 }),
    durationMs: fc.integer({ min: 1_000, max: 60_000 }),
  });

  it('gives every event one moment, in order and within the duration, and says the same both ways (L1, L2)', () => {
    fc.assert(
      fc.property(profiles, fc.double({ min: 0, max: 1, noNaN: true }), (options, share) => {
        const profile = new RateProfile(options);
        const n = Math.min(profile.total - 2, Math.floor(share * profile.total));
        if (n < 0) return;
        const [at, next] = [profile.momentOf(n), profile.momentOf(n + 1)];
        expect(next).toBeGreaterThan(at);
        expect(next).toBeLessThanOrEqual(options.durationMs);
        expect(profile.dueAt(at + 1e-6)).toBeGreaterThanOrEqual(n + 1);
        expect(profile.dueAt(at - 1e-6)).toBeLessThanOrEqual(n + 1);
      }),
      { seed: 6 },
    );
  });

  it('is as many events as rate and time make: constant, a ramp half of them, bursts on top of the rate', () => {
    const options = { rate: 1_000, peak: 5_000, durationMs: 20_000 };
    const total = (profile: (typeof profileNames)[number]): number => new RateProfile({ ...options, profile }).total;
    expect(profileNames.map(total)).toEqual([20_000, 10_000, 28_000]);
    const burst = new RateProfile({ ...options, profile: 'burst' });
    const within = (from: number, to: number): number => burst.dueAt(to) - burst.dueAt(from);
    expect(within(1_000, 2_000)).toBe(1_000);
    expect(within(4_500, 5_500)).toBe(5_000);
    expect(burst.dueAt(-1)).toBe(0);
    expect(burst.dueAt(1e9)).toBe(28_000);
  });
});

describe('keys', () => {
  const counts = (keys: number, skew: number, hot: number, picks: number): number[] => {
    const random = new SeededRandom(7);
    const picker = new KeyPicker({ keys, skew, hot }, () => random.next());
    const found = new Array<number>(keys).fill(0);
    for (let i = 0; i < picks; i++) found[picker.pick()]!++;
    return found;
  };

  it.each([0, 0.5, 1, 1.3, 3])("follow Zipf's law with exponent %s", (skew) => {
    const [keys, picks] = [50, 200_000];
    const weights = Array.from({ length: keys }, (_, at) => (at + 1) ** -skew);
    const sum = weights.reduce((a, b) => a + b);
    for (const [at, count] of counts(keys, skew, 0, picks).entries()) {
      const expected = (weights[at]! / sum) * picks;
      expect(Math.abs(count - expected)).toBeLessThan(5 * Math.sqrt(expected) + 1);
    }
  });

  it('one of them takes the share that is asked for, and one key alone takes all', () => {
    const [first, ...others] = counts(100, 0, 0.5, 20_000);
    expect(first! / 20_000).toBeCloseTo(0.505, 1);
    expect(Math.max(...others)).toBeLessThan(300);
    expect(counts(1, 1.1, 0, 10)).toEqual([10]);
  });
});

describe('events', () => {
  const options: EventOptions = {
    ...{ seed: 3, keys: 20, skew: 0, hot: 0, size: 150, duplicates: 0.2, disorderMs: 100, run: 'r' },
    numbersFrom: undefined,
  };

  it('are the same for the same seed, of the size that was asked for, and as old as allowed', () => {
    const make = (seed: number) => {
      const maker = new EventMaker({ ...options, seed });
      return Array.from({ length: 2_000 }, (_, n) => maker.make(maker.plan(n), 1_000_000 + n));
    };
    const events = make(3);
    expect(make(3)).toEqual(events);
    expect(make(4)).not.toEqual(events);
    for (const [n, { body, id, time, isRepeat }] of events.entries()) {
      expect(body).toHaveLength(150);
      expect(JSON.parse(body)).toMatchObject({ id, time, type: 'deposit' });
      if (isRepeat) continue;
      expect(time).toBeLessThanOrEqual(1_000_000 + n);
      expect(time).toBeGreaterThanOrEqual(1_000_000 + n - 100);
    }
    const repeats = events.filter(({ isRepeat }) => isRepeat);
    expect(repeats.length).toBeGreaterThan(300);
    expect(repeats.length).toBeLessThan(500);
    const bodies = new Set(events.filter(({ isRepeat }) => !isRepeat).map(({ body }) => body));
    for (const { body } of repeats) expect(bodies).toContain(body);
    expect(bodies.size + repeats.length).toBe(events.length);
  });
});

describe('latencies', () => {
  it('are told by percentile in ms, three figures exact, and nothing measured is null', () => {
    const latency = new Latency();
    expect(latency.report()).toBeNull();
    latency.addAll(Array.from({ length: 1_000 }, (_, at) => (at + 1) * 1_000));
    const { count, p50, p99, p999, max } = latency.report()!;
    expect(count).toBe(1_000);
    for (const [found, exact] of [
      [p50, 500],
      [p99, 990],
      [p999, 999],
      [max, 1_000],
    ] as const)
      expect(Math.abs(found - exact) / exact).toBeLessThan(0.002);
    const other = new Latency();
    other.add(5);
    other.drain(latency);
    expect(other.report()).toMatchObject({ count: 1_001, max });
    other.drain(latency);
    expect(other.report()!.count).toBe(1_001);
    expect(latency.report()).toBeNull();
  });
});

describe('a publisher', () => {
  const task: PublishingTask = {
    ...{ target: { kind: 'http', url: '', token: undefined }, publishSubject: 'events.{key}', partitions: 4 },
    profile: { profile: 'constant', rate: 2_000, peak: 1, durationMs: 100 },
    events: {
      ...{ seed: 1, keys: 10, skew: 0, hot: 0, size: 150, duplicates: 0.2, disorderMs: 0, run: 'r' },
      numbersFrom: undefined,
    },
    ...{ index: 0, publishers: 1, window: 10, samples: 100, warmUpMs: 0, countedKeys: 10, graceMs: 5_000 },
  };

  it('waits for room and leaves nothing out; what waited counts from its moment (P1, P2)', async () => {
    const told: FromPublisher[] = [];
    const events: NewEvent[] = [];
    let [inFlight, most] = [0, 0];
    const stallMs = 200;
    const stalledUntil = performance.now() + stallMs;
    const sink = {
      append: async (event: NewEvent) => {
        most = Math.max(most, ++inFlight);
        events.push(event);
        const sequence = events.length;
        const left = stalledUntil - performance.now();
        await new Promise((resolve) => setTimeout(resolve, Math.max(1, left)));
        inFlight--;
        return { stream: 'S', sequence, duplicate: false };
      },
    };
    await new PacedPublisher(task, sink, (message) => told.push(message)).run(sharedNow(), Date.now());
    expect(most).toBeLessThanOrEqual(10);
    expect(events).toHaveLength(200);
    const ids = events.map(({ id }) => id);
    expect(new Set(ids).size).toBe(200);
    const tallies = told.flatMap((message) => (message.kind === 'tally' ? [message.tally] : []));
    const sum = (of: (tally: (typeof tallies)[number]) => number): number =>
      tallies.reduce((all, tally) => all + of(tally), 0);
    expect([sum(({ sent }) => sent), sum(({ acknowledged }) => acknowledged)]).toEqual([200, 200]);
    const latencies = tallies.flatMap(({ acknowledgedMicros }) => [...acknowledgedMicros]);
    // The stall held ten events in flight; all others of the 100 ms waited for them unsent.
    expect(latencies.filter((micros) => micros > 50_000).length).toBeGreaterThan(150);
    const done = told.find((message) => message.kind === 'done')!;
    const counted = done.keys.reduce((all, { events: count }) => all + count, 0);
    expect(counted).toBe(200 - sum(({ repeats }) => repeats));
    const samples = told.flatMap((message) => (message.kind === 'sample' ? [message.sample.id] : []));
    expect(samples.length).toBeGreaterThan(3);
    const stored = told.flatMap((message) => (message.kind === 'stored' ? [message] : []));
    expect(stored.map(({ id }) => id).sort()).toEqual(samples.sort());
    for (const { stored: place } of stored) expect(place).toMatchObject({ stream: 'S' });
  });

  it('sends and counts the events of its warm-up, and measures and follows only those after it', async () => {
    const told: FromPublisher[] = [];
    const sink = { append: async () => ({ stream: 'S', sequence: 1, duplicate: false }) };
    const startAt = sharedNow();
    const warm = { ...task, window: 1_000, warmUpMs: 50 };
    await new PacedPublisher(warm, sink, (message) => told.push(message)).run(startAt, Date.now());
    const tallies = told.flatMap((message) => (message.kind === 'tally' ? [message.tally] : []));
    const count = (of: (tally: (typeof tallies)[number]) => number): number =>
      tallies.reduce((all, tally) => all + of(tally), 0);
    expect(count(({ acknowledged }) => acknowledged)).toBe(200);
    expect(count(({ sentMicros }) => sentMicros.length)).toBe(100);
    expect(count(({ acknowledgedMicros }) => acknowledgedMicros.length)).toBe(100);
    const samples = told.flatMap((message) =>
      message.kind === 'sample' ? [message.sample.scheduledAt - startAt] : [],
    );
    expect(Math.min(...samples)).toBeGreaterThanOrEqual(50);
  });
});

describe('numbered events', () => {
  const numbered = async (index: number): Promise<{ id: string; key: string; sequence: number; body: string }[]> => {
    const sent: { id: string; key: string; sequence: number; body: string }[] = [];
    const sink = {
      append: async ({ body, about }: NewEvent) => {
        const text = Buffer.from(body).toString();
        sent.push({ ...(JSON.parse(text) as { id: string; sequence: number }), key: about!.key, body: text });
        return { stream: 'S', sequence: sent.length, duplicate: false };
      },
    };
    const task: PublishingTask = {
      ...{ target: { kind: 'http', url: '', token: undefined }, publishSubject: 'events.{key}', partitions: 4 },
      profile: { profile: 'constant', rate: 20_000, peak: 1, durationMs: 100 },
      events: {
        ...{ seed: 1, keys: 10, skew: 1, hot: 0, size: 150, duplicates: 0.2, disorderMs: 20, run: 'r' },
        numbersFrom: 5,
      },
      ...{ index, publishers: 2, window: 100, samples: 0, warmUpMs: 0, countedKeys: 0, graceMs: 60_000 },
    };
    await new PacedPublisher(task, sink, () => undefined).run(sharedNow(), 1_000_000);
    return sent;
  };

  it('have no gap in the numbers of any key, whoever sends them, in another order and repeated', async () => {
    const [first, second] = [await numbered(0), await numbered(1)];
    expect([first.length, second.length]).toEqual([1_000, 1_000]);
    const bodies = new Map<string, string>();
    for (const { id, body } of [...first, ...second]) {
      expect(bodies.get(id) ?? body).toBe(body);
      bodies.set(id, body);
    }
    expect(bodies.size).toBeGreaterThan(1_500);
    expect(bodies.size).toBeLessThan(1_700);
    const numbers = new Map<string, Set<number>>();
    for (const { key, sequence } of [...first, ...second])
      numbers.set(key, (numbers.get(key) ?? new Set()).add(sequence));
    expect(numbers.size).toBe(10);
    for (const [key, of] of numbers) {
      expect(key).toMatch(/^load-r-\d$/);
      expect([...of].sort((a, b) => a - b)).toEqual(Array.from({ length: of.size }, (_, n) => n + 5));
    }
    const back = first.filter(({ key, sequence }, at) =>
      first.slice(0, at).some((earlier) => earlier.key === key && earlier.sequence > sequence),
    );
    expect(back.length).toBeGreaterThan(300);
  });
});

describe('the audit', () => {
  const published = { scheduled: 100, acknowledged: 100, repeats: 10, known: 4, failed: 0 };
  const none = { applied: 0, duplicates: 0, late: 0, skipped: 0, dead: 0, lateOut: 0 };
  const right = { ...none, applied: 90, duplicates: 6 };
  const findings = (after: typeof none, sent = published): string[] =>
    auditCounters(sent, none, after)
      .filter(({ level }) => level === 'finding')
      .map(({ check }) => check);

  it('finds nothing where every distinct event was applied once', () => {
    expect(findings(right)).toEqual([]);
    expect(auditPublished(published).level).toBe('ok');
    expect(auditPublished({ ...published, acknowledged: 99, failed: 1 }).found).toContain('1 failed, 0 were not sent');
  });

  it('finds what is lost, applied twice, late, dead, or somebody else’s', () => {
    expect(findings({ ...right, applied: 89 })).toEqual(['decided', 'applied']);
    expect(findings({ ...right, applied: 92, duplicates: 4 })).toEqual(['duplicates', 'applied']);
    expect(findings({ ...right, applied: 87, late: 3, lateOut: 3 })).toEqual(['order', 'applied']);
    expect(findings({ ...right, applied: 88, dead: 2 })).toEqual(['applied']);
    expect(findings({ ...right, applied: 95 })).toEqual(['decided', 'applied']);
    expect(findings({ ...right, skipped: 1 })).toEqual(['order']);
  });

  it('allows for events that may be stored without an acknowledgement, and for no more', () => {
    const unsure = { ...published, scheduled: 102, failed: 2 };
    expect(findings({ ...right, applied: 92 }, unsure)).toEqual([]);
    expect(findings({ ...right, applied: 93 }, unsure)).toEqual(['decided', 'applied']);
  });

  it('compares single keys by count and newest time', () => {
    const key = { key: 'load-1', expected: 3, applied: 3, newest: 9, time: 9 };
    expect(auditKeys([key], 0).level).toBe('ok');
    for (const wrong of [{ applied: 2 }, { applied: 4 }, { time: 8 }, { time: null }])
      expect(auditKeys([key, { ...key, ...wrong }], 0)).toMatchObject({
        level: 'finding',
        found: expect.stringContaining('1 of 2 keys'),
      });
  });

  it('counts partitions only where one node runs them all', () => {
    const counters = { ...emptyCounters(), applied: 5, late: 2, dead: { EVENT_LATE: 2, EVENT_INVALID: 1 } as const };
    const partition = { phase: 'running', counters };
    const status = (...partitions: object[]) => ({ partitions }) as unknown as Parameters<typeof decidedOf>[0];
    expect(decidedOf(status(partition, partition), 2, false)).toEqual({
      ...{ applied: 10, duplicates: 0, late: 4, skipped: 0, dead: 2, lateOut: 4 },
    });
    expect(decidedOf(status(partition, { phase: 'unclaimed' }), 2, false)).toBeUndefined();
    expect(decidedOf(status(partition, partition), 3, false)).toBeUndefined();
    expect(isReported(status(partition, { phase: 'unclaimed' }))).toBe(true);
    expect(isReported(status(partition, { phase: 'running' }))).toBe(false);
  });
});

describe('the result', () => {
  const latency = { count: 10, p50: 1.24, p99: 20, p999: 150.4, max: 1_000 };
  const result: LoadResult = {
    ...{
      target: 'nats://127.0.0.1',
      profile: 'ramp',
      ratePerSecond: 5_000,
      durationMs: 30_000,
      warmUpMs: 5_000,
      seed: 1,
      publishers: 1,
    },
    ...{ keys: 10, skew: 0, hot: 0, size: 150, duplicates: 0, disorderMs: 0, isInterrupted: true },
    ...{ seconds: 30, scheduled: 75_000, sent: 75_000, acknowledged: 74_000, failures: { NATS_UNREACHABLE: 1_000 } },
    acknowledgedPerSecond: 2_467,
    latencyMs: { sent: latency, acknowledged: latency, applied: null, durable: null, node: null },
    series: Array.from({ length: 30 }, (_, second) => ({
      ...{ second, offered: second * 100, acknowledged: second * 90, p99Ms: second === 0 ? null : second },
      ...{ unread: null, buffered: null },
    })),
    audit: [{ check: 'order', level: 'finding', found: '3 events were late' }],
  };

  it('is a table for people, with what failed and what was found', () => {
    const text = resultText(result);
    expect(text).toContain('74,000 events acknowledged in 30.0 s, 2,467 a second; 1,000 failed with NATS_UNREACHABLE');
    expect(text).toMatch(/interrupted/);
    expect(text).toContain('ms from the scheduled moment, without the first 5 s');
    expect(text).toMatch(/^acknowledged +10 +1\.2 +20\.0 +150 +1000$/m);
    expect(text).toMatch(/^durable +0 +– /m);
    expect(text).toMatch(/^FOUND {2}order: 3 events were late$/m);
  });

  it('is a plot with a few places however long it took', () => {
    const svg = resultPlot(result);
    expect(svg).toMatch(/^<svg /);
    expect(svg).not.toMatch(/NaN|Infinity|undefined/);
    expect(svg.match(/<polyline points="[^"]*"/)![0].split(' ')).toHaveLength(2 + 9);
  });
});

describe('trends of the scenarios', () => {
  const second = (at: number, unread: number, acknowledged = 100): LoadSecond => ({
    ...{ second: at, offered: 100, acknowledged, p99Ms: 1, unread, buffered: 0 },
  });
  const result = (series: readonly LoadSecond[], audit: LoadResult['audit'] = []): LoadResult =>
    ({ ratePerSecond: 100, durationMs: series.length * 1_000, series, audit }) as unknown as LoadResult;

  it('keep up where everything came in and lag did not grow', () => {
    const calm = [second(0, 50), second(1, 120), second(2, 90)];
    expect(whyBehind(result(calm))).toBeUndefined();
    expect(whyBehind(result([second(0, 100), second(1, 200), second(2, 300)]))).toBe(
      '300 events were not read at its end',
    );
    expect(whyBehind(result([second(0, 0), second(1, 0, 80), second(2, 0, 80)]))).toContain('86 %');
    expect(whyBehind(result(calm, [{ check: 'applied', level: 'finding', found: 'few' }]))).toBe('applied: few');
  });

  it('tell how long it took to catch up, and how memory grows once it is warm', () => {
    const series = [0, 500, 900, 400, 60].map((unread, at) => second(at, unread));
    expect(recoverySeconds(series, 100)).toBe(2);
    expect(recoverySeconds(series.slice(0, 4), 100)).toBeUndefined();
    const readings = Array.from({ length: 90 }, (_, at) => ({ seconds: at, value: at < 30 ? at * 10 : 300 + at / 60 }));
    expect(slopePerHour(readings, 1 / 3)).toBeCloseTo(60, 6);
    expect(slopePerHour([])).toBe(0);
  });
});

/** Metrics from a node's status: everything in the list is there, and counters only ever rise. */
import { describe, expect, it } from 'vitest';
import { emptyCounters } from '../../src/core/checkpoint/record.js';
import { NodeMetrics } from '../../src/observability/metrics.js';
import type { MetricRow } from '../../src/observability/names.js';
import { metricTable } from '../../src/observability/names.js';
import type { PartitionReport, ThreadReport } from '../../src/protocol/messages.js';
import { handlerBoundsMs, type Timing } from '../../src/protocol/timing.js';
import type { NodeStatus } from '../../src/runtime/node-status.js';
import type { PartitionStatus } from '../../src/runtime/partition-table.js';

const NOW = 1_700_000_000_000;

function reportOf(partition: number, over: Partial<PartitionReport> = {}): PartitionReport {
  return {
    partition,
    floor: 10,
    high: 12,
    checkpoint: 4,
    savedAt: NOW - 1500,
    watermark: NOW,
    buffered: 2,
    parked: 0,
    residentKeys: 3,
    dedupeIds: 5,
    dedupeEvictedEarly: 0,
    forced: 0,
    deadStored: 1,
    counters: emptyCounters(),
    claimed: { epoch: 1, counters: emptyCounters() },
    ...over,
  };
}

function partitionOf(partition: number, over: Partial<PartitionStatus> = {}): PartitionStatus {
  const base = { slot: 0, phase: 'running', epoch: 1, fault: undefined, since: NOW, recoveries: 0 } as const;
  return { ...base, partition, report: reportOf(partition), ...over };
}

function statusOf(over: Partial<NodeStatus> = {}): NodeStatus {
  return {
    name: 'n',
    phase: 'running',
    streams: [{ stream: 'EVENTS', partitions: [0, 63], first: 1, last: 12, unread: 0, isRead: true }],
    unread: 7,
    eventsRead: 100,
    streamTime: undefined,
    inFlightBytes: 4096,
    threadRestarts: 1,
    partitions: [partitionOf(0), partitionOf(1)],
    threads: [
      {
        ...{ slot: 0, heapBytes: 1000, commits: 10, commitMs: 250, commitKeys: 40 },
        sink: { lagMs: 1500, waitingKeys: 7, rows: 30, resyncs: 2 },
      },
    ],
    cluster: undefined,
    moves: { handedOver: 0, replayed: 0, takenOver: 0, released: 0, lost: 0 },
    ...over,
  };
}

/** Samples of one exposition, `name{label="value"}` to value. */
async function scrape(metrics: NodeMetrics): Promise<Map<string, number>> {
  const lines = (await metrics.text()).split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ') + 1))]),
  );
}

/** Metrics over a status that a test replaces, and closes by itself. */
function metricsOf(first: NodeStatus | undefined) {
  const world = { status: first };
  const metrics = new NodeMetrics({ status: () => world.status, now: () => NOW });
  return { world, metrics };
}

/** A partition that has applied so many events, and had applied `stored` when it was claimed. */
const withCounters = (applied: number, stored = 1000, epoch = 1): NodeStatus =>
  statusOf({
    partitions: [
      partitionOf(0, {
        epoch,
        report: reportOf(0, {
          counters: { ...emptyCounters(), applied },
          claimed: { epoch, counters: { ...emptyCounters(), applied: stored } },
        }),
      }),
    ],
  });

describe('an exposition', () => {
  it('has every metric of the list with every value of its label, and nothing else', async () => {
    const { metrics } = metricsOf(statusOf());
    const samples = await scrape(metrics);
    metrics.close();
    const rows = Object.entries(metricTable) as [string, MetricRow][];
    const expected = rows.flatMap(([name, { label, boundsMs }]) => {
      if (boundsMs === undefined)
        return label === undefined ? [name] : label.values.map((value) => `${name}{${label.name}="${value}"}`);
      const bounds = [...boundsMs.map((ms) => `${ms / 1000}`), '+Inf'];
      return [...bounds.map((le) => `${name}_bucket{le="${le}"}`), `${name}_sum`, `${name}_count`];
    });
    expect([...samples.keys()].sort()).toEqual(expected.sort());
    const text = await metrics.text();
    for (const [name, { type }] of Object.entries(metricTable)) expect(text).toContain(`# TYPE ${name} ${type}\n`);
  });

  it('tells how things stand', async () => {
    const fault = { code: 'GAP', message: 'm', problems: [] } as const;
    const partitions = [partitionOf(0), partitionOf(1), partitionOf(2, { phase: 'halted', fault })];
    const { metrics } = metricsOf(statusOf({ partitions }));
    const samples = await scrape(metrics);
    metrics.close();
    expect(Object.fromEntries(samples)).toMatchObject({
      'millrace_node_phase{phase="running"}': 1,
      'millrace_node_phase{phase="failed"}': 0,
      'millrace_partitions{phase="running"}': 2,
      'millrace_partitions{phase="halted"}': 1,
      'millrace_partitions_halted{code="GAP"}': 1,
      'millrace_partitions_halted{code="REGRESSION"}': 0,
      millrace_unread_events: 7,
      millrace_buffered_events: 4,
      millrace_in_flight_bytes: 4096,
      millrace_checkpoint_age_seconds: 1.5,
      millrace_sink_lag_seconds: 1.5,
      millrace_sink_waiting_keys: 7,
      millrace_sink_rows_total: 30,
      millrace_sink_resyncs_total: 2,
      millrace_dead_letters: 2,
      millrace_thread_restarts: 1,
    });
    expect(samples.get('millrace_heap_bytes')).toBeGreaterThan(1e6);
    expect(samples.get('millrace_cpu_seconds_total')).toBeGreaterThan(0);
    expect(samples.get('millrace_event_loop_delay_seconds{quantile="1"}')).toBeGreaterThanOrEqual(0);
  });

  it('is there before the node is, and does not take an unknown lag for none', async () => {
    const { world, metrics } = metricsOf(undefined);
    expect((await scrape(metrics)).get('millrace_events_applied_total')).toBe(0);
    world.status = statusOf({ unread: 5 });
    expect((await scrape(metrics)).get('millrace_unread_events')).toBe(5);
    world.status = statusOf({ unread: undefined });
    expect((await scrape(metrics)).has('millrace_unread_events')).toBe(false);
    metrics.close();
  });
});

describe('histograms', () => {
  const counts = (...first: number[]) => [
    ...first,
    ...new Array<number>(handlerBoundsMs.length + 1 - first.length).fill(0),
  ];
  const thread = (slot: number, time: Timing): ThreadReport => {
    const nothing = { counts: [], sumMs: 0 };
    const handler = { calls: 1, time, applied: nothing, durable: nothing, hotKeys: [] };
    return { slot, heapBytes: 1, commits: 0, commitMs: 0, commitKeys: 0, handler };
  };

  it('add up what the threads count, and never fall when one of them begins anew', async () => {
    const { world, metrics } = metricsOf(undefined);
    const look = async (...threads: ThreadReport[]) => {
      world.status = statusOf({ threads });
      const samples = await scrape(metrics);
      const le = (bound: string) => samples.get(`millrace_handler_seconds_bucket{le="${bound}"}`);
      return {
        buckets: ['0.000001', '0.000002', '0.000005', '1', '+Inf'].map(le),
        count: samples.get('millrace_handler_seconds_count'),
        sum: samples.get('millrace_handler_seconds_sum'),
      };
    };
    const first = await look(
      thread(0, { counts: counts(2, 1), sumMs: 500 }),
      thread(1, { counts: counts(0, 0, 4), sumMs: 250 }),
    );
    expect(first).toEqual({ buckets: [2, 3, 7, 7, 7], count: 7, sum: 0.75 });
    const longest = counts(1, 2);
    longest[handlerBoundsMs.length] = 1;
    const second = await look(
      thread(0, { counts: longest, sumMs: 2_000 }),
      thread(1, { counts: counts(0, 0, 5), sumMs: 500 }),
    );
    expect(second).toEqual({ buckets: [3, 6, 11, 11, 12], count: 12, sum: 3 });
    metrics.close();
  });
});

describe('counters of events', () => {
  const APPLIED = 'millrace_events_applied_total';

  /** Values of the counter after each status. */
  async function follow(...statuses: NodeStatus[]): Promise<(number | undefined)[]> {
    const { world, metrics } = metricsOf(undefined);
    const values: (number | undefined)[] = [];
    for (const status of statuses) {
      world.status = status;
      values.push((await scrape(metrics)).get(APPLIED));
    }
    metrics.close();
    return values;
  }

  it('begin at 0 with the process, whatever was counted before it', async () => {
    expect(await follow(withCounters(1000), withCounters(1003), withCounters(1003))).toEqual([0, 3, 3]);
  });

  it('count from the claim on, however late they are looked at first', async () => {
    expect(await follow(withCounters(21_000), withCounters(21_001))).toEqual([20_000, 20_001]);
    expect(await follow(withCounters(8, 0), withCounters(9, 0))).toEqual([8, 9]);
  });

  it('C1, C2: neither fall with a replay nor count it again', async () => {
    const values = await follow(
      withCounters(1000),
      withCounters(1100),
      withCounters(1040, 1020, 2),
      withCounters(1100, 1020, 2),
      withCounters(1101, 1020, 2),
    );
    expect(values).toEqual([0, 100, 100, 100, 101]);
  });

  it('C3: leave out what another node decided', async () => {
    const values = await follow(withCounters(1000), withCounters(9000, 9000, 3), withCounters(9001, 9000, 3));
    expect(values).toEqual([0, 0, 1]);
    expect(await follow(withCounters(1000), withCounters(9005, 9000, 3))).toEqual([0, 5]);
  });

  it('count dead letters by reason, and threads that begin anew', async () => {
    const dead = (reasons: object) =>
      statusOf({
        partitions: [partitionOf(0, { report: reportOf(0, { counters: { ...emptyCounters(), dead: reasons } }) })],
      });
    const { world, metrics } = metricsOf(dead({ EVENT_LATE: 4 }));
    await scrape(metrics);
    world.status = {
      ...dead({ EVENT_LATE: 6, HANDLER_THREW: 1, NOT_A_REASON: 9 }),
      threads: [{ slot: 0, heapBytes: 1, commits: 3, commitMs: 50, commitKeys: 4 }],
    };
    const samples = await scrape(metrics);
    metrics.close();
    expect(samples.get('millrace_events_dead_total{reason="EVENT_LATE"}')).toBe(6);
    expect(samples.get('millrace_events_dead_total{reason="HANDLER_THREW"}')).toBe(1);
    expect([...samples.keys()].join()).not.toContain('NOT_A_REASON');
    expect(samples.get('millrace_commits_total')).toBe(13);
    expect(samples.get('millrace_commit_seconds_total')).toBeCloseTo(0.3);
  });
});

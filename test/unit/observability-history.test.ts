/** What the dashboard remembers: samples and log entries, bounded, in order. */
import { describe, expect, it } from 'vitest';
import { emptyCounters } from '../../src/core/checkpoint/record.js';
import { History, lagMsOf } from '../../src/observability/history.js';
import { Timeline } from '../../src/observability/timeline.js';
import type { LogLine } from '../../src/ports/log.js';
import type { PartitionReport, ThreadReport } from '../../src/protocol/messages.js';
import type { Timing } from '../../src/protocol/timing.js';
import type { NodeStatus } from '../../src/runtime/node-status.js';

function status(applied: number, over: Partial<NodeStatus> = {}): NodeStatus {
  const report = {
    partition: 0,
    checkpoint: 0,
    buffered: 3,
    forced: 0,
    dedupeEvictedEarly: 0,
    claimed: { epoch: 1, counters: emptyCounters() },
    counters: { ...emptyCounters(), applied },
  } as unknown as PartitionReport;
  const partition = { partition: 0, slot: 0, phase: 'running', epoch: 1, fault: undefined, since: 0, recoveries: 0 };
  return {
    name: 'n',
    phase: 'running',
    streams: [{ stream: 'EVENTS', partitions: [0, 63], first: 1, last: 10, unread: 4, isRead: true }],
    unread: 4,
    streamTime: 6_000,
    eventsRead: applied,
    inFlightBytes: 0,
    threadRestarts: 0,
    partitions: [{ ...partition, report }] as NodeStatus['partitions'],
    threads: [],
    cluster: undefined,
    moves: { handedOver: 0, replayed: 0, takenOver: 0, released: 0, lost: 0 },
    ...over,
  };
}

describe('History', () => {
  it('turns counts into rates; the first sight of a node is no rate', () => {
    const history = new History();
    history.add(status(100), 10_000);
    history.add(status(150), 12_000);
    expect(history.since(0)).toMatchObject([{ at: 12_000, read: 25, applied: 25, late: 0, lagEvents: 4, buffered: 3 }]);
    history.add(status(150, { unread: 0 }), 13_000);
    expect(history.since(12_000)).toMatchObject([{ applied: 0, lagEvents: 0, lagMs: 0, commitMs: null }]);
  });

  it('says how old events were that were applied, and stored, since the moment before', () => {
    const history = new History();
    const time = { counts: [1, 0], sumMs: 1 };
    const thread = (slot: number, applied: Timing, durable: Timing): ThreadReport => {
      const handler = { calls: 1, time, applied, durable, hotKeys: [] };
      return { slot, heapBytes: 1, commits: 0, commitMs: 0, commitKeys: 0, handler };
    };
    const none = { counts: [0, 0], sumMs: 0 };
    history.add(status(1, { threads: [thread(0, { counts: [4, 0], sumMs: 100 }, none)] }), 1_000);
    const threads = [thread(0, { counts: [4, 2], sumMs: 160 }, { counts: [1, 0], sumMs: 7 }), thread(1, time, none)];
    history.add(status(1, { threads }), 2_000);
    history.add(status(1, { threads }), 3_000);
    expect(history.since(0)).toMatchObject([
      { appliedMs: 61 / 3, durableMs: 7 },
      { appliedMs: null, durableMs: null },
    ]);
  });

  it('keeps ten minutes', () => {
    const history = new History();
    for (let second = 0; second <= 700; second++) history.add(status(second), 1_000 + second * 1_000);
    const samples = history.since(0);
    expect([samples.length, samples[0]!.at, samples.at(-1)!.at]).toEqual([600, 102_000, 701_000]);
  });

  it('lag is the age of what was read last, none at the end of the stream, unknown where the end is', () => {
    expect(lagMsOf(status(1), 10_000)).toBe(4_000);
    expect(lagMsOf(status(1, { unread: 0 }), 10_000)).toBe(0);
    expect(lagMsOf(status(1, { unread: undefined }), 10_000)).toBeUndefined();
    expect(lagMsOf(status(1, { streamTime: undefined }), 10_000)).toBeUndefined();
  });
});

describe('Timeline', () => {
  const passed: string[] = [];
  const sink: LogLine = (_, event) => passed.push(event);

  it('remembers what passes to the log, without debug lines, objects and credentials', () => {
    const timeline = new Timeline(() => 7);
    const line = timeline.through(sink);
    line('debug', 'stream.info', {});
    line('error', 'partition.halted', { partition: 3, code: 'GAP', nested: {}, url: 'nats://u:secret@h' });
    expect(passed.splice(0)).toEqual(['stream.info', 'partition.halted']);
    expect(timeline.after(0)).toEqual([
      {
        id: 1,
        at: 7,
        level: 'error',
        event: 'partition.halted',
        text: 'A partition stopped and needs an operator.',
        fields: { partition: 3, code: 'GAP', url: 'nats://***@h' },
      },
    ]);
  });

  it('keeps the newest entries, answers only newer ones, and all to somebody who knew another process', () => {
    const timeline = new Timeline(() => 0);
    const line = timeline.through(sink);
    for (let entry = 0; entry < 600; entry++) line('info', 'node.ready', { entry });
    expect(timeline.after(0)).toHaveLength(500);
    expect(timeline.after(598).map(({ id }) => id)).toEqual([599, 600]);
    expect(timeline.after(0, 1).map(({ id }) => id)).toEqual([600]);
    expect(timeline.after(9_999)).toHaveLength(500);
  });
});

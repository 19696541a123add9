/** What the command prints and how it ends, without servers. */
import { describe, expect, it } from 'vitest';
import { LiveLine, RateMeter, statusParts } from '../../src/cli/dev/live-line.js';
import { exitCodeOf } from '../../src/cli/exit-codes.js';
import { durationFlag, wholeFlag } from '../../src/cli/flag-values.js';
import { errorJson, errorText } from '../../src/cli/show-error.js';
import { statusSummary } from '../../src/cli/status-summary.js';
import type { Terminal } from '../../src/cli/terminal.js';
import { age, fieldLines } from '../../src/cli/text.js';
import { emptyCounters } from '../../src/core/checkpoint/record.js';
import { type ErrorCode, errorTable, MillraceError } from '../../src/errors.js';
import type { PartitionView, StatusView } from '../../src/http/status-view.js';

describe('errors', () => {
  it('are told apart by exit code: usage, unreachable, finding', () => {
    const codes = (...list: ErrorCode[]): number[] => list.map((code) => exitCodeOf(new MillraceError(code, 'x')));
    expect(codes('OPTIONS_INVALID', 'REQUEST_INVALID', 'HANDLER_INVALID')).toEqual([2, 2, 2]);
    expect(codes('NATS_UNREACHABLE', 'REDIS_UNREACHABLE', 'NODE_UNREACHABLE')).toEqual([3, 3, 3]);
    expect(codes('STREAM_MISSING', 'GAP', 'NOT_REFLECTED', 'NOT_FOUND', 'BUG')).toEqual([1, 1, 1, 1, 1]);
    expect(exitCodeOf(new Error('x'))).toBe(1);
  });

  it('show code, what happened, every problem once, and the next step', () => {
    const problems = ['a must be 1', 'b must be 2'];
    const error = new MillraceError('OPTIONS_INVALID', `2 problems with the options: ${problems.join(' · ')}`, {
      problems,
    });
    expect(errorText(error).split('\n')).toEqual([
      'OPTIONS_INVALID: 2 problems with the options',
      '  - a must be 1',
      '  - b must be 2',
      `  → ${errorTable.OPTIONS_INVALID.next}`,
    ]);
    const { code, message, next } = JSON.parse(errorJson(error)).error;
    expect({ code, message, next }).toEqual({ code: error.code, message: error.message, next: error.next });
  });

  it('show where an unforeseen one happened', () => {
    expect(errorText(new TypeError('x is not a function'))).toMatch(/^BUG: x is not a function\nTypeError: x/);
  });
});

describe('flag values', () => {
  it('are refused, not clamped', () => {
    expect(durationFlag('1500ms')).toBe(1_500);
    expect(() => durationFlag('soon')).toThrow('duration');
    expect(() => durationFlag('365d')).toThrow('duration');
    expect(wholeFlag(1, 9)('9')).toBe(9);
    for (const text of ['0', '10', '1.5', '-1', '']) expect(() => wholeFlag(1, 9)(text)).toThrow('from 1 to 9');
  });
});

describe('text', () => {
  it('aligns names and says ages as people do', () => {
    expect(
      fieldLines([
        ['a', '1'],
        ['long', '2'],
      ]),
    ).toBe('a     1\nlong  2');
    expect([35, 1_240, 119_000, 180_000].map(age)).toEqual(['35 ms', '1.2 s', '119.0 s', '3 min']);
  });

  it('summarises a node, with the reason of every partition that stands still', () => {
    const running: PartitionView = {
      ...{ partition: 0, slot: 0, phase: 'running', epoch: 1, fault: undefined, since: 0, recoveries: 0 },
      ...{ floor: 9, high: 9, checkpoint: 2, savedAt: 1_000, watermark: 5, buffered: 3, residentKeys: 1, dedupeIds: 4 },
      ...{ dedupeEvictedEarly: 0, forced: 0, deadStored: 2 },
      counters: { ...emptyCounters(), applied: 1_234, duplicates: 5, conflicts: 1, late: 2, dead: { EVENT_LATE: 2 } },
    };
    const fault = { code: 'GAP', message: 'sequences 3 to 4 are gone', problems: [] } as const;
    const halted: PartitionView = { ...running, partition: 1, phase: 'halted', fault };
    delete (halted as { counters?: unknown }).counters;
    const status: StatusView = {
      ...{
        name: 'a',
        phase: 'running',
        streams: [{ stream: 'EVENTS', partitions: [0, 63], first: 1, last: 20, unread: 11, isRead: true }],
        unread: 11,
        eventsRead: 9,
      },
      streamTime: 1_000,
      ...{
        inFlightBytes: 0,
        threadRestarts: 0,
        threads: [{ slot: 0, heapBytes: 1, commits: 1, commitMs: 1, commitKeys: 1 }],
        cluster: {
          members: [{ name: 'b', phase: 'active', url: 'http://b:4480', since: 0, partitions: 3 }],
          ranges: [
            { first: 0, last: 2, node: 'b', since: '2026-01-31T12:00:00.000Z' },
            { first: 3, last: 3, node: null, since: '' },
          ],
          ...{ share: 1, missing: 0 },
        },
        moves: { handedOver: 0, replayed: 0, takenOver: 0, released: 0, lost: 0 },
      },
      phases: { running: 1, halted: 1 },
      partitions: [running, halted],
    };
    const text = statusSummary(status, 3_000);
    expect(text).toContain('member        b, active, 3 partitions, http://b:4480');
    expect(text).toContain('owner         0 to 2: b since 2026-01-31T12:00:00.000Z');
    expect(text).toContain('owner         3: nobody');
    expect(text).toContain('partitions    1 running, 1 halted');
    expect(text).toContain('lag           11 events not read, 2.0 s behind');
    expect(text).toContain('applied       1,234');
    expect(text).toContain('duplicates    5, 1 with another body');
    expect(text).toContain('(2 EVENT_LATE)');
    expect(text).toContain('oldest 2.0 s ago');
    expect(text).toContain('halted: partition 1: GAP: sequences 3 to 4 are gone');
  });
});

describe('the live line', () => {
  const progress = {
    applied: 12_345,
    duplicates: 3,
    late: 0,
    dead: 0,
    buffered: 7,
    lag: 0,
    checkpointAgeMs: 950,
    halted: [],
  };

  it('measures rates over the last seconds, from totals that come in steps', () => {
    const meter = new RateMeter();
    expect(meter.rate(0, 0)).toBe(0);
    expect(meter.rate(1_000, 500)).toBe(500);
    for (let at = 2_000; at <= 20_000; at += 1_000) meter.rate(at, at);
    expect(meter.rate(21_000, 21_000)).toBe(1_000);
  });

  it('is redrawn in place, never wider than the terminal, and lets other lines go above', () => {
    let written = '';
    const terminal: Terminal = {
      ...{
        env: {},
        input: process.stdin,
        isInteractive: true,
        columns: 40,
        out: () => undefined,
        err: () => undefined,
      },
      raw: (text) => {
        written += text;
      },
    };
    const line = new LiveLine(terminal);
    line.show(statusParts(progress, 498.4));
    expect(written).toBe(`\r\u001b[2K${'498/s  applied 12,345  dupl 3  late 0  buf 7'.slice(0, 39)}`);
    written = '';
    line.print('a word');
    expect(written.startsWith('\r\u001b[2Ka word\n498/s')).toBe(true);
  });

  it('says what stands still', () => {
    const halted = [{ partition: 4, reason: 'GAP: sequences 1 to 2 are gone' }];
    expect(statusParts({ ...progress, halted }, 0).at(-1)).toBe(
      'HALTED 1 (partition 4: GAP: sequences 1 to 2 are gone)',
    );
  });
});

/** Which streams can be read whole and in order, and what is said of the others. */
import type { StreamConfig } from '@nats-io/jetstream';
import { describe, expect, it } from 'vitest';
import { judgeStream, type StreamSettings, takesAll } from '../../src/adapters/nats/judge-stream.js';
import { versionWarnings } from '../../src/adapters/nats/provision.js';

const settings: StreamSettings = {
  name: 'EVENTS',
  subjects: ['events.*'],
  replicas: 1,
  maxAgeMs: 0,
  maxBytes: 0,
  duplicateWindowMs: 120_000,
};
const good = {
  subjects: ['events.*'],
  retention: 'limits',
  storage: 'file',
  discard: 'old',
  num_replicas: 1,
  max_msgs_per_subject: -1,
  max_age: 0,
  duplicate_window: 120_000_000_000,
} as unknown as StreamConfig;
const judge = (changes: object) => judgeStream({ ...good, ...changes } as StreamConfig, settings);

describe('judgeStream', () => {
  it('has nothing to say of a plain stream, nor of one with other limits at its front', () => {
    expect(judge({})).toEqual({ problems: [], warnings: [] });
    expect(judge({ max_bytes: 1, max_msgs: 1, max_age: 3_600_000_000_000 })).toEqual({ problems: [], warnings: [] });
  });

  it.each([
    [{ retention: 'workqueue' }, 'retention is workqueue'],
    [{ retention: 'interest' }, 'retention is interest'],
    [{ max_msgs_per_subject: 1 }, 'max_msgs_per_subject is 1'],
    [{ subjects: ['events.a', 'other'] }, 'takes events.a, other and not all of events.*'],
    [{ subjects: [] }, 'takes nothing and not all of events.*'],
    [{ subjects: undefined, mirror: { name: 'M', filter_subject: 'events.a' } }, 'mirrors a part of M'],
    [{ subjects: undefined, mirror: { name: 'M', subject_transforms: [{}] } }, 'mirrors a part of M'],
  ])('refuses %j', (changes, reason) => {
    const { problems } = judge(changes);
    expect(problems).toEqual([expect.stringContaining(reason)]);
    // Each has its reason after a colon.
    expect(problems[0]).toMatch(/: .{10,}/);
  });

  it.each([
    [{ subjects: ['>'] }, 'also takes >'],
    [{ subjects: ['events.*', 'orders.*'] }, 'also takes orders.*'],
    [{ subjects: undefined, mirror: { name: 'M' } }, 'mirrors M'],
    [{ subjects: undefined, sources: [{ name: 'A', filter_subject: 'a' }, { name: 'B' }] }, 'copies from A, B'],
    [{ subject_transform: { src: 'a.*', dest: 'b.*' } }, 'from a.* to b.*'],
    [{ storage: 'memory' }, 'storage is memory'],
    [{ discard: 'new' }, 'discard is new'],
    [{ sealed: true }, 'sealed'],
    [{ no_ack: true }, 'no_ack'],
    [{ allow_rollup_hdrs: true }, 'allow_rollup_hdrs'],
    [{ allow_msg_ttl: true }, 'allow_msg_ttl'],
    [{ max_age: 3_599_999_000_000 }, 'max_age is 3599999 ms'],
    [{ duplicate_window: 1_000_000_000 }, 'duplicate_window is 1000 ms'],
  ])('warns of %j', (changes, warning) => {
    expect(judge(changes)).toEqual({ problems: [], warnings: [expect.stringContaining(warning)] });
  });

  it('warns of fewer replicas than asked for', () => {
    const { warnings } = judgeStream(good, { ...settings, replicas: 3 });
    expect(warnings).toEqual([expect.stringContaining('num_replicas is 1, asked for were 3')]);
  });

  it('names every problem', () => {
    const { problems } = judge({ retention: 'interest', max_msgs_per_subject: 5, subjects: ['x'] });
    expect(problems).toHaveLength(3);
  });
});

describe('takesAll', () => {
  it.each([
    ['events.*', 'events.*'],
    ['events.*', 'events.a'],
    ['events.>', 'events.*'],
    ['events.>', 'events.>'],
    ['events.>', 'events.a.*.>'],
    ['>', 'events.>'],
    ['*.*', 'events.*'],
    ['*.>', 'events.>'],
  ])('%s takes all of %s', (pattern, wanted) => expect(takesAll(pattern, wanted)).toBe(true));

  it.each([
    ['events.*', 'events.>'],
    ['events.a', 'events.*'],
    ['events.*', 'events.a.b'],
    ['events.*', 'events'],
    ['events.>', 'events'],
    ['events.>', '>'],
    ['*.a', 'events.*'],
    ['*.*', 'events.>'],
    ['events', 'Events'],
  ])('%s does not take all of %s', (pattern, wanted) => expect(takesAll(pattern, wanted)).toBe(false));
});

describe('versionWarnings', () => {
  it.each(['2.11.15', '2.11.16', '2.12.6', '2.13.0', '2.15.1', '3.0.0', '2.12.6-RC.1'])('takes %s', (version) =>
    expect(versionWarnings(version)).toEqual([]),
  );
  it.each(['2.9.10', '2.10.99', '2.11.14', '2.12.5', '1.4.1', 'unknown'])('warns of %s', (version) =>
    expect(versionWarnings(version)).toEqual([expect.stringContaining(`nats-server is ${version}`)]),
  );
});

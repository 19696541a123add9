/** What a node says about an event id: all partitions asked, the answers put into words, the silent ones named. */
import { describe, expect, it } from 'vitest';
import type { Explanation } from '../../src/core/actor/actor.js';
import type { DecisionNote } from '../../src/core/actor/decision-log.js';
import { Decision, type Seen } from '../../src/core/dedupe/dedupe-index.js';
import { partitionOf } from '../../src/core/key/partition.js';
import { type ErrorCode, MillraceError } from '../../src/errors.js';
import { getEvent } from '../../src/http/get-event.js';
import type { Answer, Question } from '../../src/protocol/messages.js';
import type { ClusterStatus } from '../../src/runtime/cluster-status.js';
import { Inquiries } from '../../src/runtime/explain.js';
import type { NodeStatus } from '../../src/runtime/node-status.js';
import type { PartitionStatus } from '../../src/runtime/partition-table.js';
import { Questions } from '../../src/runtime/questions.js';

const PARTITIONS = 4;
const nothing: Explanation = { seen: [], waits: [], notes: [] };

const seen = (decision: Decision, streamSequence: number): Seen => ({
  streamSequence,
  time: 1_000,
  bodyHash: 1,
  decision,
});
const note = (decision: DecisionNote['decision'], streamSequence: number, detail: string, key = 'a'): DecisionNote => ({
  ...{ id: 'x', key, streamSequence, decision, detail },
});

interface Part extends Partial<Pick<PartitionStatus, 'phase' | 'fault'>> {
  readonly explanation?: Partial<Explanation>;
  readonly keys?: Extract<Answer, { kind: 'quarantined' }>['keys'];
  readonly fails?: Error;
  /** Never answers. */
  readonly isBusy?: boolean;
}

interface FakeOptions {
  readonly keepsIds?: boolean;
  readonly storeFails?: boolean;
  readonly cluster?: ClusterStatus;
}

/** A node of four partitions, what was asked of each, and timers that run out when the test says so. */
class FakeNode {
  readonly asked: [partition: number, question: Question][] = [];
  readonly timers = new Set<() => void>();
  readonly letters = new Map<number, object>();
  readonly inquiries: Inquiries;

  constructor(parts: readonly Part[], { keepsIds = true, storeFails = false, cluster }: FakeOptions = {}) {
    const partitions = parts.map((part, partition) => ({
      ...{ partition, slot: 0, epoch: 1, since: 0, recoveries: 0, report: undefined },
      phase: part.phase ?? 'running',
      fault: part.fault,
    }));
    this.inquiries = new Inquiries({
      node: {
        status: () => ({ name: 'n', partitions, unread: 3, cluster }) as unknown as NodeStatus,
        ask: (partition: number, question: Question) => this.#answer(parts[partition]!, partition, question),
      },
      store: {
        deadLetters: async (_, after) => {
          if (storeFails) throw new MillraceError('REDIS_UNREACHABLE', 'away');
          return [...this.letters].filter(([sequence]) => sequence > after).map(([, letter]) => JSON.stringify(letter));
        },
      },
      clock: {
        after: (_, callback) => {
          this.timers.add(callback);
          return () => this.timers.delete(callback);
        },
      },
      partitions: PARTITIONS,
      keepsIds,
    } as ConstructorParameters<typeof Inquiries>[0]);
  }

  #answer(part: Part, partition: number, question: Question): Promise<never> {
    this.asked.push([partition, question]);
    if (part.isBusy === true) return new Promise(() => undefined);
    if (part.fails !== undefined) return Promise.reject(part.fails);
    const answers: Partial<Record<Question['kind'], Answer>> = {
      explain: { kind: 'explanation', explanation: { ...nothing, ...part.explanation } },
      quarantined: { kind: 'quarantined', keys: part.keys ?? [] },
      skip: { kind: 'changed', again: true },
    };
    return Promise.resolve(answers[question.kind] as never);
  }
}

async function summaries(part: Part, key?: string, prepare: (node: FakeNode) => void = () => undefined) {
  const node = new FakeNode([part, {}, {}, {}]);
  prepare(node);
  const { decisions } = await node.inquiries.explain('x', key);
  return decisions.map(({ summary }) => summary);
}

describe('the words', () => {
  const said: [string, Part, string][] = [
    ['applied', { explanation: { seen: [seen(Decision.applied, 12)] } }, 'applied at sequence 12'],
    [
      'applied, with repeats',
      {
        explanation: {
          seen: [seen(Decision.applied, 12)],
          notes: [note('duplicate', 14, 'repeats event 12 of the stream')],
        },
      },
      'applied at sequence 12; 1 recent repeat dropped',
    ],
    [
      'late',
      { explanation: { seen: [seen(Decision.late, 12)], notes: [note('late', 12, 'older by 4 ms, last event e7')] } },
      'late at sequence 12, dropped: older by 4 ms, last event e7',
    ],
    [
      'late, forgotten why',
      { explanation: { seen: [seen(Decision.late, 12)] } },
      'late at sequence 12, dropped: a newer event of its key was applied before',
    ],
    [
      'skipped',
      { explanation: { seen: [seen(Decision.skipped, 12)] } },
      'dropped at sequence 12: its number was there before',
    ],
    [
      'parked',
      { explanation: { seen: [seen(Decision.parked, 12)], waits: ['key "a" is quarantined since event 12: no'] } },
      'parked at sequence 12: key "a" is quarantined since event 12: no',
    ],
    [
      'waiting',
      { explanation: { seen: [seen(Decision.waiting, 12)], waits: ['held until the watermark'] } },
      'waits at sequence 12: held until the watermark',
    ],
    [
      'left undecided by a halt',
      {
        phase: 'halted',
        fault: { code: 'DEAD_LETTERS_FULL', message: 'partition 0: 3 dead letters are stored', problems: [] },
        explanation: { seen: [seen(Decision.waiting, 12)] },
      },
      'waits at sequence 12: partition 0: 3 dead letters are stored',
    ],
    [
      'on its way',
      { explanation: { seen: [seen(Decision.waiting, 12)] } },
      'waits at sequence 12: about to be decided',
    ],
  ];
  it.each(said)('%s', async (_, part, summary) => {
    expect(await summaries(part)).toEqual([summary]);
  });

  it('a dead letter: the stored one says why for good, else what is remembered', async () => {
    const dead = { seen: [seen(Decision.dead, 12)] };
    const letter = { sequence: 12, code: 'HANDLER_THREW', problems: ['p', 'q'], subject: 'events.a', body: '{}' };
    const noted = { ...dead, notes: [note('dead', 12, 'HANDLER_THREW: p')] };
    expect(await summaries({ explanation: dead }, undefined, ({ letters }) => letters.set(12, letter))).toEqual([
      'dead letter at sequence 12: HANDLER_THREW: p; q',
    ]);
    const other = { ...letter, sequence: 13 };
    const [gone] = await summaries({ explanation: noted }, undefined, ({ letters }) => letters.set(13, other));
    expect(gone).toBe(
      'dead letter at sequence 12: HANDLER_THREW: p; the letter is not stored: it is too new, or was dealt with',
    );
    const away = new FakeNode([{ explanation: dead }, {}, {}, {}], { storeFails: true });
    const { decisions } = await away.inquiries.explain('x');
    expect(decisions[0]?.summary).toBe('dead letter at sequence 12: the reason is no longer known');
  });

  it('an event that only a note remembers', async () => {
    const notes = [note('dead', 5, 'EVENT_TIME_AHEAD: too far'), note('duplicate', 7, 'number 3 of its key was there')];
    const node = new FakeNode([{ explanation: { notes } }, {}, {}, {}], { keepsIds: false });
    const report = await node.inquiries.explain('x');
    expect(report.keepsIds).toBe(false);
    expect(report.decisions).toMatchObject([
      { decision: 'dead', sequence: 5, time: null, summary: 'dead letter at sequence 5: EVENT_TIME_AHEAD: too far' },
      { decision: 'skipped', sequence: 7, summary: 'dropped at sequence 7: number 3 of its key was there' },
    ]);
  });
});

describe('partitions of other nodes', () => {
  const member = { phase: 'active', since: 0, partitions: 1 } as const;
  const cluster: ClusterStatus = {
    ...{ share: 1, missing: 0 },
    members: [
      { ...member, name: 'b', url: 'http://b:1' },
      { ...member, name: 'n', url: undefined },
    ],
    ranges: [
      { first: 0, last: 0, node: 'n', since: '' },
      { first: 1, last: 2, node: 'b', since: '' },
      { first: 3, last: 3, node: null, since: '' },
    ],
  };
  const others = [
    { first: 1, last: 2, node: 'b', url: 'http://b:1' },
    { first: 3, last: 3, node: null, url: null },
  ];

  it('are named where an id alone is asked for, and in what is said of an unknown one', async () => {
    const { inquiries } = new FakeNode([{}], { cluster });
    expect((await inquiries.explain('x')).elsewhere).toEqual(others);
    const { status, body } = await getEvent('http://n/v1/events/x', '/v1/events/x', inquiries);
    expect(status).toBe(404);
    expect(JSON.stringify(body)).toContain(
      'not asked: partitions 1 to 2 (node b at http://b:1), partition 3 (no node known)',
    );
  });

  it('are not asked for where a key says whose partition it is, nor where there are none', async () => {
    const own = Array.from({ length: 20 }, (_, n) => `k${n}`).find((key) => partitionOf(key, PARTITIONS) === 0);
    const report = await new FakeNode([{}], { cluster }).inquiries.explain('x', own);
    expect(report).toMatchObject({ answered: 1, elsewhere: [] });
    expect((await new FakeNode([{}, {}, {}, {}]).inquiries.explain('x')).elsewhere).toEqual([]);
    const alone = await new FakeNode([{}, {}, {}]).inquiries.explain('x');
    expect(alone.elsewhere).toEqual([{ first: 3, last: 3, node: null, url: null }]);
  });
});

describe('an id of several events', () => {
  it('each has its own notes; one decision of long ago does not take those of another event', async () => {
    const explanation = {
      seen: [seen(Decision.applied, 20), seen(Decision.waiting, 9)],
      waits: ['held'],
      notes: [
        note('duplicate', 30, 'repeats event 20 of the stream'),
        note('duplicate', 31, 'repeats event 2 of the stream'),
        note('dead', 4, 'EVENT_LATE: old'),
      ],
    };
    const node = new FakeNode([{ explanation }, {}, {}, {}]);
    const { decisions } = await node.inquiries.explain('x');
    expect(decisions.map(({ sequence, decision, waits, notes }) => [sequence, decision, waits, notes.length])).toEqual([
      [4, 'dead', [], 1],
      [9, 'waiting', ['held'], 0],
      [20, 'applied', [], 1],
      [31, 'skipped', [], 1],
    ]);
  });

  it('with a key, only its partition is asked and notes of other keys are left out', async () => {
    const own = partitionOf('a', PARTITIONS);
    const notes = [note('dead', 4, 'EVENT_LATE: old'), note('dead', 5, 'EVENT_LATE: old', 'b')];
    const node = new FakeNode(Array.from({ length: PARTITIONS }, () => ({ explanation: { notes } })));
    const { decisions, answered } = await node.inquiries.explain('x', 'a');
    expect([answered, decisions.map(({ partition, sequence }) => [partition, sequence])]).toEqual([1, [[own, 4]]]);
    expect(node.asked).toEqual([[own, { kind: 'explain', id: 'x' }]]);
    expect((await node.inquiries.explain('x')).decisions).toHaveLength(2 * PARTITIONS);
  });
});

describe('partitions that do not answer', () => {
  const away = new MillraceError('NODE_UNREACHABLE', 'the partition does not run here at the moment');
  const gap = { code: 'GAP' as ErrorCode, message: 'sequences 3 to 4 are gone', problems: [] };
  const full = { code: 'DEAD_LETTERS_FULL' as ErrorCode, message: '2 dead letters are stored', problems: [] };

  it('are named with their reason, and hold up no other', async () => {
    const node = new FakeNode([
      { phase: 'halted', fault: gap, fails: away },
      { phase: 'claiming' },
      { isBusy: true },
      { phase: 'halted', fault: full, explanation: { seen: [seen(Decision.applied, 3)] } },
    ]);
    const explained = node.inquiries.explain('x');
    await Promise.resolve();
    for (const runOut of node.timers) runOut();
    const { decisions, unanswered, answered, unread } = await explained;
    expect([decisions.length, answered, unread, node.timers.size]).toEqual([1, 1, 3, 0]);
    expect(unanswered).toEqual([
      { partition: 0, phase: 'halted', code: 'GAP', message: 'partition 0 stands still: sequences 3 to 4 are gone' },
      { partition: 1, phase: 'claiming', code: 'NODE_UNREACHABLE', message: 'partition 1 is being claimed; ask again' },
      {
        partition: 2,
        phase: 'running',
        code: 'NODE_UNREACHABLE',
        message: 'partition 2 is busy and did not answer in 5 s',
      },
    ]);
    expect(node.asked.map(([partition]) => partition)).toEqual([0, 2, 3]);
  });

  it('refuse a change with the reason, or with an unknown outcome after the deadline', async () => {
    const node = new FakeNode([
      { phase: 'halted', fault: gap, fails: away },
      { phase: 'unclaimed' },
      { isBusy: true },
      {},
    ]);
    const change = (partition: number) => node.inquiries.change(partition, { kind: 'skip', key: 'a' });
    await expect(change(0)).rejects.toMatchObject({ code: 'GAP' });
    await expect(change(1)).rejects.toMatchObject({ code: 'NODE_UNREACHABLE' });
    await expect(change(9)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    const busy = change(2);
    for (const runOut of node.timers) runOut();
    await expect(busy).rejects.toMatchObject({ code: 'COMMIT_TIMEOUT' });
    expect(await change(3)).toEqual({ again: true });
  });

  it('quarantined keys come from all others, oldest first', async () => {
    const key = (name: string, since: number) => ({
      ...{ key: name, code: 'HANDLER_THREW', problems: ['p'], sequence: 1, since, parked: 1 },
    });
    const node = new FakeNode([{ keys: [key('a', 5), key('b', 1)] }, { fails: away }, { keys: [key('c', 3)] }, {}]);
    const { quarantined, unanswered } = await node.inquiries.quarantined();
    expect(quarantined.map((one) => [one.partition, one.key])).toEqual([
      [0, 'b'],
      [2, 'c'],
      [0, 'a'],
    ]);
    expect(unanswered.map(({ partition }) => partition)).toEqual([1]);
  });
});

describe('questions to a thread', () => {
  it('fail when it ends, also if nobody says so and if it has ended before', async () => {
    const questions = new Questions();
    let end: (error: Error | undefined) => void = () => undefined;
    const exited = new Promise<Error | undefined>((resolve) => {
      end = resolve;
    });
    const link = { post: () => undefined, terminate: () => Promise.resolve(), exited };
    const asked = [questions.ask(link, 0, { kind: 'quarantined' }), questions.ask(link, 1, { kind: 'quarantined' })];
    end(undefined);
    for (const one of asked) await expect(one).rejects.toMatchObject({ code: 'NODE_UNREACHABLE' });
    await expect(questions.ask(link, 0, { kind: 'quarantined' })).rejects.toMatchObject({ code: 'NODE_UNREACHABLE' });
    const crashed = { ...link, exited: Promise.resolve(new Error('crash')) };
    await expect(questions.ask(crashed, 0, { kind: 'quarantined' })).rejects.toMatchObject({ code: 'THREAD_LOST' });
  });
});

/**
 * What people ask of a node about its events: what became of an id, which keys are quarantined, and changes of both.
 *
 * An id alone does not say whose partition it is, so every partition of the node is asked and the answers become one;
 * those of other nodes are named.
 * One that cannot answer is named with its reason, and holds up no other; every question has a deadline.
 */
import type { KeyInspection } from '../core/actor/key-inspection.js';
import { partitionOf } from '../core/key/partition.js';
import { codeOf, type ErrorCode, MillraceError, messageOf } from '../errors.js';
import type { CheckpointStore } from '../ports/checkpoint-store.js';
import type { Clock } from '../ports/clock.js';
import type { Answer, Change, QuarantinedKey, Question, Waited } from '../protocol/messages.js';
import { type Elsewhere, elsewhere, placeOf, placeText } from './elsewhere.js';
import { decisionsOf, type EventDecision } from './event-decisions.js';
import type { Node } from './node.js';
import type { PartitionPhase, PartitionStatus } from './partition-table.js';

export interface InquiryDependencies {
  readonly node: Pick<Node, 'ask' | 'status'>;
  readonly store: Pick<CheckpointStore, 'deadLetters'>;
  readonly clock: Pick<Clock, 'after'>;
  readonly partitions: number;
  /** Ids are remembered; false where dedupe is off. */
  readonly keepsIds: boolean;
}

/** A partition that did not answer, and why. */
export interface Unanswered {
  readonly partition: number;
  readonly phase: PartitionPhase;
  readonly code: ErrorCode;
  readonly message: string;
}

export interface EventReport {
  readonly id: string;
  /** By partition and stream sequence; more than one if several keys use the id, or it came again after the horizon. */
  readonly decisions: readonly EventDecision[];
  readonly unanswered: readonly Unanswered[];
  /** Partitions of other nodes, which were not asked; none where a key says whose partition it is. */
  readonly elsewhere: readonly Elsewhere[];
  /** How many partitions answered. */
  readonly answered: number;
  /** False where dedupe is off: then only what was set aside lately is known. */
  readonly keepsIds: boolean;
  /** Events of the stream that this node has not read yet; null while that is not known. */
  readonly unread: number | null;
  /** Where the question waited: how long ago it happened. */
  readonly waited?: Waited | undefined;
}

/** What to wait for, of an event whose key is known. */
export interface EventWait {
  readonly until: 'decided' | 'durable';
  readonly ms: number;
}

export interface QuarantineReport {
  /** Oldest first. */
  readonly quarantined: readonly (QuarantinedKey & { readonly partition: number })[];
  readonly unanswered: readonly Unanswered[];
}

/** Which answer belongs to which question. */
interface AnswerKinds extends Record<Change['kind'], 'changed'> {
  readonly explain: 'explanation';
  readonly await: 'explanation';
  readonly quarantined: 'quarantined';
  readonly inspect: 'inspection';
}

type Reply<Q extends Question> = Extract<Answer, { kind: AnswerKinds[Q['kind']] }>;

interface Deadline {
  readonly ms: number;
  readonly late: (partition: number) => MillraceError;
}

/** A thread answers between two batches. */
const answering: Deadline = {
  ms: 5_000,
  late: (partition) =>
    new MillraceError('NODE_UNREACHABLE', `partition ${partition} is busy and did not answer in 5 s`),
};

/** A change waits for its commit, and Redis may be slow. */
const changing: Deadline = {
  ms: 30_000,
  late: (partition) =>
    new MillraceError(
      'COMMIT_TIMEOUT',
      `partition ${partition} has not stored the change in 30 s; it may still happen: look before you ask again`,
    ),
};

/** A question that waits is not late before its own end. */
function answeringTo(question: Question): Deadline {
  return question.kind === 'await' ? { ...answering, ms: answering.ms + question.waitMs } : answering;
}

export class Inquiries {
  readonly #deps: InquiryDependencies;

  constructor(deps: InquiryDependencies) {
    this.#deps = deps;
  }

  /**
   * What was decided about an event id, and why. With its key only one partition is asked. With `wait` the answer comes when that
   * has happened, or at its end as it is then; where ids are not kept, there is nothing to wait for. Throws as `change` does.
   */
  async explain(id: string, key?: string, wait?: EventWait): Promise<EventReport> {
    const { store, keepsIds, partitions, node } = this.#deps;
    const only = key === undefined ? undefined : partitionOf(key, partitions);
    const isWait = wait !== undefined && keepsIds;
    const { answers, unanswered } = isWait
      ? await this.#askAll({ kind: 'await', id, until: wait.until, waitMs: wait.ms }, only)
      : await this.#askAll({ kind: 'explain', id }, only);
    const decisions = await Promise.all(
      answers.map(({ partition, fault, answer: { explanation } }) =>
        decisionsOf(partition, explanation, { key, fault: fault?.message, store }),
      ),
    );
    const { unread = null, partitions: held, cluster } = node.status();
    const own = new Set(held.map(({ partition }) => partition));
    const others = key === undefined ? elsewhere(partitions, own, cluster) : [];
    const answered = answers.length;
    const waited = answers[0]?.answer.waited;
    return { id, decisions: decisions.flat(), unanswered, elsewhere: others, answered, keepsIds, unread, waited };
  }

  /** What the partition of a key knows of it. Throws as `change` does. */
  async inspect(key: string): Promise<KeyInspection> {
    const partition = partitionOf(key, this.#deps.partitions);
    return (await this.#ask(this.#statusOf(partition), { kind: 'inspect', key }, answering)).inspection;
  }

  /** Keys that wait for an operator, of one partition or all. */
  async quarantined(partition?: number): Promise<QuarantineReport> {
    const { answers, unanswered } = await this.#askAll({ kind: 'quarantined' }, partition);
    const quarantined = answers.flatMap((one) => one.answer.keys.map((key) => ({ partition: one.partition, ...key })));
    return { quarantined: quarantined.sort((a, b) => a.since - b.since), unanswered };
  }

  /**
   * Has a partition changed; settles when that is durable. Throws OWNED_ELSEWHERE with the node that has the partition, NOT_FOUND if none has,
   * NODE_UNREACHABLE while it is being claimed, the fault of one that stands still, COMMIT_TIMEOUT when the outcome is
   * not known in time, and whatever the change runs into.
   */
  async change(partition: number, change: Change): Promise<{ readonly again: boolean }> {
    return { again: (await this.#ask(this.#statusOf(partition), change, changing)).again };
  }

  /** All partitions of the node, or one of them, at once. */
  async #askAll<Q extends Question>(question: Q, only: number | undefined) {
    const asked = only === undefined ? this.#deps.node.status().partitions : [this.#statusOf(only)];
    const unanswered: Unanswered[] = [];
    const answers = await Promise.all(
      asked.map(async (status) => {
        const { partition, phase, fault } = status;
        try {
          return [{ partition, fault, answer: await this.#ask(status, question, answeringTo(question)) }];
        } catch (error) {
          unanswered.push({ partition, phase, code: codeOf(error), message: messageOf(error) });
          return [];
        }
      }),
    );
    unanswered.sort((a, b) => a.partition - b.partition);
    return { answers: answers.flat(), unanswered };
  }

  async #ask<Q extends Question>(
    status: Readonly<PartitionStatus>,
    question: Q,
    deadline: Deadline,
  ): Promise<Reply<Q>> {
    const { partition, phase, fault } = status;
    if (phase === 'unclaimed' || phase === 'claiming')
      throw new MillraceError('NODE_UNREACHABLE', `partition ${partition} is being claimed; ask again`);
    try {
      return (await this.#within(deadline, partition, this.#deps.node.ask(partition, question))) as Reply<Q>;
    } catch (error) {
      // One that has stopped for good has no actor; why it has stopped is what a person needs to know.
      if (fault === undefined || codeOf(error) !== 'NODE_UNREACHABLE') throw error;
      throw new MillraceError(fault.code, `partition ${partition} stands still: ${fault.message}`, { cause: error });
    }
  }

  #statusOf(partition: number): Readonly<PartitionStatus> {
    const { name, partitions, cluster } = this.#deps.node.status();
    const status = partitions.find((one) => one.partition === partition);
    if (status !== undefined) return status;
    const { node, url } = placeOf(partition, cluster);
    if (node !== null)
      throw new MillraceError(
        'OWNED_ELSEWHERE',
        `partition ${partition} is on ${placeText(node, url)}, not on ${name}`,
      );
    throw new MillraceError('NOT_FOUND', `partition ${partition} is not on node ${name}; ask the one that owns it`);
  }

  async #within<T>({ ms, late }: Deadline, partition: number, work: Promise<T>): Promise<T> {
    let cancel = (): void => undefined;
    const tooLate = new Promise<never>((_, reject) => {
      cancel = this.#deps.clock.after(ms, () => reject(late(partition)));
    });
    try {
      return await Promise.race([work, tooLate]);
    } finally {
      cancel();
    }
  }
}

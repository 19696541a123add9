/**
 * Who waits for an event to be decided, and for that to be stored. A question that waits here takes the place of asking
 * again and again, and tells when it happened instead of when somebody looked.
 *
 * Owns the questions that are open. Does not own partitions: it looks at them when something may have changed.
 *
 * Invariants
 * W1. Every wait ends: with both moments, at its deadline with what is known then, or with its partition.
 * W2. "Stored" is never said too early: the commit that it names was prepared after the event was decided. Of an event
 *     that was decided before anybody asked, it may be said one commit late.
 */
import type { Actor } from '../core/actor/actor.js';
import { Decision } from '../core/dedupe/dedupe-index.js';
import { MillraceError } from '../errors.js';
import type { Clock } from '../ports/clock.js';
import type { Answer, Question } from '../protocol/messages.js';
import type { HostedPartition } from './hosted-partition.js';

type Awaiting = Extract<Question, { kind: 'await' }>;

interface Wait {
  readonly partition: HostedPartition;
  readonly actor: Actor;
  readonly question: Awaiting;
  /** Decisions of the partition when it was last looked at: while there are no more, nothing is to be seen. */
  decisions: number;
  /** Monotonic time. */
  decidedAt: number | undefined;
  /** The number of confirmed commits that is needed. */
  commit: number;
  readonly settle: (answer: Answer) => void;
  readonly fail: (error: MillraceError) => void;
  cancel: () => void;
}

/** Of one thread. */
const WAITS_MAX = 1_000;

export class EventWaits {
  readonly #clock: Pick<Clock, 'elapsed' | 'after'>;
  readonly #open = new Set<Wait>();

  constructor(clock: Pick<Clock, 'elapsed' | 'after'>) {
    this.#clock = clock;
  }

  /** Settles when the event is decided and, if that is asked for, stored. Throws NODE_UNREACHABLE if its partition ends. */
  wait(partition: HostedPartition, actor: Actor, question: Awaiting): Promise<Answer> {
    if (this.#open.size >= WAITS_MAX)
      throw new MillraceError('NODE_UNREACHABLE', `${WAITS_MAX} questions wait in this thread already; ask again`);
    return new Promise((settle, fail) => {
      const open = { decisions: -1, decidedAt: undefined, commit: 0, cancel: (): void => undefined };
      const wait: Wait = { partition, actor, question, settle, fail, ...open };
      this.#open.add(wait);
      wait.cancel = this.#clock.after(question.waitMs, () => this.#end(wait, undefined));
      this.#look(wait);
    });
  }

  /** Something may have been decided or stored. */
  look(): void {
    for (const wait of this.#open) this.#look(wait);
  }

  #look(wait: Wait): void {
    const { partition, actor, question } = wait;
    if (partition.operable !== actor) {
      this.#close(wait);
      const problem = `partition ${partition.partition} has stopped or moved while an event was waited for; ask again`;
      wait.fail(new MillraceError('NODE_UNREACHABLE', problem));
      return;
    }
    if (wait.decidedAt === undefined && !this.#isDecided(wait)) return;
    if (wait.decidedAt === undefined) {
      wait.decidedAt = this.#clock.elapsed();
      // A commit under way was prepared before: it holds what was decided only if nothing is left to be stored.
      const isOpen = actor.isDirty || actor.hasMoved;
      wait.commit = actor.number + Number(isOpen) + Number(actor.isSaving);
    }
    if (question.until === 'decided') this.#end(wait, undefined);
    else if (actor.number >= wait.commit) this.#end(wait, this.#clock.elapsed());
  }

  #isDecided(wait: Wait): boolean {
    const { actor, question } = wait;
    const { applied, duplicates, late, skipped, dead } = actor.counters;
    let decisions = applied + duplicates + late + skipped;
    for (const count of Object.values(dead)) decisions += count;
    if (decisions === wait.decisions) return false;
    wait.decisions = decisions;
    return actor
      .explain(question.id)
      .seen.some(({ decision }) => decision !== Decision.waiting && decision !== Decision.parked);
  }

  /** W1. */
  #end(wait: Wait, storedAt: number | undefined): void {
    const { actor, question, decidedAt } = wait;
    this.#close(wait);
    const now = this.#clock.elapsed();
    const ago = (at: number | undefined): number | null => (at === undefined ? null : now - at);
    const explanation = actor.explain(question.id);
    const waited = { decidedMsAgo: ago(decidedAt), durableMsAgo: ago(storedAt) };
    wait.settle({ kind: 'explanation', explanation, waited });
  }

  #close(wait: Wait): void {
    this.#open.delete(wait);
    wait.cancel();
  }
}

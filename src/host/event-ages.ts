/**
 * How old events are when they are applied, and when the checkpoint that holds them is stored: what a reader of the state
 * waits for. Counted from the event's own time, by this machine's clock: a publisher whose clock is wrong is in it.
 *
 * It stands between host and store, so that neither has to know of it.
 */
import type { Commit } from '../core/checkpoint/commit.js';
import type { CommitVerdict } from '../core/checkpoint/guard.js';
import type { CheckpointStore, Claim } from '../ports/checkpoint-store.js';
import type { Clock } from '../ports/clock.js';
import type { HandlerReport } from '../protocol/messages.js';
import { latencyBoundsMs, TimingCounter } from '../protocol/timing.js';

/** Times that a partition remembers between two checkpoints; of more, the first ones. */
const WAITING_MAX = 32;

interface Waiting {
  /** Times of events that were applied and are in no commit yet. */
  times: number[];
  /** Number and times of the commit that was sent last. It may be sent again; its times are counted once. */
  sent: { number: number; times: readonly number[] };
}

export class EventAges {
  readonly #clock: Pick<Clock, 'now'>;
  readonly #applied = new TimingCounter(latencyBoundsMs);
  readonly #durable = new TimingCounter(latencyBoundsMs);
  readonly #partitions = new Map<number, Waiting>();

  constructor(clock: Pick<Clock, 'now'>) {
    this.#clock = clock;
  }

  /** An event of this time was applied. */
  applied(partition: number, time: number): void {
    this.#applied.add(this.#ageOf(time));
    const { times } = this.#of(partition);
    if (times.length < WAITING_MAX) times.push(time);
  }

  report(): Pick<HandlerReport, 'applied' | 'durable'> {
    return { applied: this.#applied.timing, durable: this.#durable.timing };
  }

  /** The store, watched. Nothing that it answers is changed, and nothing waits. */
  around(store: CheckpointStore): CheckpointStore {
    return {
      claim: (claim: Claim): Promise<CommitVerdict> => {
        // What an earlier incarnation applied went with it.
        this.#partitions.delete(claim.partition);
        return store.claim(claim);
      },
      commit: (commit: Commit): Promise<CommitVerdict> => this.#watch(commit, store.commit(commit)),
      read: (partition) => store.read(partition),
      load: (partition) => store.load(partition),
      loadStates: (partition, keys) => store.loadStates(partition, keys),
      readState: (partition, key) => store.readState(partition, key),
      deadLetters: (partition, after, limit) => store.deadLetters(partition, after, limit),
      close: () => store.close(),
    };
  }

  async #watch({ partition, number }: Commit, answer: Promise<CommitVerdict>): Promise<CommitVerdict> {
    const waiting = this.#of(partition);
    if (waiting.sent.number !== number) {
      waiting.sent = { number, times: waiting.times };
      waiting.times = [];
    }
    const verdict = await answer;
    if (verdict !== 'fenced' && waiting.sent.number === number) {
      for (const time of waiting.sent.times) this.#durable.add(this.#ageOf(time));
      waiting.sent = { number, times: [] };
    }
    return verdict;
  }

  #of(partition: number): Waiting {
    let waiting = this.#partitions.get(partition);
    if (waiting === undefined) {
      waiting = { times: [], sent: { number: 0, times: [] } };
      this.#partitions.set(partition, waiting);
    }
    return waiting;
  }

  #ageOf(time: number): number {
    return Math.max(0, this.#clock.now() - time);
  }
}

/**
 * Whether what Redis holds of a partition is ever put together from two states: the keys' own numbers of applied events
 * must add up to the number in the record, in every look. Unlike `RecordWatch` it lets a store go back.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Redis } from 'ioredis';

const ASK_AGAIN_MS = 20;

export class MixedWatch {
  readonly #db: Redis;
  readonly #app: string;
  readonly #partitions: number;
  readonly #mixed: string[] = [];
  #looks = 0;
  #isStopped = false;
  readonly #done: Promise<void>;

  constructor(db: Redis, app: string, partitions = 64) {
    this.#db = db;
    this.#app = app;
    this.#partitions = partitions;
    this.#done = this.#watch();
  }

  /** Looks at partitions with a record that were made, and what was wrong in them. */
  async stop(): Promise<{ readonly looks: number; readonly mixed: readonly string[] }> {
    this.#isStopped = true;
    await this.#done;
    return { looks: this.#looks, mixed: this.#mixed };
  }

  async #watch(): Promise<void> {
    while (!this.#isStopped) {
      for (let p = 0; p < this.#partitions && !this.#isStopped; p++) await this.#look(p).catch(() => undefined);
      await delay(ASK_AGAIN_MS);
    }
  }

  /** Fails while Redis is away. */
  async #look(partition: number): Promise<void> {
    const name = `millrace:{${this.#app}:${partition}}`;
    const replies = await this.#db.multi().hget(`${name}:meta`, 'record').hvals(`${name}:state`).exec();
    const [record, states] = (replies ?? []).map(([, reply]) => reply) as [string | null, string[]];
    if (typeof record !== 'string') return;
    this.#looks++;
    const { counters } = JSON.parse(record) as { counters: { applied: number } };
    const applied = states.reduce((sum, text) => sum + (JSON.parse(text) as { applied: number }).applied, 0);
    if (applied !== counters.applied)
      this.#mixed.push(`partition ${partition}: its keys have ${applied} events, its record ${counters.applied}`);
  }
}

/**
 * Every checkpoint that Redis really wrote, seen from inside with MONITOR: which partition, by which owner, which
 * number. The record itself cannot tell a commit that was written twice from one that was written once.
 */
import { Redis } from 'ioredis';
import { until } from './until.js';

export class CommitWatch {
  readonly #monitor: Redis;
  readonly #app: string;
  /** Numbers in the order in which they were written, by partition. */
  readonly numbers = new Map<number, number[]>();

  private constructor(monitor: Redis, app: string) {
    this.#monitor = monitor;
    this.#app = app;
  }

  static async start(url: string, app: string): Promise<CommitWatch> {
    const client = new Redis(url, { protocol: 2 });
    const monitor = await client.monitor();
    client.disconnect();
    const watch = new CommitWatch(monitor, app);
    monitor.on('monitor', (_time: string, args: string[], source: string) => watch.#see(args, source));
    return watch;
  }

  /** Partitions with a number that was written twice or left out. */
  get broken(): string[] {
    return [...this.numbers].flatMap(([partition, numbers]) =>
      numbers.every((number, i) => i === 0 || number === numbers[i - 1]! + 1)
        ? []
        : [`partition ${partition}: ${numbers.join(' ')}`],
    );
  }

  /** Waits until the watch has seen what was written before this call. */
  async caughtUp(db: Redis): Promise<void> {
    const token = `watch-${Math.random()}`;
    let isSeen = false;
    const look = (_time: string, args: string[]): void => {
      if (args[1] === token) isSeen = true;
    };
    this.#monitor.on('monitor', look);
    await db.echo(token);
    await until(() => isSeen, 10_000, 'the monitor');
    this.#monitor.off('monitor', look);
  }

  close(): void {
    this.#monitor.disconnect();
  }

  #see(args: readonly string[], source: string): void {
    // A claim and a first record write no number but 0.
    if (source !== 'lua' || args[0]?.toUpperCase() !== 'HSET' || args[2] !== 'number') return;
    const partition = new RegExp(`^millrace:\\{${this.#app}:(\\d+)\\}:meta$`).exec(args[1]!)?.[1];
    if (partition === undefined) return;
    const list = this.numbers.get(Number(partition)) ?? [];
    list.push(Number(args[3]));
    this.numbers.set(Number(partition), list);
  }
}

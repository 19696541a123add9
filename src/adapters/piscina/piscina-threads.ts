/**
 * Threads by piscina: it starts them and notices their end, nothing else. Every slot runs one task that never ends
 * and talks over a port of its own.
 *
 * `atomics: 'disabled'`, because the default blocks a thread between tasks with its timers and sockets. As many
 * threads as slots, none of them ever idle. An 'error' listener, because without one a dead thread ends the process.
 */
import { MessageChannel } from 'node:worker_threads';
import { Piscina } from 'piscina';
import { MillraceError } from '../../errors.js';
import type { HostLink, Threads } from '../../ports/threads.js';
import { errorOf } from '../../protocol/fault.js';
import type { Fault, HostToMain } from '../../protocol/messages.js';

/**
 * Three halves of 32 MiB, twice what Node takes: a state lives until its key's next event, and the more of them die before
 * a collection, the fewer it copies. About a tenth of the CPU per event, for some 30 MB (test/bench/RESULTS.md).
 */
const YOUNG_MB = 96;

export interface PiscinaThreadsOptions<Setup> {
  /** URL of the entry module; it exports `host`. */
  readonly entry: string;
  readonly slots: number;
  /** Plain data that the host of a slot is started with. */
  readonly setup: (slot: number) => Setup;
}

/** What the entry module gets. */
export interface HostTask<Setup> {
  readonly setup: Setup;
  readonly port: import('node:worker_threads').MessagePort;
}

/** What the task of a host ends with: nothing after a drain, or why it could not start. */
export type HostResult = Fault | undefined;

export class PiscinaThreads<Setup> implements Threads {
  readonly #options: PiscinaThreadsOptions<Setup>;
  readonly #pool: Piscina;

  constructor(options: PiscinaThreadsOptions<Setup>) {
    this.#options = options;
    this.#pool = new Piscina({
      filename: options.entry,
      name: 'host',
      minThreads: options.slots,
      maxThreads: options.slots,
      concurrentTasksPerWorker: 1,
      idleTimeout: Number.POSITIVE_INFINITY,
      atomics: 'disabled',
      recordTiming: false,
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MB },
    });
    this.#pool.on('error', () => undefined); // the task of the thread reports it, see `exited`
  }

  start(slot: number, receive: (message: HostToMain) => void): HostLink {
    const { port1, port2 } = new MessageChannel();
    const abort = new AbortController();
    port1.on('message', receive);
    const task: HostTask<Setup> = { setup: this.#options.setup(slot), port: port2 };
    const exited = this.#pool
      .run(task, { transferList: [port2], signal: abort.signal })
      .then(
        (result: HostResult) => (result === undefined ? undefined : errorOf(result)),
        (error: unknown) =>
          new MillraceError('THREAD_LOST', `the thread of slot ${slot} died: ${String(error)}`, { cause: error }),
      )
      .finally(() => port1.close());
    return {
      exited,
      post: (message, transfer) => port1.postMessage(message, transfer === undefined ? [] : [...transfer]),
      terminate: async () => {
        abort.abort(); // piscina ends the thread of an aborted task that is running
        await exited;
      },
    };
  }

  async close(): Promise<void> {
    await this.#pool.destroy();
  }
}

/** One application of a test: its stream, a workload that is published while things break, and the final comparison. */
import type { OptionsInput } from '../../src/options/types.js';
import { capture } from '../support/capture.js';
import type { Cluster } from '../support/cluster.js';
import { ledgerRules } from '../support/meanings.js';
import type { NodeProcess } from '../support/node-process.js';
import { type Expected, expected } from '../support/oracle.js';
import { expectStored, untilDecided } from '../support/redis-state.js';
import { until } from '../support/until.js';
import { makeWorkload, SteadyPublisher, type WorkloadOptions } from '../support/workload.js';

export class LiveApp {
  readonly name: string;
  readonly stream: string;
  readonly options: OptionsInput;
  readonly publisher: SteadyPublisher;
  readonly events: number;
  readonly #from: number;
  readonly #cluster: Cluster;

  private constructor(
    cluster: Cluster,
    name: string,
    options: OptionsInput,
    publisher: SteadyPublisher,
    events: number,
    from: number,
  ) {
    this.#cluster = cluster;
    this.name = name;
    this.stream = name.toUpperCase();
    this.options = options;
    this.publisher = publisher;
    this.events = events;
    this.#from = from;
  }

  /** Publishing begins at once, up to `share`. */
  static async start(
    cluster: Cluster,
    name: string,
    share: number,
    workload: Partial<WorkloadOptions> = {},
    input: OptionsInput = {},
  ): Promise<LiveApp> {
    const stream = { name: name.toUpperCase(), subjects: `${name}.*` };
    await cluster.addStream(stream.name, [stream.subjects]);
    const options = await cluster.newApp(name, {
      handler: 'ledger',
      stream,
      checkpoint: { interval: '50ms' },
      ...input,
    });
    const events = workload.events ?? 8_000;
    const from = Date.now() - events - 60_000;
    const batches = makeWorkload({
      seed: name.length,
      events,
      keys: 500,
      from,
      disorderMs: 200,
      poison: 11,
      prefix: name,
      ...workload,
    });
    const publisher = new SteadyPublisher(cluster.nc, batches, 20);
    publisher.allow(share);
    return new LiveApp(cluster, name, options, publisher, events, from);
  }

  /** Event time at this share of the workload, epoch ms. */
  timeAt(share: number): number {
    return this.#from + share * this.events;
  }

  /** So much of the workload is decided and stored. */
  decided(share: number): Promise<void> {
    return untilDecided(this.#cluster.db, this.name, this.events * share, 30_000);
  }

  /** What must be stored after everything that the stream holds now. */
  async wanted(): Promise<Expected> {
    return expected(await capture(this.#cluster.nc, this.stream), ledgerRules);
  }

  /** Publishes the rest, waits, compares, drains, compares. */
  async finish(node: NodeProcess): Promise<void> {
    this.publisher.allow(1);
    await this.publisher.done;
    const wanted = await this.wanted();
    await untilDecided(this.#cluster.db, this.name, wanted.events, 30_000);
    await expectStored(this.#cluster.db, this.name, wanted);
    await node.drain();
    await expectStored(this.#cluster.db, this.name, wanted);
  }
}

/** Waits for a line of the log in which `pattern` occurs. */
export async function says(node: NodeProcess, event: string, pattern: RegExp): Promise<void> {
  await until(
    () => node.logs.some((line) => line.event === event && pattern.test(JSON.stringify(line.fields))),
    20_000,
    () => `${event} with ${pattern}; there is ${node.logs.map((line) => JSON.stringify(line)).join('\n')}`,
  );
}

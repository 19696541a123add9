/**
 * One stream, two runs: one that is disturbed by faults of every kind while the events come, and one that is not.
 * Both must leave the same bytes, and the bytes that the oracle expects.
 */
import type { NatsConnection } from '@nats-io/nats-core';
import type { OptionsInput } from '../../src/options/types.js';
import { capture } from '../support/capture.js';
import { Cluster } from '../support/cluster.js';
import { type Contents, contentsOf } from '../support/contents.js';
import { ledgerRules } from '../support/meanings.js';
import { type Expected, expected } from '../support/oracle.js';
import { Random } from '../support/random.js';
import { expectStored, untilDecided } from '../support/redis-state.js';
import { until } from '../support/until.js';
import { type Happening, makeWorkload, ownShape, publishBatch, type Workload } from '../support/workload.js';
import { type FaultKind, FaultyWorld, faultKinds } from './fault-kinds.js';

export interface WorkloadRun {
  readonly order: 'time' | 'sequence';
  readonly events: number;
  readonly faults: number;
  readonly seed: number;
  readonly progress: (line: string) => void;
}

export interface WorkloadResult {
  readonly order: 'time' | 'sequence';
  readonly seed: number;
  readonly events: number;
  readonly duplicates: number;
  readonly deadLetters: number;
  readonly keys: number;
  readonly faults: Readonly<Record<string, number>>;
  readonly undisturbed: Contents;
  readonly disturbed: Contents;
  readonly seconds: number;
  readonly violations: readonly string[];
}

const BATCH = 300;
const BATCH_MS = 60;
const DECIDED_MS = 120_000;

/** Throws only if the run itself cannot go on; what is wrong with the result is in `violations`. */
export async function runWorkload({ order, events, faults, seed, progress }: WorkloadRun): Promise<WorkloadResult> {
  const startedAt = performance.now();
  const cluster = await Cluster.start();
  try {
    const random = new Random(seed);
    await cluster.addStream('EVENTS', ['events.*']);
    const input: OptionsInput = {
      handler: 'ledger',
      threads: 2,
      order: { mode: order, gapTimeout: '10m' },
      dedupe: { horizon: '1d' },
      checkpoint: { interval: '200ms' },
    };
    const publisher = new Publisher(cluster.nc, workloadOf(order, events, seed));
    const disturbedOptions = await cluster.newApp('disturbed', input);
    const world = await FaultyWorld.start(cluster, random, disturbedOptions, (act) => publisher.between(act));
    const struck: Partial<Record<FaultKind, number>> = {};
    for (let n = 1; n <= faults; n++) {
      publisher.allow(n / (faults + 1));
      const kind = random.pick(faultKinds);
      // Most faults meet a node that runs; some meet one that still starts or recovers.
      if (random.chance(0.8)) await (await world.node()).ready();
      await until(() => publisher.share > (n - 0.5) / (faults + 1), DECIDED_MS, 'events to be disturbed');
      await world.strike(kind);
      struck[kind] = (struck[kind] ?? 0) + 1;
      progress(`fault ${n} of ${faults}: ${kind}, ${Math.round(publisher.share * 100)} % published`);
    }
    publisher.allow(1);
    await publisher.done;

    const violations: string[] = [];
    const audit = async (check: () => Promise<unknown>): Promise<void> => {
      await check().catch((error: unknown) => violations.push(error instanceof Error ? error.message : String(error)));
    };
    const wanted = expected(await capture(cluster.nc, 'EVENTS'), { ...ledgerRules, order });
    const last = await (await world.node()).ready();
    await audit(() => finish(cluster, 'disturbed', wanted));
    const { partitions } = await last.status();
    for (const { partition, phase, fault } of partitions)
      if (phase !== 'running') violations.push(`partition ${partition} is ${phase}: ${fault?.code} ${fault?.message}`);
    await last.drain();
    const disturbed = await contentsOf(cluster.db, 'disturbed');
    await world.close();

    const calm = await cluster.node(await cluster.newApp('undisturbed', input)).ready();
    await audit(() => finish(cluster, 'undisturbed', wanted));
    await calm.drain();
    const undisturbed = await contentsOf(cluster.db, 'undisturbed');
    if (JSON.stringify(disturbed) !== JSON.stringify(undisturbed)) violations.push('the two runs left different bytes');
    return {
      order,
      seed,
      events: wanted.events,
      duplicates: wanted.duplicates,
      deadLetters: wanted.dead,
      keys: undisturbed.keys,
      faults: struck,
      undisturbed,
      disturbed,
      seconds: Math.round((performance.now() - startedAt) / 1_000),
      violations,
    };
  } finally {
    await cluster.stop();
  }
}

async function finish(cluster: Cluster, app: string, wanted: Expected): Promise<void> {
  await untilDecided(cluster.db, app, wanted.events, DECIDED_MS);
  await expectStored(cluster.db, app, wanted);
}

/** With order `sequence` every key's events are numbered as they happened; disorder and copies come afterwards. */
function workloadOf(order: 'time' | 'sequence', events: number, seed: number): Workload {
  const numbers = new Map<string, number>();
  const numbered = (happening: Happening, random: Random, prefix: string) => {
    const number = (numbers.get(happening.key) ?? 0) + 1;
    numbers.set(happening.key, number);
    const { subject, body } = ownShape(happening, random, prefix);
    return { subject, body: JSON.stringify({ ...JSON.parse(body as string), sequence: number }) };
  };
  return makeWorkload({
    seed,
    events,
    keys: 3_000,
    from: Date.now() - events - 60_000,
    disorderMs: BATCH,
    poison: 33,
    ...(order === 'sequence' ? { shape: numbered } : {}),
  });
}

/** Publishes batch after batch, up to the share that is allowed; what must not meet a batch is done between two. */
class Publisher {
  readonly #nc: NatsConnection;
  readonly #workload: Workload;
  #batches = 0;
  #allowed = 0;
  #turn: Promise<void> = Promise.resolve();
  /** Settles when everything is published. */
  readonly done: Promise<void>;

  constructor(nc: NatsConnection, workload: Workload) {
    this.#nc = nc;
    this.#workload = workload;
    this.done = this.#run();
    this.done.catch(() => undefined); // whoever awaits `done` gets it
  }

  get share(): number {
    return this.#batches / this.#workload.length;
  }

  allow(share: number): void {
    this.#allowed = share;
  }

  between(act: () => Promise<void>): Promise<void> {
    const turn = this.#turn.then(act);
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  async #run(): Promise<void> {
    let due = performance.now();
    for (const batch of this.#workload) {
      const isDue = (): boolean => performance.now() >= due && this.share < this.#allowed;
      await until(isDue, DECIDED_MS, 'the time of the next batch');
      due = Math.max(due + (this.#allowed < 1 ? BATCH_MS : 0), performance.now() - BATCH_MS);
      await this.between(async () => {
        await publishBatch(this.#nc, batch);
      });
      this.#batches++;
    }
  }
}

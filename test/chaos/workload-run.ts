/**
 * One stream, two runs: one that is disturbed by faults of every kind while the events come, and one that is not.
 * Both must leave the same bytes, and the bytes that the oracle expects.
 */
import type { OptionsInput } from '../../src/options/types.js';
import { type Contents, contentsOf } from '../support/contents.js';
import { ledgerRules } from '../support/meanings.js';
import { type Expected, expected } from '../support/oracle.js';
import { Random } from '../support/random.js';
import { expectStored, untilDecided } from '../support/redis-state.js';
import { until } from '../support/until.js';
import { type Happening, makeWorkload, ownShape, type Workload } from '../support/workload.js';
import type { Arena, StoreName } from './arena.js';
import { Audit } from './audit.js';
import { openServicesArena } from './services-arena.js';
import { openPostgresArena, openSqliteArena } from './sql-arena.js';

const openers = { services: openServicesArena, sqlite: openSqliteArena, postgres: openPostgresArena } as const;

export interface WorkloadRun {
  readonly store: StoreName;
  readonly order: 'time' | 'sequence';
  readonly events: number;
  readonly faults: number;
  readonly seed: number;
  /** Time of the first event, epoch ms. The same one on another store must leave the same. */
  readonly from: number;
  readonly progress: (line: string) => void;
}

export interface WorkloadResult {
  readonly store: StoreName;
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
export async function runWorkload(run: WorkloadRun): Promise<WorkloadResult> {
  const { store, order, events, faults, seed, from, progress } = run;
  const startedAt = performance.now();
  const arena = await openers[store]();
  try {
    const random = new Random(seed);
    const input: OptionsInput = {
      handler: 'ledger',
      threads: 2,
      order: { mode: order, gapTimeout: '10m' },
      dedupe: { horizon: '1d' },
      checkpoint: { interval: '200ms' },
    };
    const disturbedOptions = await arena.app('disturbed', input);
    const publisher = new Publisher(arena, workloadOf(order, events, seed, from));
    const world = await arena.faults(random, disturbedOptions, (act) => publisher.between(act));
    const struck: Record<string, number> = {};
    for (let n = 1; n <= faults; n++) {
      publisher.allow(n / (faults + 1));
      // Most faults meet a node that runs; some meet one that still starts or recovers.
      if (random.chance(0.8)) await (await world.node()).ready();
      await until(() => publisher.share > (n - 0.5) / (faults + 1), DECIDED_MS, 'events to be disturbed');
      const kind = await world.strike();
      struck[kind] = (struck[kind] ?? 0) + 1;
      progress(`fault ${n} of ${faults}: ${kind}, ${Math.round(publisher.share * 100)} % published`);
    }
    publisher.allow(1);
    await publisher.done;

    const audit = new Audit();
    const wanted = expected(await arena.capture(), { ...ledgerRules, order });
    const last = await (await world.node()).ready();
    await audit.check(() => finish(arena, 'disturbed', wanted));
    const { partitions } = await last.status();
    for (const { partition, phase, fault } of partitions)
      if (phase !== 'running') audit.note(`partition ${partition} is ${phase}: ${fault?.code} ${fault?.message}`);
    await last.drain();
    const disturbed = await contentsOf(arena.stored, 'disturbed');
    await world.close();

    const calm = await arena.node(await arena.app('undisturbed', input)).ready();
    await audit.check(() => finish(arena, 'undisturbed', wanted));
    await calm.drain();
    const undisturbed = await contentsOf(arena.stored, 'undisturbed');
    if (JSON.stringify(disturbed) !== JSON.stringify(undisturbed)) audit.note('the two runs left different bytes');
    return {
      store,
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
      violations: audit.violations,
    };
  } finally {
    await arena.stop();
  }
}

async function finish({ stored }: Arena, app: string, wanted: Expected): Promise<void> {
  await untilDecided(stored, app, wanted.events, DECIDED_MS);
  await expectStored(stored, app, wanted);
}

/** With order `sequence` every key's events are numbered as they happened; disorder and copies come afterwards. */
function workloadOf(order: 'time' | 'sequence', events: number, seed: number, from: number): Workload {
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
    from,
    disorderMs: BATCH,
    poison: 33,
    ...(order === 'sequence' ? { shape: numbered } : {}),
  });
}

/** Publishes batch after batch, up to the share that is allowed; what must not meet a batch is done between two. */
class Publisher {
  readonly #arena: Arena;
  readonly #workload: Workload;
  #batches = 0;
  #allowed = 0;
  #turn: Promise<void> = Promise.resolve();
  /** Settles when everything is published. */
  readonly done: Promise<void>;

  constructor(arena: Arena, workload: Workload) {
    this.#arena = arena;
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
      await this.between(() => this.#arena.publish(batch));
      this.#batches++;
    }
  }
}

/**
 * A cluster on this machine that is not left in peace: nodes share the partitions of a stream with three copies, load
 * comes without a pause, and every few seconds a node is killed, frozen or restarted. At the end everything is healed,
 * and what is stored must be what an independent fold of the stream gives.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Redis } from 'ioredis';
import type { OptionsInput } from '../../src/options/types.js';
import { locateServers } from '../../src/services/binaries.js';
import { startRedisServer } from '../../src/services/redis-server.js';
import { capture } from '../support/capture.js';
import { ledgerRules } from '../support/meanings.js';
import { expected } from '../support/oracle.js';
import { Random } from '../support/random.js';
import { expectStored, RecordWatch, readRecords, untilDecided } from '../support/redis-state.js';
import { until } from '../support/until.js';
import { makeWorkload, SteadyPublisher } from '../support/workload.js';
import { provisionTrio, startNatsTrio } from './nats-trio.js';
import { clock, type View } from './screen.js';
import { type Totals, TroubledNode } from './troubled-node.js';

export interface ClusterRun {
  readonly lengthMs: number;
  readonly nodes: number;
  readonly faults: boolean;
  readonly seed: number;
  /** Events published per second. */
  readonly rate: number;
  readonly show: (view: View) => void;
}

export interface ClusterResult {
  readonly events: number;
  readonly applied: number;
  readonly duplicates: number;
  readonly deadLetters: number;
  readonly faults: Readonly<Record<string, number>>;
  readonly moves: Totals;
  /** Nothing that the oracle, the watch over records, or a node had to object to. */
  readonly violations: readonly string[];
}

const APP = 'cluster';
const PARTITIONS = 64;
const LEASE_MS = 2_000;
const BATCH_MS = 100;
const LOOK_MS = 500;
const HEALED_MS = 120_000;
const kinds = ['kill', 'freeze', 'restart'] as const;

/** Throws only if the run itself cannot go on; what is wrong with the result is in `violations`. */
export async function runCluster(run: ClusterRun): Promise<ClusterResult> {
  const dir = await mkdtemp(join(tmpdir(), 'millrace-cluster-'));
  const undo: (() => unknown)[] = [() => rm(dir, { recursive: true, force: true })];
  try {
    const binaries = await locateServers();
    const trio = await startNatsTrio(binaries.nats, dir);
    undo.push(() => trio.stop());
    const redis = await startRedisServer({ binary: binaries.redis, dir: join(dir, 'redis') });
    undo.push(() => redis.kill());
    const db = new Redis(redis.url, { protocol: 2 });
    db.on('error', () => undefined);
    undo.push(() => db.disconnect());
    const options = optionsOf(trio.url, redis.url);
    await provisionTrio(options);
    const nodes = Array.from({ length: run.nodes }, (_, n) => new TroubledNode(`node-${n + 1}`, options));
    undo.push(() => Promise.all(nodes.map((node) => node.end())));
    await Promise.all(nodes.map((node) => node.ready()));
    const batch = Math.max(1, Math.round((run.rate * BATCH_MS) / 1_000));
    const events = Math.ceil(run.lengthMs / BATCH_MS) * batch;
    const workload = makeWorkload({
      ...{ seed: run.seed, events, keys: 2_000, disorderMs: batch, poison: 22 },
      from: Date.now() - events - 60_000,
    });
    const publisher = new SteadyPublisher(trio.nc, workload, BATCH_MS);
    const session = new Session(run, nodes, db);
    const watch = new RecordWatch(db, APP, run.lengthMs + 2 * HEALED_MS);
    await Promise.all([publisher.done, session.trouble(publisher.done), session.follow(publisher.done)]);
    return await session.verdict(watch, async () => expected(await capture(trio.nc, 'EVENTS'), ledgerRules));
  } finally {
    for (const step of undo.reverse()) await step();
  }
}

function optionsOf(nats: string, redis: string): OptionsInput {
  return {
    ...{ app: APP, handler: 'ledger', threads: 1, partitions: PARTITIONS },
    ...{ nats: { url: nats }, redis: { url: redis }, stream: { replicas: 3 } },
    ...{ http: { port: 0 }, probes: { host: '127.0.0.1', port: 0 }, cluster: { lease: `${LEASE_MS}ms` } },
    ...{ checkpoint: { interval: '200ms' }, order: { settle: '500ms', idle: '500ms' }, dedupe: { horizon: '1d' } },
  };
}

class Session {
  readonly #run: ClusterRun;
  readonly #nodes: readonly TroubledNode[];
  readonly #db: Redis;
  readonly #random: Random;
  readonly #startedAt = performance.now();
  #lookedAt = this.#startedAt;
  readonly #faults: Record<string, number> = {};
  readonly #happened: string[] = [];
  readonly #violations = new Set<string>();
  /** Events applied of each partition when it was looked at last. */
  #applied: readonly number[] = [];

  constructor(run: ClusterRun, nodes: readonly TroubledNode[], db: Redis) {
    this.#run = run;
    this.#nodes = nodes;
    this.#db = db;
    this.#random = new Random(run.seed);
  }

  /** One fault after the other until `over` settles; each is healed before the next. */
  async trouble(over: Promise<void>): Promise<void> {
    if (!this.#run.faults) return;
    let isOver = false;
    const end = over.finally(() => {
      isOver = true;
    });
    for (;;) {
      await Promise.race([delay(this.#random.between(1_500, 4_000)), end]);
      if (isOver) return;
      await this.#strike(this.#random.pick(this.#nodes), this.#random.pick(kinds));
    }
  }

  async #strike(node: TroubledNode, kind: (typeof kinds)[number]): Promise<void> {
    const awayMs = this.#random.between(200, 2.5 * LEASE_MS);
    this.#faults[kind] = (this.#faults[kind] ?? 0) + 1;
    const how = kind === 'restart' ? '' : ` for ${(awayMs / 1_000).toFixed(1)} s`;
    this.#say(`${kind} ${node.name}${how}`);
    try {
      if (kind === 'kill') await node.kill(() => delay(awayMs));
      else if (kind === 'freeze') await node.freeze(() => delay(awayMs));
      else await node.restart();
    } catch (error) {
      this.#violations.add(`${kind} ${node.name}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  /** Shows how things are until `over` settles. */
  async follow(over: Promise<void>): Promise<void> {
    let isOver = false;
    const end = over.finally(() => {
      isOver = true;
    });
    while (!isOver) {
      await this.#look();
      await Promise.race([delay(LOOK_MS), end]);
    }
  }

  async #look(): Promise<void> {
    const now = performance.now();
    const seconds = (now - this.#lookedAt) / 1_000;
    this.#lookedAt = now;
    for (const node of this.#nodes) void node.look();
    const records = await readRecords(this.#db, APP).catch(() => []);
    const applied = records.map((record) => record?.applied ?? 0);
    const rates = new Map<string, number>();
    for (const { name, status } of this.#nodes) {
      const own = status?.partitions.filter(({ phase }) => phase === 'running') ?? [];
      const gained = own.reduce((sum, { partition: p }) => sum + (applied[p] ?? 0) - (this.#applied[p] ?? 0), 0);
      rates.set(name, Math.max(0, gained / seconds));
    }
    this.#applied = applied;
    this.#noteProblems();
    this.#run.show({
      elapsedMs: now - this.#startedAt,
      lengthMs: this.#run.lengthMs,
      nodes: this.#nodes,
      rates,
      stored: Math.max(0, ...this.#nodes.flatMap(({ status }) => status?.streams.map(({ last }) => last) ?? [])),
      applied: applied.reduce((sum, one) => sum + one, 0),
      faults: this.#faults,
      happened: this.#happened,
    });
  }

  #noteProblems(): void {
    for (const { problem } of this.#nodes) if (problem !== undefined) this.#violations.add(problem);
  }

  #say(line: string): void {
    this.#happened.push(`${clock(performance.now() - this.#startedAt)} ${line}`);
  }

  /** Everything is healed: every partition is owned once, and what is stored is what the oracle says. */
  async verdict(watch: RecordWatch, wantedOf: () => Promise<ReturnType<typeof expected>>): Promise<ClusterResult> {
    const audit = async (check: () => Promise<unknown>): Promise<void> => {
      await check().catch((error: unknown) =>
        this.#violations.add(error instanceof Error ? error.message : String(error)),
      );
    };
    await audit(() => this.#untilShared());
    const wanted = await wantedOf();
    await audit(() => untilDecided(this.#db, APP, wanted.events, HEALED_MS));
    await audit(() => expectStored(this.#db, APP, wanted));
    await Promise.all(this.#nodes.map((node) => node.look()));
    const moves = this.#moves();
    if (moves.replayed > 0) this.#violations.add(`clean hand-overs replayed ${moves.replayed} events`);
    for (const node of this.#nodes) await audit(() => node.drain());
    await audit(() => expectStored(this.#db, APP, wanted));
    await audit(() => watch.stop());
    const { events, applied, duplicates, dead } = wanted;
    const faults = this.#faults;
    return { events, applied, duplicates, deadLetters: dead, faults, moves, violations: [...this.#violations] };
  }

  async #untilShared(): Promise<void> {
    let owned: number[] = [];
    await until(
      async () => {
        await Promise.all([...this.#nodes.map((node) => node.look()), delay(100)]);
        this.#noteProblems();
        const running = this.#nodes.flatMap(({ status }) => status?.partitions ?? []);
        owned = running.flatMap(({ partition, phase }) => (phase === 'running' ? [partition] : []));
        return owned.length === PARTITIONS && new Set(owned).size === PARTITIONS;
      },
      HEALED_MS,
      () => `every partition owned once; there are ${owned.length} of ${new Set(owned).size}`,
    );
  }

  #moves(): Totals {
    const moves: Totals = { handedOver: 0, replayed: 0, takenOver: 0, lost: 0, fenced: 0 };
    for (const { totals } of this.#nodes)
      for (const name of Object.keys(moves) as (keyof Totals)[]) moves[name] += totals[name];
    return moves;
  }
}

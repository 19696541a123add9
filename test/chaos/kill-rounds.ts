/**
 * F1 in a loop: a stream that is published without a pause, a real node that is killed again and again, and at the end
 * the whole of Redis against the fold of an independent read of the stream.
 */
import { Cluster } from '../support/cluster.js';
import { Random } from '../support/random.js';
import { decidedEvents, RecordWatch, readRecords } from '../support/redis-state.js';
import { until } from '../support/until.js';
import { makeWorkload, SteadyPublisher } from '../support/workload.js';
import { Audit, keysOf } from './audit.js';

export interface KillOptions {
  readonly rounds: number;
  readonly seed: number;
  readonly progress: (line: string) => void;
}

export interface KillResult {
  readonly fault: 'kill';
  readonly rounds: number;
  readonly seed: number;
  /** Rounds in which the node died before all of its partitions ran. */
  readonly killedWhileStarting: number;
  /** Rounds in which events had been stored that no checkpoint had yet. */
  readonly killedWithWork: number;
  /** Checkpoints of single partitions that the watch saw. */
  readonly checkpointsSeen: number;
  readonly events: number;
  readonly applied: number;
  readonly duplicates: number;
  readonly deadLetters: number;
  readonly keys: number;
  readonly seconds: number;
  /** Nothing that the oracle, or the watch over positions and checkpoint numbers, had to object to. */
  readonly violations: readonly string[];
}

const EVENTS_PER_ROUND = 1_500;
const BATCH = 150;
const BATCH_MS = 120;
const ROUND_MS_MAX = 60_000;
/** How long after its start, or after it runs, a node dies at the latest. */
const MOMENT_MS_MAX = 500;
const KEYS = 3_000;

/** Throws only if the run itself cannot go on; what is wrong with the result is in `violations`. */
export async function killRounds({ rounds, seed, progress }: KillOptions): Promise<KillResult> {
  const startedAt = performance.now();
  const cluster = await Cluster.start();
  try {
    const app = 'killed';
    const random = new Random(seed);
    await cluster.addStream('EVENTS', ['events.*']);
    const options = await cluster.newApp(app, {
      handler: 'ledger',
      threads: 2,
      order: { mode: 'time' },
      dedupe: { horizon: '1d' },
      checkpoint: { interval: '200ms' },
    });
    const events = rounds * EVENTS_PER_ROUND;
    const workload = makeWorkload({
      seed,
      events,
      keys: KEYS,
      from: Date.now() - events - 60_000,
      disorderMs: BATCH,
      poison: Math.ceil(rounds / 2),
    });
    const watch = new RecordWatch(cluster.db, app, rounds * ROUND_MS_MAX);
    const publisher = new SteadyPublisher(cluster.nc, workload, BATCH_MS);
    let killedWhileStarting = 0;
    let killedWithWork = 0;
    for (let round = 1; round <= rounds; round++) {
      publisher.allow(round / (rounds + 1));
      const node = cluster.node(options);
      const isStarting = random.chance(0.15);
      if (isStarting) killedWhileStarting++;
      else await node.ready();
      const moment = performance.now() + random.between(0, MOMENT_MS_MAX);
      await until(() => performance.now() >= moment, ROUND_MS_MAX, 'the moment of the end');
      if (node.hasEnded) throw new Error(`the node ended by itself in round ${round}: ${node.failure?.message}`);
      await node.kill();
      const [decided, stored] = [await decidedEvents(cluster.db, app), await cluster.lastSequence('EVENTS')];
      if (decided < stored) killedWithWork++;
      if (round % 10 === 0 || round === rounds)
        progress(`round ${round} of ${rounds}: ${stored} events stored, ${decided} decided`);
    }
    publisher.allow(1);
    const last = await cluster.node(options).ready();
    await publisher.done;
    const audit = new Audit();
    const { wanted, checkpointsSeen } = await audit.rounds(cluster, app, [last], watch);
    const records = await readRecords(cluster.db, app);
    if (records.some((record) => record === undefined)) audit.note('a partition has no record');
    return {
      fault: 'kill',
      rounds,
      seed,
      killedWhileStarting,
      killedWithWork,
      checkpointsSeen,
      events: wanted.events,
      applied: wanted.applied,
      duplicates: wanted.duplicates,
      deadLetters: wanted.dead,
      keys: keysOf(wanted),
      seconds: Math.round((performance.now() - startedAt) / 1_000),
      violations: audit.violations,
    };
  } finally {
    await cluster.stop();
  }
}

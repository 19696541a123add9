/**
 * F4 and F25 in a loop: three real nodes share an application under load, and one after the other is frozen past its
 * lease (`zombie`) or restarted (`rolling`; every fourth time a kill follows the signal within moments). At the end the
 * whole of Redis is compared with the fold of an independent read of the stream.
 */
import { Cluster } from '../support/cluster.js';
import type { NodeProcess } from '../support/node-process.js';
import { Random } from '../support/random.js';
import { RecordWatch } from '../support/redis-state.js';
import { countLines, untilShared } from '../support/shares.js';
import { until } from '../support/until.js';
import { makeWorkload, SteadyPublisher } from '../support/workload.js';
import { Audit, keysOf } from './audit.js';

export interface ClusterOptions {
  readonly fault: 'zombie' | 'rolling';
  readonly rounds: number;
  readonly seed: number;
  readonly progress: (line: string) => void;
}

export interface ClusterResult {
  readonly fault: 'zombie' | 'rolling';
  readonly rounds: number;
  readonly seed: number;
  /** Restarts that ended with SIGKILL before the drain was through. */
  readonly killed: number;
  /** Partitions that changed hands: given away with everything stored, and taken from a node that was gone. */
  readonly handedOver: number;
  readonly takenOver: number;
  /** Events applied again after a clean hand-over. */
  readonly replayed: number;
  /** Partitions that were let go without their events being counted: their host was gone or never ran them. */
  readonly uncounted: number;
  /** Commits of frozen nodes that the store refused when they woke up. */
  readonly refusedCommits: number;
  readonly checkpointsSeen: number;
  readonly events: number;
  readonly applied: number;
  readonly keys: number;
  readonly seconds: number;
  /** Nothing that the oracle, or the watch over positions and checkpoint numbers, had to object to. */
  readonly violations: readonly string[];
}

const NODES = 3;
const EVENTS_PER_ROUND = 1_000;
const BATCH = 50;
const BATCH_MS = 50;
const ROUND_MS_MAX = 90_000;
const KEYS = 2_000;

/** Throws only if the run itself cannot go on; what is wrong with the result is in `violations`. */
export async function clusterRounds({ fault, rounds, seed, progress }: ClusterOptions): Promise<ClusterResult> {
  const startedAt = performance.now();
  const cluster = await Cluster.start();
  const random = new Random(seed);
  const app = fault;
  const all = new Set<NodeProcess>();
  try {
    await cluster.addStream('EVENTS', ['events.*']);
    const options = await cluster.newApp(app, {
      handler: 'ledger',
      dedupe: { horizon: '1d' },
      order: { settle: '200ms', idle: '200ms' },
      checkpoint: { interval: '50ms' },
      cluster: { lease: fault === 'zombie' ? '1s' : '10s' },
    });
    const events = rounds * EVENTS_PER_ROUND;
    const from = Date.now() - events - 60_000;
    const workload = makeWorkload({ seed, events, keys: KEYS, from, disorderMs: BATCH, poison: rounds });
    const watch = new RecordWatch(cluster.db, app, rounds * ROUND_MS_MAX);
    const publisher = new SteadyPublisher(cluster.nc, workload, BATCH_MS);
    publisher.allow(1 / (rounds + 1));
    const start = (n: number): NodeProcess => {
      const node = cluster.node({ ...options, node: `n-${n}` });
      all.add(node);
      return node;
    };
    const nodes = Array.from({ length: NODES }, (_, n) => start(n));
    await untilShared(nodes, 64, ROUND_MS_MAX);
    let killed = 0;
    for (let round = 1; round <= rounds; round++) {
      publisher.allow((round + 1) / (rounds + 1));
      const n = random.between(0, NODES - 1);
      const node = nodes[n]!;
      const others = nodes.filter((other) => other !== node);
      const moment = performance.now() + random.between(0, 300);
      await until(() => performance.now() >= moment, ROUND_MS_MAX, 'the moment of the fault');
      if (fault === 'zombie') {
        node.signal('SIGSTOP');
        await untilShared(others, 64, ROUND_MS_MAX);
        node.signal('SIGCONT');
      } else if (round % 4 === 0) {
        node.signal('SIGTERM');
        const end = performance.now() + random.between(0, 150);
        await until(() => performance.now() >= end || node.hasEnded, ROUND_MS_MAX, 'the moment of the kill');
        if (!node.hasEnded) killed++;
        await node.kill();
        nodes[n] = start(n);
      } else {
        await node.drain();
        nodes[n] = start(n);
      }
      await untilShared(nodes, 64, ROUND_MS_MAX);
      if (round % 5 === 0 || round === rounds)
        progress(
          `round ${round} of ${rounds}: ${countLines(all, 'partition.gained')} partitions changed hands, ${countLines(all, 'checkpoint.refused')} commits refused`,
        );
    }
    publisher.allow(1);
    await publisher.done;
    const audit = new Audit();
    const { wanted, checkpointsSeen } = await audit.rounds(cluster, app, nodes, watch);
    const gained = [...all].flatMap(({ logs }) => logs).filter(({ event }) => event === 'partition.gained');
    const moves = gained.map(({ fields }) => fields as { readonly released: boolean; readonly replayed?: number });
    const replayed = moves.reduce((sum, move) => sum + (move.replayed ?? 0), 0);
    const uncounted = moves.filter((move) => move.released && move.replayed === undefined).length;
    // A node that was killed may have let go of a partition that it never ran.
    if (uncounted > 0 && fault === 'rolling' && killed === 0)
      audit.note(`${uncounted} partitions were given away unsaved`);
    if (replayed > 0) audit.note(`${replayed} events were applied again after clean hand-overs`);
    return {
      ...{ fault, rounds, seed, killed },
      handedOver: moves.filter(({ released }) => released).length,
      takenOver: moves.filter(({ released }) => !released).length,
      ...{ replayed, uncounted },
      refusedCommits: countLines(all, 'checkpoint.refused'),
      checkpointsSeen,
      events: wanted.events,
      applied: wanted.applied,
      keys: keysOf(wanted),
      seconds: Math.round((performance.now() - startedAt) / 1_000),
      violations: audit.violations,
    };
  } finally {
    for (const node of all) if (!node.hasEnded) node.signal('SIGCONT');
    await cluster.stop();
  }
}

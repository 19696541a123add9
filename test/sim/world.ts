/**
 * One run of a seed: the log, the store and the coordinator outlive everything; nodes come and go; strikes fall; then
 * all is healed.
 *
 * Nothing here may depend on the auditor: the second run of a seed goes without one and must leave the same trace.
 */
import { MemoryCheckpointStore } from '../../src/adapters/memory/memory-checkpoint-store.js';
import { MemoryCoordinator } from '../../src/adapters/memory/memory-coordinator.js';
import { MemoryEventLog } from '../../src/adapters/memory/memory-event-log.js';
import type { Handler } from '../../src/core/actor/handler.js';
import { codeOf, messageOf } from '../../src/errors.js';
import { timeText } from '../../src/ports/event-log.js';
import type { LogLine } from '../../src/ports/log.js';
import { OUTSIDE, VirtualTime } from '../../src/testing/virtual-time.js';
import { Random } from '../support/random.js';
import { Auditor } from './auditor.js';
import { Cluster } from './cluster.js';
import { Coverage } from './coverage.js';
import { historyHandler } from './history-handler.js';
import { Ledger } from './ledger.js';
import { Network } from './network.js';
import { Operator } from './operator.js';
import type { Plan } from './plan.js';
import { isParking } from './plan.js';
import type { Planted } from './planted.js';
import type { SimProcess } from './process.js';
import type { Surroundings } from './sim-node.js';
import { SimNode, STREAM } from './sim-node.js';
import { Strikes } from './strikes.js';
import { Trace } from './trace.js';
import type { Publish } from './workload.js';
import { T0 } from './workload.js';

/** The first thing that must not have happened. */
export interface Violation {
  readonly invariant: string;
  readonly problem: string;
  readonly atMs: number;
}

export interface WorldOptions {
  readonly audits: boolean;
  readonly keepsText: boolean;
  readonly planted: Planted | undefined;
}

const OUTPUTS = 'OUT';
const RESTART_MS = 120;
/** Halts that end when a node starts that goes on over them. */
const losses = new Set<string | undefined>(['GAP', 'REGRESSION', 'LOST_CHECKPOINT']);
/** After the heal, an operator looks at what is halted and starts the node again. */
const OPERATOR_MS = 120;

export class World {
  readonly plan: Plan;
  readonly time = new VirtualTime();
  readonly random: Random;
  readonly trace: Trace;
  readonly coverage = new Coverage();
  readonly network: Network;
  readonly ledger: Ledger;
  readonly store = new MemoryCheckpointStore();
  readonly log: MemoryEventLog;
  readonly claims: MemoryCoordinator;
  readonly auditor: Auditor | undefined;
  readonly operator = new Operator(this);
  readonly nodes: SimNode[] = [];
  /** Virtual ms from which nothing fails any more; everything is published by then. */
  readonly healMs: number;
  readonly #strikes: Strikes;
  readonly #surroundings: Surroundings;
  violation: Violation | undefined;
  /** How far the clock of the log is off, ms. */
  logOffset = 0;
  isHealed = false;
  /** The operator has looked after the heal. */
  isAttended = false;
  /** The operator has started a node with halted partitions again since. */
  #isRestarted = false;
  /** Nodes that are started now go on over lost ranges. */
  acceptsGaps: boolean;
  #started = 0;
  #nonces = 0;
  #isRestartPlanned = false;
  readonly #cluster: Cluster | undefined;

  constructor(plan: Plan, workload: readonly Publish[], options: WorldOptions) {
    const { time } = this;
    this.plan = plan;
    this.random = new Random(Math.imul(plan.seed, 0xc2b2ae35) ^ 0xdee1);
    this.trace = new Trace(options.keepsText);
    this.ledger = new Ledger(plan);
    this.acceptsGaps = plan.acceptGap === 'always';
    this.#strikes = new Strikes(this);
    this.network = new Network({
      plan,
      time,
      random: this.random,
      trace: this.trace,
      coverage: this.coverage,
      effect: () => this.#strikes.effect(),
      died: (process) => this.die(process),
    });
    this.log = new MemoryEventLog({
      clock: {
        now: () => T0 + time.now,
        elapsed: () => time.now,
        after: (ms, callback) => time.after(ms, OUTSIDE, callback),
      },
    });
    this.log.createStream(STREAM, (subject) => subject.startsWith('events.'));
    this.log.createStream(OUTPUTS, (subject) => subject.startsWith('out.'));
    this.claims = new MemoryCoordinator({ node: '' });
    this.auditor = options.audits ? new Auditor(this) : undefined;
    this.#surroundings = this.#surround(options.planted);
    for (const publish of workload) time.at(publish.atMs, OUTSIDE, () => this.#publish(publish));
    this.#strikes.plan();
    this.healMs = Math.max(plan.healMs, workload[workload.length - 1]!.atMs + 1);
    time.at(this.healMs, OUTSIDE, () => this.#heal());
    this.#cluster = plan.nodes > 0 ? new Cluster(this, RESTART_MS) : undefined;
    if (this.#cluster === undefined) this.startNode();
  }

  /** The store has gone back or lost a record at least once. */
  get hasLostWrites(): boolean {
    return (['rollback', 'wipe', 'lose-record'] as const).some((strike) => this.coverage.counts.has(strike));
  }

  /** Nodes that share the partitions, or one that has all of them. */
  get nodesWanted(): number {
    return this.#cluster?.wanted ?? 1;
  }

  get cluster(): Cluster | undefined {
    return this.#cluster;
  }

  /** Records the first violation; the run ends with it. */
  violate(invariant: string, problem: string): void {
    this.violation ??= { invariant, problem, atMs: this.time.now };
  }

  get living(): SimNode[] {
    return this.nodes.filter((node) => node.process.isAlive);
  }

  /** `pod`: the place in the cluster, 0 where there is none. */
  startNode(pod = 0): void {
    const number = ++this.#started;
    const name = `n${number}`;
    this.trace.note(this.time.now, name, 'boot', '', 0, 0);
    const node = new SimNode(this.#surroundings, name, pod, this.acceptsGaps);
    this.nodes.push(node);
    node.start((error) => this.#failed(node, error));
  }

  /** The process is gone, from this moment on. */
  die(process: SimProcess): void {
    if (!process.isAlive) return;
    process.isAlive = false;
    this.trace.note(this.time.now, process.name, 'die', '', 0, 0);
    this.#ensureNode();
    this.#cluster?.died(process);
  }

  /** Stops a node in order; it is started again. */
  drain(node: SimNode): void {
    node.isDraining = true;
    node.node
      .drain()
      .then(() => this.die(node.process))
      .catch((error: unknown) => this.violate('drain', messageOf(error)));
  }

  /** The run is over: the last node is stopped in order, and none is started again. */
  end(): void {
    this.#isRestartPlanned = true;
    this.#cluster?.end();
    for (const node of this.living) this.drain(node);
  }

  #failed(node: SimNode, error: Error): void {
    if (!node.process.isAlive || node.isDraining) return;
    const code = codeOf(error);
    this.coverage.add(`node failed: ${code}`);
    if (code === 'BUG') this.violate('bug', `the node failed: ${error.stack ?? messageOf(error)}`);
    this.time.after(this.network.delay(RESTART_MS), OUTSIDE, () => this.die(node.process));
  }

  #ensureNode(): void {
    if (this.#cluster !== undefined || this.#isRestartPlanned || this.living.length > 0) return;
    this.#isRestartPlanned = true;
    this.time.after(this.network.delay(RESTART_MS), OUTSIDE, () => {
      this.#isRestartPlanned = false;
      if (this.living.length === 0) this.startNode();
    });
  }

  #publish(publish: Publish): void {
    const timeMs = Math.floor(T0 + this.time.now + this.logOffset);
    const timeNanos = this.ledger.written;
    const { subject, body } = publish;
    const entry = this.ledger.append(publish, timeMs, timeText(timeMs, timeNanos));
    this.log.store(STREAM, { subject, body, timeMs, timeNanos });
    this.trace.note(this.time.now, 'log', 'publish', subject, entry.sequence, publish.n);
  }

  /** Nothing fails from here on; of several nodes none is kept, because each has taken from the others. */
  #heal(): void {
    this.isHealed = true;
    this.#strikes.stop();
    this.network.heal();
    const { living } = this;
    for (const { process } of living) {
      process.effectsLeft = Number.POSITIVE_INFINITY;
      for (const service of ['store', 'log', 'coordinator'] as const) process.cutUntil[service] = 0;
    }
    if (this.#cluster === undefined && living.length > 1) for (const { process } of living) this.die(process);
    this.#ensureNode();
    this.time.after(OPERATOR_MS, OUTSIDE, () => this.#attend());
  }

  /** Starts a node with halted partitions again: once for whatever it is, and then for what a start can end. */
  #attend(): void {
    this.time.after(OPERATOR_MS, OUTSIDE, () => this.#attend());
    const isFirst = !this.#isRestarted;
    for (const node of this.living)
      if (!node.isDraining && node.node.status().phase === 'running')
        this.#attendNode(node, isFirst || (this.#cluster !== undefined && node.process.bornAt < this.healMs));
  }

  #attendNode(node: SimNode, isFirst: boolean): void {
    const halted = node.node.status().partitions.filter(({ phase }) => phase === 'halted');
    const isFenced = halted.some(({ fault }) => fault?.code === 'FENCED') && this.coverage.counts.has('second-node');
    this.isAttended = true;
    if (this.plan.clearsQuarantines && isParking(this.plan)) void this.operator.clear(node);
    // A node that was frozen at the first look may find only later what is gone.
    const accepts = this.acceptsGaps || this.plan.acceptGap === 'in the end';
    const isAccepted = accepts && halted.some(({ fault }) => losses.has(fault?.code));
    if (halted.length === 0 || !(isFirst || isFenced || isAccepted)) return;
    if (this.plan.acceptGap === 'in the end') this.acceptsGaps = true;
    this.#isRestarted = true;
    this.coverage.add('restarted by the operator');
    this.drain(node);
  }

  #surround(planted: Planted | undefined): Surroundings {
    const { plan, time, trace, network, log, store, claims, auditor } = this;
    const handler = planted?.handler?.(historyHandler as Handler) ?? (historyHandler as Handler);
    return {
      plan,
      time,
      trace,
      network,
      log,
      store: planted?.store?.(store) ?? store,
      model: store,
      claims,
      handler,
      witness: {
        committed: (commit, verdict) => {
          trace.note(time.now, 'store', 'commit', commit.record, commit.partition, commit.number);
          for (const [key, text] of commit.state.set) trace.note(time.now, key, 'commit', text, 0, 0);
          auditor?.committed(commit, verdict);
        },
        claimed: (claim, verdict) => {
          trace.note(time.now, 'store', 'claim', `${claim.owner} ${verdict}`, claim.partition, 0);
          auditor?.claimed(claim, verdict);
        },
      },
      nonce: (process) => {
        const nonce = (++this.#nonces).toString(16).padStart(32, '0');
        auditor?.owners.nonce(process, nonce);
        return nonce;
      },
      owners: auditor?.owners,
      line: (who) => this.#line(who),
      said: (message) => auditor?.said(message),
      appended: (event) => {
        trace.note(time.now, 'log', 'output', event.id, event.body.length, 0);
        auditor?.appended(event);
      },
    };
  }

  #line(who: string): LogLine {
    return (_, event, fields) => {
      const { code, released, replayed } = fields as { code?: string; released?: boolean; replayed?: number };
      if (
        event === 'partition.gained' &&
        released === true &&
        (replayed ?? 0) > 0 &&
        !this.hasLostWrites &&
        !this.ledger.hasLostTail
      )
        this.violate('F25', `${who} has taken over a partition cleanly, and ${replayed} events are applied again`);
      const what = code === undefined ? event : `${event} ${code}`;
      this.coverage.add(`line: ${what}`);
      this.trace.note(this.time.now, who, 'line', what, 0, 0);
    };
  }
}

/**
 * One node: starts its hosts, brings its partitions to life in them, reads the stream, and lets go of everything at the
 * end. Which partitions these are is fixed, or the ownership among several nodes says so (ownership.ts).
 *
 * Owns the life of the node itself, and who is told what:
 *   new → starting → running → draining → stopped
 *                        ↘ failed
 *
 * The life of its partitions is partition-lifecycle.ts, that of its threads supervisor.ts, reading stream-routers.ts.
 */
import type { StreamChain } from '../core/position/stream-chain.js';
import { MillraceError } from '../errors.js';
import type { Clock } from '../ports/clock.js';
import type { Coordinator } from '../ports/coordinator.js';
import type { EventLog, EventSink } from '../ports/event-log.js';
import type { LogLine } from '../ports/log.js';
import type { Membership } from '../ports/membership.js';
import type { HostLink, Threads } from '../ports/threads.js';
import type { Answer, HostToMain, Question } from '../protocol/messages.js';
import { Deadline } from './deadline.js';
import { HostMessages } from './host-messages.js';
import { Hosts } from './hosts.js';
import type { StreamRoute } from './key-route.js';
import type { NodePhase, NodeStatus } from './node-status.js';
import { isAlive } from './node-status.js';
import { OutputPublisher } from './outputs.js';
import type { ClusterOptions } from './ownership.js';
import { Ownership } from './ownership.js';
import { PartitionLifecycle } from './partition-lifecycle.js';
import { slotOf } from './partition-table.js';
import { Questions } from './questions.js';
import { Rewinds } from './rewinds.js';
import { StreamRouters } from './stream-routers.js';
import { Supervisor } from './supervisor.js';

export interface NodeOptions {
  readonly name: string;
  /** The streams, each with those before it; the nth holds the nth share of the partitions. */
  readonly chains: readonly StreamChain[];
  readonly partitions: number;
  readonly threads: number;
  readonly acceptGap: boolean;
  readonly inFlightBytesMax: number;
  /** How often the log proves that nothing waits, ms; unknown if undefined. */
  readonly heartbeatMs?: number | undefined;
  /** A drain that takes longer is given up; what is not saved is replayed, ms. */
  readonly drainMsMax: number;
  /** A thread that says nothing for so long is ended and replaced, ms; the supervisor's own by default. */
  readonly silentMsMax?: number | undefined;
  /** Partitions of this node where no membership says which; all by default. */
  readonly own?: readonly number[] | undefined;
  /** How this node is one of several; used with `membership`. */
  readonly cluster?: ClusterOptions | undefined;
}

export interface NodeDependencies {
  readonly log: EventLog;
  readonly sink: EventSink;
  readonly coordinator: Coordinator;
  /** Where the nodes of the application find each other; undefined for one that owns a fixed share. */
  readonly membership?: Membership | undefined;
  readonly threads: Threads;
  readonly clock: Clock;
  /** One for each stream. */
  readonly routes: readonly StreamRoute[];
  readonly line: LogLine;
  readonly defer: (callback: () => void) => void;
}

export class Node {
  /** Settles with the reason when the node cannot go on. */
  readonly failed: Promise<MillraceError>;
  readonly #options: NodeOptions;
  readonly #deps: NodeDependencies;
  readonly #router: StreamRouters;
  readonly #rewinds: Rewinds;
  readonly #supervisor: Supervisor;
  readonly #hosts: Hosts;
  readonly #lifecycle: PartitionLifecycle;
  readonly #ownership: Ownership | undefined;
  readonly #messages: HostMessages;
  readonly #outputs: OutputPublisher;
  readonly #questions = new Questions();
  #phase: NodePhase = 'new';
  #isLeaving = false;
  #settled: () => void = () => undefined;
  #fail: (error: MillraceError) => void = () => undefined;

  constructor(options: NodeOptions, deps: NodeDependencies) {
    this.#options = options;
    this.#deps = deps;
    this.failed = new Promise((resolve) => {
      this.#fail = resolve;
    });
    this.#hosts = new Hosts(options.threads);
    this.#supervisor = this.#newSupervisor();
    this.#outputs = new OutputPublisher(deps.sink, deps.clock, deps.line);
    this.#router = this.#newRouter();
    this.#rewinds = this.#newRewinds();
    this.#ownership = this.#newOwnership();
    this.#lifecycle = this.#newLifecycle();
    this.#messages = new HostMessages({
      line: deps.line,
      hosts: this.#hosts,
      lifecycle: this.#lifecycle,
      outputs: this.#outputs,
      questions: this.#questions,
      router: this.#router,
    });
  }

  #newSupervisor(): Supervisor {
    const { threads, clock, line } = this.#deps;
    const events = {
      opened: (slot: number, link: HostLink) => this.#onOpened(slot, link),
      received: (slot: number, message: HostToMain) => this.#messages.take(slot, message),
      lost: (slot: number, error: Error) => this.#onLost(slot, error),
      gaveUp: (error: MillraceError) => this.#giveUp(error),
    };
    return new Supervisor(threads, clock, line, events, this.#options.silentMsMax);
  }

  #newRouter(): StreamRouters {
    return new StreamRouters(this.#options, {
      ...this.#deps,
      events: {
        hole: (stream, first, last, partitions) => this.#lifecycle.halts.hole(stream, first, last, partitions),
        failed: (stream, error) => this.#lifecycle.halts.unreadable(error, stream),
        hidden: () => {
          if (isAlive(this.#phase)) this.#rewinds.start();
        },
      },
    });
  }

  #newRewinds(): Rewinds {
    return new Rewinds({
      ...this.#deps,
      isAlive: () => isAlive(this.#phase),
      rewind: () => this.#router.rewind(),
      failed: (error) => this.#lifecycle.halts.unreadable(error),
      ended: () => this.#onRewound(),
    });
  }

  #newLifecycle(): PartitionLifecycle {
    return new PartitionLifecycle(
      { ...this.#options, isShared: this.#ownership !== undefined },
      {
        ...this.#deps,
        router: this.#router,
        rewinds: this.#rewinds,
        links: this.#hosts.links,
        isSilent: (slot) => this.#supervisor.isSilent(slot),
        phase: () => this.#phase,
        changed: () => this.#ownership?.review(),
        failed: (error) => this.#giveUp(error),
      },
    );
  }

  #newOwnership(): Ownership | undefined {
    const { membership } = this.#deps;
    const { cluster, name, partitions } = this.#options;
    if (membership === undefined || cluster === undefined) return undefined;
    return new Ownership(
      { name, partitions, ...cluster },
      {
        ...this.#deps,
        membership,
        held: () => this.#lifecycle.partitions.values(),
        progress: () => this.#supervisor.progress(),
        events: {
          gain: (partition, claim) => this.#lifecycle.gain(partition, claim),
          lose: (partition, isOthers) => this.#lifecycle.handover.lose(partition, isOthers),
          lost: (partition, claim) => this.#lifecycle.handover.lost(partition, claim),
          reviewed: () => this.#settleIfWhole(),
          failed: (error) => this.#giveUp(error),
        },
      },
    );
  }

  /** Starts the hosts and settles when every partition is running or halted, or the node has failed. */
  async start(): Promise<void> {
    this.#phase = 'starting';
    const { partitions, own = Array.from({ length: partitions }, (_, p) => p), threads } = this.#options;
    if (this.#ownership === undefined) {
      for (const [index, partition] of own.entries())
        this.#lifecycle.enter(partition, slotOf(index, own.length, threads));
    }
    const settled = new Promise<void>((resolve) => {
      this.#settled = resolve;
    });
    for (let slot = 0; slot < threads; slot++) this.#supervisor.start(slot);
    if (this.#ownership !== undefined) {
      // Whoever hands something over counts on its being taken at once.
      await Promise.race([this.#hosts.staffed, settled, this.failed]);
      if (this.#phase === 'starting') await this.#ownership.join();
    }
    const failure = await Promise.race([settled, this.failed]);
    if (failure !== undefined) throw failure;
    if (this.#phase !== 'starting') return; // it was drained meanwhile
    this.#phase = 'running';
    this.#router.followWhile(() => isAlive(this.#phase));
  }

  /** Hands over what others can take, stops reading, saves everything that is decided, lets go. */
  async drain(): Promise<void> {
    if (this.#phase === 'stopped' || this.#phase === 'draining' || this.#isLeaving) return;
    const { clock, line } = this.#deps;
    const ms = this.#options.drainMsMax;
    const deadline = new Deadline(clock, ms, () => line('warn', 'node.drain.late', { ms }));
    if (this.#phase === 'running') await this.#handOver(deadline);
    this.#phase = 'draining';
    this.#settled(); // whoever still waits for the start
    this.#rewinds.stop();
    this.#supervisor.stop();
    await this.#router.stop();
    await deadline.wait(this.#hosts.drain());
    this.#outputs.stop();
    await this.#supervisor.close();
    await this.#ownership?.leave();
    this.#phase = 'stopped';
  }

  /** Lets go of every partition as soon as it is stored, so that others can go on with it before this node has ended. */
  async #handOver(deadline: Deadline): Promise<void> {
    if (this.#ownership === undefined) return;
    this.#isLeaving = true;
    const { handover } = this.#lifecycle;
    await deadline.wait(this.#ownership.startLeaving());
    await deadline.wait(handover.loseAll());
    handover.end();
  }

  status(): NodeStatus {
    const { streams } = this.#router;
    return {
      name: this.#options.name,
      phase: this.#phase,
      streams,
      unread: streams.length === 0 ? undefined : streams.reduce((sum, { unread }) => sum + unread, 0),
      streamTime: this.#router.streamTime,
      eventsRead: this.#router.eventsRead,
      inFlightBytes: this.#router.inFlightBytes,
      threadRestarts: this.#supervisor.restarts,
      partitions: [...this.#lifecycle.partitions.values()],
      threads: [...this.#hosts.reports],
      cluster: this.#ownership?.status(),
      moves: this.#lifecycle.handover.moves,
    };
  }

  /**
   * Asks a partition of this node something, or has it changed; see `Question`. Throws MillraceError: NOT_FOUND if it
   * is not owned or not running here, THREAD_LOST, and whatever the change runs into.
   */
  async ask<Q extends Question>(partition: number, question: Q): Promise<Exclude<Answer, { kind: 'fault' }>> {
    const status = this.#lifecycle.partitions.get(partition);
    const link = status === undefined ? undefined : this.#hosts.links.get(status.slot);
    if (link === undefined)
      throw new MillraceError('NOT_FOUND', `partition ${partition} is not on node ${this.#options.name}`);
    return this.#questions.ask(link, partition, question);
  }

  /** Ends the thread of a slot at once, as a crash would. For tests of recovery. */
  async killThread(slot: number): Promise<void> {
    await this.#supervisor.kill(slot);
  }

  #onOpened(slot: number, link: HostLink): void {
    this.#hosts.opened(slot, link);
    this.#router.openLane(slot, link);
    this.#lifecycle.opened(slot);
  }

  #onLost(slot: number, error: Error): void {
    this.#questions.lost(this.#hosts.lost(slot));
    this.#router.closeLane(slot);
    if (this.#phase !== 'draining') this.#lifecycle.threadLost(slot, error);
  }

  /** The start is over when the whole share of this node runs, or stands still with a reason. */
  #settleIfWhole(): void {
    if (this.#rewinds.isIdle && this.#ownership?.missing === 0) this.#settled();
  }

  /** A partition that stands still has started, too. */
  #onRewound(): void {
    if (this.#ownership !== undefined) this.#ownership.review();
    else if (this.#rewinds.isIdle) this.#settled();
  }

  #giveUp(error: MillraceError): void {
    if (!isAlive(this.#phase)) return;
    this.#phase = 'failed';
    this.#fail(error);
  }
}

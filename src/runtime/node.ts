/**
 * One node: claims its partitions, starts their hosts, reads the stream, and brings back what falls over. Which
 * partitions these are is fixed, or the ownership among several nodes says so (ownership.ts) while the node runs.
 *
 * Owns the life of each partition on this node (see partition-table.ts) and of the node itself:
 *   new → starting → running → draining → stopped
 *                        ↘ failed
 *
 * Invariants
 * N1. No event is routed to a partition before its stream was proven to be the one its checkpoint was made from.
 * N2. A fenced partition is claimed again only if nobody else has claimed it since.
 * N3. A halted partition stays halted, with its reason, and holds up no other.
 */
import type { StreamChain } from '../core/position/stream-chain.js';
import { newestOf } from '../core/position/stream-chain.js';
import { codeOf, MillraceError, messageOf } from '../errors.js';
import type { Clock } from '../ports/clock.js';
import type { Coordinator } from '../ports/coordinator.js';
import type { EventLog, EventSink } from '../ports/event-log.js';
import type { LogLine } from '../ports/log.js';
import type { Claim, Membership } from '../ports/membership.js';
import type { HostLink, Threads } from '../ports/threads.js';
import { faultOf } from '../protocol/fault.js';
import type { Answer, Fault, HostToMain, Question, ThreadReport } from '../protocol/messages.js';
import { pause, retrying } from '../retrying.js';
import { Claiming, gapFault } from './claiming.js';
import type { ClusterStatus } from './cluster-status.js';
import { Handover, type Moves } from './handover.js';
import type { StreamRoute } from './key-route.js';
import { OutputPublisher } from './outputs.js';
import { Ownership } from './ownership.js';
import type { PartitionStatus } from './partition-table.js';
import { emptiestSlot, newPartition, slotOf } from './partition-table.js';
import { Questions } from './questions.js';
import type { StreamStatus } from './stream-routers.js';
import { StreamRouters } from './stream-routers.js';
import { type SlotEvents, Supervisor } from './supervisor.js';

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

export interface ClusterOptions {
  readonly leaseMs: number;
  readonly sameName: 'take-over' | 'refuse';
  /** Base URL of the HTTP API, for the other nodes. */
  readonly url: string | undefined;
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

export type NodePhase = 'new' | 'starting' | 'running' | 'draining' | 'stopped' | 'failed';

export interface NodeStatus {
  readonly name: string;
  readonly phase: NodePhase;
  readonly streams: readonly StreamStatus[];
  /** Events of the streams that were not yet read by this node; undefined while that is not known. */
  readonly unread: number | undefined;
  /** When the newest event that this node has read came into the stream, epoch ms; undefined before the first. */
  readonly streamTime: number | undefined;
  readonly eventsRead: number;
  readonly inFlightBytes: number;
  readonly threadRestarts: number;
  readonly partitions: readonly Readonly<PartitionStatus>[];
  readonly threads: readonly ThreadReport[];
  /** Undefined where the share of this node is fixed, or the others were not seen yet. */
  readonly cluster: ClusterStatus | undefined;
  /** Hand-overs between this node and others so far. */
  readonly moves: Readonly<Moves>;
}

type Message<K extends HostToMain['kind']> = Extract<HostToMain, { kind: K }>;

const STREAM_INFO_MS = 1_000;
const RECLAIM_MS = 100;
const REWIND_MS = 50;

export class Node {
  readonly #options: NodeOptions;
  readonly #deps: NodeDependencies;
  readonly #router: StreamRouters;
  readonly #supervisor: Supervisor;
  readonly #outputs: OutputPublisher;
  readonly #table = new Map<number, PartitionStatus>();
  readonly #links = new Map<number, HostLink>();
  readonly #threadReports = new Map<number, ThreadReport>();
  readonly #drained = new Map<number, () => void>();
  /** Partitions whose claim is under way: the stream is read from the start again once, when all are through. */
  readonly #claiming = new Set<number>();
  readonly #questions = new Questions();
  readonly #claims: Claiming;
  readonly #ownership: Ownership | undefined;
  readonly #handover: Handover;
  /** Epoch of the newest claim of each partition, ours or not, when it was to become ours. */
  readonly #newest = new Map<number, number>();
  /** Settles when every slot has had its first host. */
  readonly #staffed: Promise<void>;
  #onStaffed: () => void = () => undefined;
  #phase: NodePhase = 'new';
  #isLeaving = false;
  #cancelInfo: () => void = () => undefined;
  #cancelRewind: (() => void) | undefined;
  #settled: () => void = () => undefined;
  #fail: (error: MillraceError) => void = () => undefined;
  /** Settles with the reason when the node cannot go on. */
  readonly failed: Promise<MillraceError>;

  constructor(options: NodeOptions, deps: NodeDependencies) {
    this.#options = options;
    this.#deps = deps;
    this.failed = new Promise((resolve) => {
      this.#fail = resolve;
    });
    this.#staffed = new Promise((resolve) => {
      this.#onStaffed = resolve;
    });
    this.#router = new StreamRouters(options, {
      ...deps,
      events: {
        hole: (stream, first, last, partitions) => this.#onHole(stream, first, last, partitions),
        failed: (stream, error) => this.#haltAll(error, stream),
        hidden: (index, read, last) => {
          const { stream } = newestOf(options.chains[index]!);
          this.#deps.line('warn', 'log.behind', { stream, read, last });
          if (this.#isAlive()) this.#rewind();
        },
      },
    });
    const slotEvents: SlotEvents = {
      opened: (slot, link) => this.#onOpened(slot, link),
      received: (slot, message) => this.#onMessage(slot, message),
      lost: (slot, error) => this.#onLost(slot, error),
      gaveUp: (error) => this.#giveUp(error),
    };
    this.#supervisor = new Supervisor(deps.threads, deps.clock, deps.line, slotEvents, options.silentMsMax);
    this.#outputs = new OutputPublisher(deps.sink, deps.clock, deps.line);
    this.#claims = new Claiming({
      ...deps,
      acceptGap: options.acceptGap,
      chainOf: (partition) => options.chains[this.#router.indexOf(partition)]!,
      infoOf: (partition) => this.#router.infoOf(partition),
    });
    this.#handover = this.#newHandover();
    this.#ownership = this.#newOwnership();
  }

  #newHandover(): Handover {
    return new Handover({
      ...this.#deps,
      membership: this.#deps.membership,
      table: this.#table,
      links: this.#links,
      isSilent: (slot) => this.#supervisor.isSilent(slot),
      setPhase: (status, phase) => this.#setPhase(status, phase, status.fault),
      stopRouting: (partition) => {
        this.#router.release(partition);
        this.#claimSettled(partition);
      },
      forgotten: (partition) => {
        this.#router.halt(partition);
        this.#claimSettled(partition);
        this.#ownership?.review();
      },
    });
  }

  #newOwnership(): Ownership | undefined {
    const { membership } = this.#deps;
    const { cluster, name, partitions } = this.#options;
    if (membership === undefined || cluster === undefined) return undefined;
    const events = {
      gain: (partition: number, claim: Claim | undefined) => this.#gain(partition, claim),
      lose: (partition: number) => this.#handover.lose(partition),
      lost: (partition: number, claim: Claim) => this.#handover.lost(partition, claim),
      reviewed: () => this.#settleIfWhole(),
      failed: (error: MillraceError) => this.#giveUp(error),
    };
    return new Ownership(
      { name, partitions, ...cluster },
      {
        ...this.#deps,
        membership,
        held: () => this.#table.values(),
        progress: () => this.#supervisor.progress(),
        events,
      },
    );
  }

  /** Starts the hosts and settles when every partition is running or halted, or the node has failed. */
  async start(): Promise<void> {
    this.#phase = 'starting';
    const { partitions, own = Array.from({ length: partitions }, (_, p) => p), threads } = this.#options;
    if (this.#ownership === undefined) {
      for (const [index, partition] of own.entries()) this.#enter(partition, slotOf(index, own.length, threads));
    }
    const settled = new Promise<void>((resolve) => {
      this.#settled = resolve;
    });
    for (let slot = 0; slot < threads; slot++) this.#supervisor.start(slot);
    if (this.#ownership !== undefined) {
      // Whoever hands something over counts on its being taken at once.
      await Promise.race([this.#staffed, settled, this.failed]);
      if (this.#phase === 'starting') await this.#ownership.join();
    }
    const failure = await Promise.race([settled, this.failed]);
    if (failure !== undefined) throw failure;
    if (this.#phase !== 'starting') return; // it was drained meanwhile
    this.#phase = 'running';
    this.#followStream();
  }

  /** Hands over what others can take, stops reading, saves everything that is decided, lets go. */
  async drain(): Promise<void> {
    if (this.#phase === 'stopped' || this.#phase === 'draining' || this.#isLeaving) return;
    const { clock } = this.#deps;
    const deadline = clock.elapsed() + this.#options.drainMsMax;
    if (this.#phase === 'running') await this.#handOver(deadline);
    this.#phase = 'draining';
    this.#settled(); // whoever still waits for the start
    this.#cancelInfo();
    this.#cancelRewind?.();
    this.#supervisor.stop();
    await this.#router.stop();
    const links = [...this.#links];
    const drained = links.map(
      ([slot, link]) =>
        new Promise<void>((resolve) => {
          this.#drained.set(slot, resolve);
          void link.exited.then(() => resolve());
          link.post({ kind: 'drain' });
        }),
    );
    await this.#inTime(Promise.all(drained), deadline);
    this.#outputs.stop();
    await this.#supervisor.close();
    await this.#ownership?.leave();
    this.#phase = 'stopped';
  }

  /** Lets go of every partition as soon as it is stored, so that others can go on with it before this node has ended. */
  async #handOver(deadline: number): Promise<void> {
    if (this.#ownership === undefined) return;
    this.#isLeaving = true;
    await this.#inTime(this.#ownership.startLeaving(), deadline);
    await this.#inTime(this.#handover.loseAll(), deadline);
    this.#handover.end();
  }

  /** Waits for what is to be over before a monotonic time. */
  async #inTime(work: Promise<unknown>, deadline: number): Promise<void> {
    const { clock, line } = this.#deps;
    let cancel = (): void => undefined;
    const late = new Promise<'late'>((resolve) => {
      cancel = clock.after(Math.max(0, deadline - clock.elapsed()), () => resolve('late'));
    });
    const outcome = await Promise.race([work, late]);
    cancel(); // a timer that is left behind would hold up the end of the process
    if (outcome === 'late') line('warn', 'node.drain.late', { ms: this.#options.drainMsMax });
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
      partitions: [...this.#table.values()],
      threads: [...this.#threadReports.values()],
      cluster: this.#ownership?.status(),
      moves: this.#handover.moves,
    };
  }

  /**
   * Asks a partition of this node something, or has it changed; see `Question`. Throws MillraceError: NOT_FOUND if it
   * is not owned or not running here, THREAD_LOST, and whatever the change runs into.
   */
  async ask<Q extends Question>(partition: number, question: Q): Promise<Exclude<Answer, { kind: 'fault' }>> {
    const status = this.#table.get(partition);
    const link = status === undefined ? undefined : this.#links.get(status.slot);
    if (link === undefined)
      throw new MillraceError('NOT_FOUND', `partition ${partition} is not on node ${this.#options.name}`);
    return this.#questions.ask(link, partition, question);
  }

  /** Ends the thread of a slot at once, as a crash would. For tests of recovery. */
  async killThread(slot: number): Promise<void> {
    await this.#supervisor.kill(slot);
  }

  #onOpened(slot: number, link: HostLink): void {
    this.#links.set(slot, link);
    if (this.#links.size === this.#options.threads) this.#onStaffed();
    this.#router.openLane(slot, link);
    for (const status of this.#table.values())
      if (status.slot === slot && status.phase === 'unclaimed') void this.#claim(status);
  }

  #onLost(slot: number, error: Error): void {
    this.#questions.lost(this.#links.get(slot));
    this.#links.delete(slot);
    this.#router.closeLane(slot);
    this.#drained.get(slot)?.();
    if (this.#phase === 'draining') return;
    for (const status of this.#table.values()) {
      if (status.slot !== slot || status.phase === 'halted') continue;
      if (status.phase === 'releasing') {
        void this.#handover.letGo(status, undefined);
        continue;
      }
      if (status.phase === 'running') status.recoveries++;
      this.#setPhase(status, 'unclaimed', error instanceof MillraceError ? faultOf(error) : undefined);
      this.#claiming.add(status.partition);
    }
  }

  #onMessage(slot: number, message: HostToMain): void {
    switch (message.kind) {
      case 'done':
        this.#router.done(slot, message.stream, message.buffer, message.length);
        return;
      case 'claimed':
        void this.#onClaimed(message);
        return;
      case 'refused':
        this.#onRefused(message);
        return;
      case 'stopped':
        void this.#onStopped(message);
        return;
      case 'released':
        this.#handover.released(message);
        return;
      case 'answer':
        this.#questions.answered(message.request, message.answer);
        return;
      case 'resumable':
        this.#resume(message.partition);
        return;
      case 'outputs':
        void this.#outputs.publish(message.outputs, (ids) =>
          this.#links.get(slot)?.post({ kind: 'published', partition: message.partition, ids }),
        );
        return;
      case 'report':
        this.#threadReports.set(slot, message.thread);
        for (const report of message.partitions) {
          const status = this.#table.get(report.partition);
          if (status !== undefined) status.report = report;
        }
        return;
      case 'log':
        this.#deps.line(message.level, message.event, { slot, ...message.fields });
        return;
      case 'drained':
        this.#drained.get(slot)?.();
        return;
      case 'started':
        return;
    }
  }

  async #claim(status: PartitionStatus): Promise<void> {
    const { partition } = status;
    this.#claiming.add(partition);
    const link = this.#links.get(status.slot);
    if (link === undefined) return; // its thread is being replaced, which then claims what is unclaimed
    this.#setPhase(status, 'claiming');
    // Among several nodes only what is still as it was seen: somebody else may have been faster.
    const after = Math.max(status.epoch, this.#newest.get(partition) ?? 0);
    status.epoch = 0; // what an earlier claim is still waiting for must not pass for this one's
    const isWanted = (): boolean =>
      this.#isAlive() && this.#links.get(status.slot) === link && status.phase === 'claiming';
    try {
      const ticketed = await this.#claims.ticket(partition, after, isWanted);
      if (ticketed === undefined || !isWanted()) return;
      const { ticket, first } = ticketed;
      if (ticket === undefined) {
        this.#handover.forget(status);
        return;
      }
      const { epoch, origin, before } = ticket;
      status.epoch = epoch;
      this.#handover.gained(partition, before);
      link.post({ kind: 'claim', partition, epoch, origin, first, acceptGap: this.#options.acceptGap });
    } catch (error) {
      this.#halt(partition, faultOf(error));
    }
  }

  /** N1. */
  async #onClaimed(message: Message<'claimed'>): Promise<void> {
    const { partition } = message;
    const status = this.#table.get(partition);
    if (status?.phase !== 'claiming' || status.epoch !== message.epoch) return;
    const { line } = this.#deps;
    const { epoch } = status;
    const isWanted = (): boolean => this.#isAlive() && status.phase === 'claiming' && status.epoch === epoch;
    try {
      const start = await this.#claims.start(message, isWanted);
      if (start === undefined || !isWanted()) return;
      if (start.gap.length > 0)
        line('warn', 'stream.gap.accepted', { partition, first: start.gap[0], last: start.gap[1] });
      this.#router.run({ partition, slot: status.slot, ...start });
      this.#setPhase(status, 'running');
      this.#handover.runs(status, message.applied);
      this.#claimSettled(partition);
    } catch (error) {
      this.#halt(partition, faultOf(error));
    }
  }

  /** A partition is to be this node's. */
  #enter(partition: number, slot: number): PartitionStatus {
    const status = newPartition(partition, slot, this.#deps.clock.now());
    this.#table.set(partition, status);
    this.#claiming.add(partition);
    return status;
  }

  #gain(partition: number, claim: Claim | undefined): void {
    if (!this.#isAlive() || this.#table.has(partition)) return;
    this.#newest.set(partition, claim?.epoch ?? 0);
    const status = this.#enter(partition, emptiestSlot(this.#table.values(), this.#options.threads));
    if (this.#links.has(status.slot)) void this.#claim(status);
  }

  /** The start is over when the whole share of this node runs, or stands still with a reason. */
  #settleIfWhole(): void {
    if (this.#claiming.size === 0 && this.#ownership?.missing === 0) this.#settled();
  }

  /** Among several nodes, who loses a race for a partition leaves it to whoever has won. */
  #onRefused({ partition, epoch, fault }: Message<'refused'>): void {
    const status = this.#table.get(partition);
    if (status?.epoch !== epoch) return;
    if (fault.code === 'FENCED' && this.#ownership !== undefined) void this.#handover.letGo(status, undefined);
    else this.#halt(partition, fault);
  }

  /** N2. */
  async #onStopped({ partition, epoch, fault }: Message<'stopped'>): Promise<void> {
    const status = this.#table.get(partition);
    if (status === undefined || status.epoch !== epoch || status.phase === 'halted') return;
    if (status.phase === 'releasing') {
      void this.#handover.letGo(status, undefined);
      return;
    }
    if (this.#phase === 'draining') return;
    this.#router.halt(partition);
    if (fault.code !== 'FENCED') {
      this.#halt(partition, fault);
      return;
    }
    this.#deps.line('warn', 'partition.fenced', { partition, message: fault.message });
    const { coordinator, clock, line } = this.#deps;
    this.#setPhase(status, 'unclaimed', fault);
    this.#claiming.add(partition);
    const isWanted = (): boolean => this.#isAlive() && status.phase === 'unclaimed';
    const holder = await retrying(clock, line, 'partition.holder', isWanted, () => coordinator.holder(partition));
    if (!isWanted()) return;
    if (holder !== undefined && holder.epoch !== status.epoch) {
      if (this.#ownership !== undefined) {
        this.#handover.lost(partition, holder);
        return;
      }
      const message = `partition ${partition}: node ${holder.node} has claimed it with epoch ${holder.epoch}, ours was ${status.epoch}`;
      this.#halt(partition, { code: 'FENCED', message, problems: [] });
      return;
    }
    status.recoveries++;
    await pause(clock, RECLAIM_MS);
    if (isWanted()) await this.#claim(status);
  }

  /** An operator has made room in a partition that had stopped because it was full. */
  #resume(partition: number): void {
    const status = this.#table.get(partition);
    if (status?.phase !== 'halted' || !this.#isAlive()) return;
    this.#deps.line('info', 'partition.resumed', { partition });
    this.#setPhase(status, 'unclaimed');
    void this.#claim(status);
  }

  #onHole(index: number, first: number, last: number, partitions: readonly number[]): void {
    const chain = this.#options.chains[index]!;
    if (this.#options.acceptGap) {
      const { stream } = newestOf(chain);
      this.#deps.line('warn', 'stream.gap.accepted', { stream, first, last, partitions: partitions.length });
      this.#router.acceptHole(index, first, last);
      return;
    }
    const fault = gapFault(chain, first, last);
    for (const partition of partitions) this.#halt(partition, fault);
  }

  /** Of one stream, or of all. */
  #haltAll(error: Error, stream?: number): void {
    for (const { partition, phase } of this.#table.values())
      if (phase === 'running' && (stream === undefined || this.#router.indexOf(partition) === stream))
        this.#halt(partition, faultOf(error));
  }

  /** N3. */
  #halt(partition: number, fault: Fault): void {
    const status = this.#table.get(partition);
    if (status === undefined || status.phase === 'halted') return;
    this.#setPhase(status, 'halted', fault);
    this.#router.halt(partition);
    // One that is full keeps its actor for what an operator does about it.
    if (!isRepairable(fault)) this.#links.get(status.slot)?.post({ kind: 'halt', partition, fault });
    this.#deps.line('error', 'partition.halted', { partition, code: fault.code, message: fault.message });
    this.#claimSettled(partition);
    this.#ownership?.review();
    const all = [...this.#table.values()];
    if (all.every((other) => other.phase === 'halted' && other.fault?.code === fault.code && endsNode(fault)))
      this.#giveUp(new MillraceError(fault.code, fault.message, { problems: fault.problems }));
  }

  /**
   * Reads on, with what is through, when the last claim that is under way is, or after a moment: one rewind for many, but
   * nobody waits long for a slow one.
   */
  #claimSettled(partition: number): void {
    if (!this.#claiming.delete(partition)) return;
    if (this.#claiming.size === 0) this.#rewind();
    else
      this.#cancelRewind ??= this.#deps.clock.after(REWIND_MS, () => {
        if (this.#isAlive()) this.#rewind();
      });
  }

  #rewind(): void {
    const { clock, line } = this.#deps;
    this.#cancelRewind?.();
    this.#cancelRewind = undefined;
    const isWanted = (): boolean => this.#isAlive();
    void retrying(clock, line, 'log.read', isWanted, () => this.#router.rewind())
      .catch((error: unknown) => this.#haltAll(error instanceof Error ? error : new Error(messageOf(error))))
      .then(() => {
        // A partition that stands still has started, too.
        if (this.#ownership !== undefined) this.#ownership.review();
        else if (this.#claiming.size === 0) this.#settled();
      });
  }

  /** Keeps the stream's end known, for lag. */
  #followStream(): void {
    this.#cancelInfo = this.#deps.clock.after(STREAM_INFO_MS, () => {
      if (!this.#isAlive()) return;
      this.#router
        .follow()
        .catch((error: unknown) =>
          this.#deps.line('debug', 'stream.info', { code: codeOf(error), error: messageOf(error) }),
        )
        .finally(() => {
          if (this.#isAlive()) this.#followStream();
        });
    });
  }

  #setPhase(status: PartitionStatus, phase: PartitionStatus['phase'], fault?: Fault): void {
    status.phase = phase;
    status.fault = fault;
    status.since = this.#deps.clock.now();
  }

  #giveUp(error: MillraceError): void {
    if (!this.#isAlive()) return;
    this.#phase = 'failed';
    this.#fail(error);
  }

  #isAlive(): boolean {
    return this.#phase === 'starting' || this.#phase === 'running';
  }
}

/** Faults that no other partition of the node can escape. */
function endsNode(fault: Fault): boolean {
  return fault.code === 'FENCED' || fault.code === 'LAYOUT_MISMATCH' || fault.code === 'STREAM_MISSING';
}

/** Faults that an operator can mend on the running partition. */
function isRepairable({ code }: Fault): boolean {
  return code === 'DEAD_LETTERS_FULL' || code === 'PARKED_FULL' || code === 'SEQUENCE_GAP';
}

/**
 * One node: claims its partitions, starts their hosts, reads the stream, and brings back what falls over.
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
import type { AnchorVerdict } from '../core/position/anchor-check.js';
import { checkAnchor } from '../core/position/anchor-check.js';
import { cutBack, skipTo } from '../core/position/resume.js';
import type { StreamChain } from '../core/position/stream-chain.js';
import { newestOf, placeOf } from '../core/position/stream-chain.js';
import { codeOf, MillraceError, messageOf } from '../errors.js';
import type { Clock } from '../ports/clock.js';
import type { Coordinator } from '../ports/coordinator.js';
import type { EventLog, EventSink, StreamInfo } from '../ports/event-log.js';
import type { LogLine } from '../ports/log.js';
import type { HostLink, Threads } from '../ports/threads.js';
import { errorOf, faultOf } from '../protocol/fault.js';
import type { Answer, Fault, HostToMain, Question, ThreadReport } from '../protocol/messages.js';
import { pause, retrying } from '../retrying.js';
import type { StreamRoute } from './key-route.js';
import { OutputPublisher } from './outputs.js';
import type { PartitionStatus } from './partition-table.js';
import { slotOf } from './partition-table.js';
import { Questions } from './questions.js';
import { lastUpTo } from './resume-point.js';
import type { PartitionStart } from './router.js';
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
  /** A drain that takes longer is given up; what is not saved is replayed, ms. */
  readonly drainMsMax: number;
  /** A thread that says nothing for so long is ended and replaced, ms; the supervisor's own by default. */
  readonly silentMsMax?: number | undefined;
}

export interface NodeDependencies {
  readonly log: EventLog;
  readonly sink: EventSink;
  readonly coordinator: Coordinator;
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
}

type Message<K extends HostToMain['kind']> = Extract<HostToMain, { kind: K }>;

const STREAM_INFO_MS = 1_000;
const RECLAIM_MS = 100;

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
  readonly #origins = new Map<number, number | undefined>();
  #phase: NodePhase = 'new';
  #cancelInfo: () => void = () => undefined;
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
    this.#router = new StreamRouters(options, {
      ...deps,
      events: {
        hole: (stream, first, last, partitions) => this.#onHole(stream, first, last, partitions),
        failed: (stream, error) => this.#haltAll(error, stream),
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
  }

  /** Starts the hosts and settles when every partition is running or halted, or the node has failed. */
  async start(): Promise<void> {
    this.#phase = 'starting';
    const { coordinator, clock, line } = this.#deps;
    const isWanted = (): boolean => this.#phase === 'starting';
    const assignment = await retrying(clock, line, 'assignment', isWanted, () => coordinator.assignment());
    if (assignment === undefined || !isWanted()) return; // drained meanwhile
    assignment.forEach((partition, index) => {
      const slot = slotOf(index, assignment.length, this.#options.threads);
      const since = clock.now();
      const unset = { epoch: 0, fault: undefined, report: undefined, since, recoveries: 0 };
      this.#table.set(partition, { partition, slot, phase: 'unclaimed', ...unset });
      this.#claiming.add(partition);
    });
    const settled = new Promise<void>((resolve) => {
      this.#settled = resolve;
    });
    for (let slot = 0; slot < this.#options.threads; slot++) this.#supervisor.start(slot);
    const failure = await Promise.race([settled, this.failed]);
    if (failure !== undefined) throw failure;
    if (this.#phase !== 'starting') return; // it was drained meanwhile
    this.#phase = 'running';
    this.#followStream();
  }

  /** Stops reading, saves everything that is decided, lets go. */
  async drain(): Promise<void> {
    if (this.#phase === 'stopped' || this.#phase === 'draining') return;
    this.#phase = 'draining';
    this.#settled(); // whoever still waits for the start
    this.#cancelInfo();
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
    const { drainMsMax } = this.#options;
    let cancel = (): void => undefined;
    const late = new Promise<'late'>((resolve) => {
      cancel = this.#deps.clock.after(drainMsMax, () => resolve('late'));
    });
    const outcome = await Promise.race([Promise.all(drained), late]);
    cancel(); // a timer that is left behind would hold up the end of the process
    if (outcome === 'late') this.#deps.line('warn', 'node.drain.late', { ms: drainMsMax });
    this.#outputs.stop();
    await this.#supervisor.close();
    this.#phase = 'stopped';
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
    this.#router.openLane(slot, link);
    for (const status of this.#table.values())
      if (status.slot === slot && status.phase !== 'halted') void this.#claim(status);
  }

  #onLost(slot: number, error: Error): void {
    this.#questions.lost(this.#links.get(slot));
    this.#links.delete(slot);
    this.#router.closeLane(slot);
    this.#drained.get(slot)?.();
    if (this.#phase === 'draining') return;
    for (const status of this.#table.values()) {
      if (status.slot !== slot || status.phase === 'halted') continue;
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
        this.#halt(message.partition, message.fault);
        return;
      case 'stopped':
        void this.#onStopped(message);
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
    const { coordinator, clock, line } = this.#deps;
    this.#claiming.add(partition);
    this.#setPhase(status, 'claiming');
    status.epoch = 0; // what an earlier claim is still waiting for must not pass for this one's
    const link = this.#links.get(status.slot);
    const isWanted = (): boolean =>
      this.#isAlive() && this.#links.get(status.slot) === link && status.phase === 'claiming';
    try {
      const prepared = await retrying(clock, line, 'partition.claim', isWanted, async () => ({
        info: await this.#router.infoOf(partition),
        ticket: await coordinator.claim(partition),
      }));
      if (prepared === undefined || !isWanted()) return;
      const { epoch, origin } = prepared.ticket;
      status.epoch = epoch;
      this.#origins.set(partition, origin);
      const { first } = prepared.info;
      link?.post({ kind: 'claim', partition, epoch, origin, first, acceptGap: this.#options.acceptGap });
    } catch (error) {
      this.#halt(partition, faultOf(error));
    }
  }

  /** N1. */
  async #onClaimed(message: Message<'claimed'>): Promise<void> {
    const { partition, position, anchor } = message;
    const status = this.#table.get(partition);
    if (status?.phase !== 'claiming') return;
    const { coordinator, clock, line, log } = this.#deps;
    const { epoch } = status;
    const isWanted = (): boolean => this.#isAlive() && status.phase === 'claiming' && status.epoch === epoch;
    try {
      const start = await retrying(clock, line, 'partition.verify', isWanted, async () => {
        const info = await this.#router.infoOf(partition);
        if (this.#origins.get(partition) === undefined) await coordinator.establish(partition, info.first);
        const stored = anchor.sequence >= info.first && anchor.sequence <= info.last && anchor.sequence > 0;
        const time = stored ? await log.timeOf(this.#router.streamOf(partition), anchor.sequence) : undefined;
        return this.#startAt(message, info, checkAnchor(position.floor, anchor, info, time));
      });
      if (start === undefined || !isWanted()) return;
      if (start.gap.length > 0)
        line('warn', 'stream.gap.accepted', { partition, first: start.gap[0], last: start.gap[1] });
      this.#router.run({ partition, slot: status.slot, ...start });
      this.#setPhase(status, 'running');
      this.#claimSettled(partition);
    } catch (error) {
      this.#halt(partition, faultOf(error));
    }
  }

  /** Where a claimed partition starts. Throws GAP or REGRESSION unless an operator has accepted the loss. */
  async #startAt(
    { partition, position, anchor }: Message<'claimed'>,
    info: StreamInfo,
    verdict: AnchorVerdict,
  ): Promise<Pick<PartitionStart, 'position' | 'anchor' | 'gap'>> {
    const { acceptGap } = this.#options;
    const { log } = this.#deps;
    const chain = this.#options.chains[this.#router.indexOf(partition)]!;
    const { stream } = newestOf(chain);
    switch (verdict.kind) {
      case 'intact':
        return { position, anchor, gap: [] };
      case 'gap':
        if (!acceptGap) throw errorOf(gapFault(chain, verdict.first, verdict.last));
        // Where only the anchor's own event is gone, what is before it is still there: it is read, and the gap is met
        // again as a hole. One that lies below the floor was decided and is missed by nobody.
        if (verdict.first > position.floor + 1 || verdict.last <= position.floor) return { position, anchor, gap: [] };
        return { position: skipTo(position, verdict.last), anchor, gap: [verdict.first, verdict.last] };
      case 'regression': {
        if (!acceptGap) throw new MillraceError('REGRESSION', `stream ${stream}: ${verdict.detail}`);
        const timeOf = (sequence: number): Promise<string | undefined> => log.timeOf(stream, sequence);
        const kept = await lastUpTo(anchor.time, info, timeOf);
        const time = kept >= info.first ? await timeOf(kept) : undefined;
        const gap = kept < anchor.sequence ? [kept + 1, anchor.sequence] : [];
        return {
          position: cutBack(position, kept),
          anchor: { sequence: time === undefined ? 0 : kept, time: time ?? '' },
          gap,
        };
      }
    }
  }

  /** N2. */
  async #onStopped({ partition, fault }: Message<'stopped'>): Promise<void> {
    const status = this.#table.get(partition);
    if (status === undefined || status.phase === 'halted' || this.#phase === 'draining') return;
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
    const all = [...this.#table.values()];
    if (all.every((other) => other.phase === 'halted' && other.fault?.code === fault.code && endsNode(fault)))
      this.#giveUp(new MillraceError(fault.code, fault.message, { problems: fault.problems }));
  }

  /** Reads on when the last claim that is under way is through: one rewind for all of them. */
  #claimSettled(partition: number): void {
    if (!this.#claiming.delete(partition) || this.#claiming.size > 0) return;
    const { clock, line } = this.#deps;
    const isWanted = (): boolean => this.#isAlive();
    retrying(clock, line, 'log.read', isWanted, () => this.#router.rewind())
      .then(() => this.#settled())
      .catch((error: unknown) => this.#haltAll(error instanceof Error ? error : new Error(messageOf(error))));
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

function gapFault(chain: StreamChain, from: number, to: number): Fault {
  const [first, last] = [placeOf(chain, from), placeOf(chain, to)];
  const end = first.stream === last.stream ? last.sequence : `${last.sequence} of ${last.stream}`;
  const message = `stream ${first.stream}: sequences ${first.sequence} to ${end} are gone and were not processed`;
  return { code: 'GAP', message, problems: [] };
}

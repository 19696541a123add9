/**
 * Reads one stream whole and gives every event to the host of its partition.
 *
 * Owns the reading, the lanes, and how far each partition was routed. Does not own who hosts what: it is told.
 *
 * Invariants
 * X1. A partition gets its events in stream order, each once per incarnation, from its floor on.
 * X2. Sequences are dense. A jump is a hole: every partition that has not passed it stops, or an operator has
 *     accepted the loss beforehand. It is never read over.
 * X3. What is collected and under way is bounded: above the bound no more is requested from the log.
 * X4. A host is told that the stream has reached a time only when everything before it is with the hosts.
 * X5. A partition starts to run between two readings, never during one: a batch or mark of the old reading that
 *     came after its `run` would carry it past events that it has not seen.
 * X6. Every reading comes past the newest events that were read before or that checkpoints name, and finds the same:
 *     a tail that the stream lost while nobody read it, or between proof and reading, is noticed before a number is
 *     passed that now stands for something else.
 */
import type { Anchor } from '../core/checkpoint/record.js';
import type { Position } from '../core/position/position-window.js';
import { MillraceError } from '../errors.js';
import type { Clock } from '../ports/clock.js';
import type { EventLog, Reading, ReadSink } from '../ports/event-log.js';
import { timeText } from '../ports/event-log.js';
import type { HostLink } from '../ports/threads.js';
import type { StreamRoute } from './key-route.js';
import { Landmarks } from './landmarks.js';
import { Lane } from './lane.js';

export interface RouterOptions {
  readonly stream: string;
  /** The place of the stream among those of the application. */
  readonly index: number;
  readonly partitions: number;
  /** Most bytes between the log and the hosts. */
  readonly inFlightBytesMax: number;
  /** How often the log proves that nothing waits, ms; unknown if undefined. */
  readonly heartbeatMs?: number | undefined;
}

export interface RouterEvents {
  /** Sequences `first` to `last` are missing; the partitions have not passed them and are no longer routed. */
  hole(first: number, last: number, partitions: readonly number[]): void;
  /** The reading has ended by itself. */
  failed(error: Error): void;
}

export interface RouterDependencies {
  readonly log: EventLog;
  readonly clock: Clock;
  readonly route: StreamRoute;
  readonly events: RouterEvents;
  /** Calls back at the end of this turn of the event loop. */
  readonly defer: (callback: () => void) => void;
}

const MARK_MS = 50;

/** Where a partition starts; see `run` in protocol/messages.ts. */
export interface PartitionStart {
  readonly partition: number;
  readonly slot: number;
  readonly position: Position;
  readonly anchor: Anchor;
  readonly gap: readonly number[];
}

export class Router {
  readonly #options: RouterOptions;
  readonly #deps: RouterDependencies;
  readonly #lanes = new Map<number, Lane>();
  /** Lane of each running partition. */
  readonly #laneOf: (Lane | undefined)[];
  /** Highest sequence routed to each running partition. */
  readonly #high: Float64Array;
  #reading: Reading | undefined;
  #generation = 0;
  #next = 1;
  /** The newest event of this reading, as the anchor of checkpoints; sequence 0 while there is none. */
  #lastSequence = 0;
  #lastMs = 0;
  #lastNanos = 0;
  /** Stream time of the newest event of any reading, epoch ms. */
  #streamMs = 0;
  /** How long the log has proven that nothing came after that event, ms; monotonic time of the last proof. */
  #quietMs = 0;
  #provenAt = 0;
  #starting: PartitionStart[] = [];
  readonly #landmarks = new Landmarks((sequence, partition) => this.#misses(sequence, partition));
  #markedAt = Number.NEGATIVE_INFINITY;
  #caughtUp = false;
  #flushing = false;
  #paused = false;
  #events = 0;

  constructor(options: RouterOptions, deps: RouterDependencies) {
    this.#options = options;
    this.#deps = deps;
    this.#laneOf = new Array<Lane | undefined>(options.partitions).fill(undefined);
    this.#high = new Float64Array(options.partitions);
  }

  /** Events read from the log so far, by all readings. */
  get eventsRead(): number {
    return this.#events;
  }

  /** Stream time of the newest event that was read, epoch ms. */
  get streamTime(): number | undefined {
    return this.#streamMs === 0 ? undefined : this.#streamMs;
  }

  /** Events up to `last` that were not read. */
  unread(last: number): number {
    return Math.max(0, last - this.#next + 1);
  }

  /** Whether a partition of the stream runs here, or is about to. */
  get isNeeded(): boolean {
    return this.#starting.length > 0 || this.#laneOf.some((lane) => lane !== undefined);
  }

  /** Whether a rewind would change what is read. */
  get isDue(): boolean {
    return this.#starting.length > 0 || (this.#reading !== undefined) !== this.isNeeded;
  }

  /** Whether the end of the stream was reached, as far as is known. */
  get isCaughtUp(): boolean {
    return this.#caughtUp;
  }

  /** Where the operator's decision about a hole goes: to all hosts. */
  acceptHole(first: number, last: number): void {
    for (const lane of this.#lanes.values()) lane.post({ kind: 'gap', stream: this.#options.index, first, last });
  }

  openLane(slot: number, link: HostLink): void {
    this.#lanes.set(slot, new Lane(link, this.#options.index, this.#options.inFlightBytesMax));
  }

  /** The host of the slot is gone; its partitions are no longer routed. */
  closeLane(slot: number): void {
    const lane = this.#lanes.get(slot);
    this.#lanes.delete(slot);
    this.#forgetStart((start) => start.slot === slot);
    for (let p = 0; p < this.#laneOf.length; p++) if (this.#laneOf[p] === lane) this.#laneOf[p] = undefined;
    this.#relieve();
  }

  /** From the next `rewind` on, the partition is routed to the host of `slot`, from its position on. */
  run(start: PartitionStart): void {
    this.#forgetStart(({ partition }) => partition === start.partition);
    this.#starting.push(start);
  }

  /** The partition is no longer routed. */
  halt(partition: number): void {
    this.#forgetStart((start) => start.partition === partition);
    this.#laneOf[partition] = undefined;
  }

  /** The partition is no longer routed, and everything that was is with its host. */
  release(partition: number): void {
    this.#laneOf[partition]?.flush(this.#anchor(), this.#lastMs, true);
    this.halt(partition);
  }

  isRunning(partition: number): boolean {
    return this.#laneOf[partition] !== undefined;
  }

  /** Reads on from the lowest event that a running partition still needs. */
  async rewind(): Promise<void> {
    const generation = ++this.#generation;
    await this.#reading?.stop();
    this.#reading = undefined;
    if (generation !== this.#generation) return;
    this.#flush(true);
    this.#passAll();
    this.#landmarks.add(this.#anchor());
    this.#startPartitions();
    this.#lastSequence = 0;
    this.#caughtUp = false;
    this.#paused = false;
    let from = Number.POSITIVE_INFINITY;
    for (let p = 0; p < this.#laneOf.length; p++)
      if (this.#laneOf[p] !== undefined && this.#high[p]! + 1 < from) from = this.#high[p]! + 1;
    if (from === Number.POSITIVE_INFINITY) return;
    from = Math.min(from, this.#landmarks.first);
    this.#next = from;
    const reading = await this.#deps.log.read(this.#options.stream, from, this.#sink(generation));
    if (generation !== this.#generation) {
      await reading.stop();
      return;
    }
    this.#reading = reading;
    if (this.#paused) reading.pause();
  }

  /** What was read has passed every running partition: a quiet one needs none of it again, also where it is gone now. */
  #passAll(): void {
    const last = this.#next - 1;
    for (let p = 0; p < this.#laneOf.length; p++)
      if (this.#laneOf[p] !== undefined && this.#high[p]! < last) this.#high[p] = last;
  }

  /** A start that has not taken place is void: its incarnation is gone, and another one has another position. */
  #forgetStart(isVoid: (start: PartitionStart) => boolean): void {
    this.#starting = this.#starting.filter((start) => !isVoid(start));
  }

  /** X5. */
  #startPartitions(): void {
    for (const { partition, slot, position, anchor, gap } of this.#starting) {
      const lane = this.#lanes.get(slot);
      if (lane === undefined) continue;
      lane.post({ kind: 'run', partition, position, anchor, gap });
      this.#laneOf[partition] = lane;
      this.#high[partition] = position.floor;
      this.#landmarks.add(anchor, partition);
    }
    this.#starting = [];
  }

  async stop(): Promise<void> {
    this.#generation++;
    await this.#reading?.stop();
    this.#reading = undefined;
    this.#flush(true);
  }

  /** A host has taken a batch in. */
  done(slot: number, buffer: ArrayBuffer, length: number): void {
    this.#lanes.get(slot)?.done(buffer, length);
    this.#relieve();
    this.#flushSoon();
  }

  /** Bytes collected or under way to the hosts. */
  get inFlightBytes(): number {
    let bytes = 0;
    for (const lane of this.#lanes.values()) bytes += lane.bytes;
    return bytes;
  }

  #sink(generation: number): ReadSink {
    const isCurrent = (): boolean => generation === this.#generation;
    return {
      event: (sequence, timeMs, timeNanos, subject, headers, body) => {
        if (isCurrent()) this.#take(sequence, timeMs, timeNanos, subject, headers, body);
      },
      caughtUp: () => {
        if (!isCurrent()) return;
        this.#proven();
        this.#flushSoon();
        void this.#proveEnd();
      },
      failed: (error) => {
        if (!isCurrent()) return;
        this.#fail(error);
      },
    };
  }

  #take(
    sequence: number,
    timeMs: number,
    timeNanos: number,
    subject: Uint8Array,
    headers: Uint8Array | undefined,
    body: Uint8Array,
  ): void {
    if (sequence >= this.#landmarks.first && !this.#landmarks.passes(sequence, timeMs, timeNanos)) {
      this.#regress(sequence);
      return;
    }
    if (sequence !== this.#next) this.#hole(this.#next, sequence - 1);
    this.#next = sequence + 1;
    this.#lastSequence = sequence;
    this.#lastMs = timeMs;
    this.#lastNanos = timeNanos;
    this.#caughtUp = false;
    this.#events++;
    this.#streamMs = timeMs;
    this.#flushSoon();
    const partition = this.#deps.route(subject, headers, body, sequence);
    const lane = this.#laneOf[partition];
    if (lane === undefined || sequence <= this.#high[partition]!) return;
    this.#high[partition] = sequence;
    if (lane.add(partition, sequence, timeMs, subject, headers, body)) {
      lane.flush(this.#anchor(), timeMs, true);
      if (!this.#paused && this.inFlightBytes > this.#options.inFlightBytesMax) {
        this.#paused = true;
        this.#reading?.pause();
      }
    }
  }

  /** X6, where the stream ends before an event that was there. */
  async #proveEnd(): Promise<void> {
    const generation = this.#generation;
    const lost = await this.#landmarks.lost(this.#deps.log, this.#options.stream, this.#next);
    if (lost !== undefined && this.#generation === generation) this.#regress(lost);
  }

  /** Whether a partition that runs here has had, or was made from, what the stream has lost from `sequence` on. */
  #misses(sequence: number, partition: number | undefined): boolean {
    if (partition !== undefined) return this.#laneOf[partition] !== undefined;
    return this.#laneOf.some((lane, p) => lane !== undefined && this.#high[p]! >= sequence);
  }

  #regress(sequence: number): void {
    void this.#reading?.stop();
    const problem = `stream ${this.#options.stream}: sequence ${sequence} is no longer the event that was read there`;
    this.#fail(new MillraceError('REGRESSION', problem));
  }

  /** The reading is over, and with it what could be compared: everything it fed has to be claimed again. */
  #fail(error: Error): void {
    this.#generation++;
    this.#reading = undefined;
    this.#lastSequence = 0;
    this.#landmarks.clear();
    this.#deps.events.failed(error);
  }

  /** X2. */
  #hole(first: number, last: number): void {
    this.#flush(true);
    const partitions: number[] = [];
    for (let p = 0; p < this.#laneOf.length; p++)
      if (this.#laneOf[p] !== undefined && this.#high[p]! < last) partitions.push(p);
    if (partitions.length > 0) this.#deps.events.hole(first, last, partitions);
  }

  #flushSoon(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    this.#deps.defer(() => {
      this.#flushing = false;
      this.#flush(false);
    });
  }

  #flush(force: boolean): void {
    const anchor = this.#anchor();
    const now = this.#deps.clock.elapsed();
    const streamTime = this.#streamTime();
    const markDue = now - this.#markedAt >= MARK_MS;
    for (const lane of this.#lanes.values()) {
      const empty = lane.flush(anchor, this.#lastMs, force);
      if (empty && markDue && (this.#caughtUp || anchor.sequence > lane.told)) lane.mark(anchor, streamTime);
    }
    if (markDue) this.#markedAt = now;
  }

  /**
   * X4. At the end of the stream its time goes on with ours, but only from proof to proof: while the log is silent,
   * paused or behind a slow network, events may be stored that have not come. Before the end only events move it.
   */
  #streamTime(): number {
    if (!this.#caughtUp || this.#streamMs === 0) return this.#lastMs;
    return this.#streamMs + this.#quietMs;
  }

  /**
   * X4. A proof says that nothing was stored when it was sent. One that took long, through a slow network or because this
   * process stood still, is worth no more than the next one that was due: events may be right behind it.
   */
  #proven(): void {
    const now = this.#deps.clock.elapsed();
    const { heartbeatMs = Number.POSITIVE_INFINITY } = this.#options;
    this.#quietMs = this.#caughtUp ? this.#quietMs + Math.min(now - this.#provenAt, heartbeatMs) : 0;
    this.#provenAt = now;
    this.#caughtUp = true;
  }

  /** X3. */
  #relieve(): void {
    if (!this.#paused || this.inFlightBytes > this.#options.inFlightBytesMax / 2) return;
    this.#paused = false;
    this.#reading?.resume();
  }

  #anchor(): Anchor {
    if (this.#lastSequence === 0) return NOWHERE;
    return { sequence: this.#lastSequence, time: timeText(this.#lastMs, this.#lastNanos) };
  }
}

const NOWHERE: Anchor = { sequence: 0, time: '' };

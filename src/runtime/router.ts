/**
 * Reads one stream whole and gives every event to the host of its partition.
 *
 * Owns the reading and the lanes. How far each partition was routed is routed-partitions.ts, what it has read and what time
 * it is there stream-head.ts. Does not own who hosts what: it is told.
 *
 * Invariants
 * X1. A partition gets its events in stream order, each once per incarnation, from its floor on (routed-partitions.ts).
 * X2. Sequences are dense. A jump is a hole: every partition that has not passed it stops, or an operator has
 *     accepted the loss beforehand. It is never read over.
 * X3. What is collected and under way is bounded: above the bound no more is requested from the log.
 * X4. A host is told that the stream has reached a time only when everything before it is with the hosts.
 * X5. A partition starts to run between two readings, never during one: a batch or mark of the old reading that
 *     came after its `run` would carry it past events that it has not seen.
 * X6. Every reading comes past the newest events that were read before or that checkpoints name, and finds the same:
 *     a tail that the stream lost while nobody read it, or between proof and reading, is noticed at the first of them.
 *     Before it begins, hosts know how far the last one came, so that no checkpoint names what took a lost number.
 */
import { MillraceError } from '../errors.js';
import type { Clock } from '../ports/clock.js';
import type { EventLog, Reading, ReadSink } from '../ports/event-log.js';
import type { HostLink } from '../ports/threads.js';
import type { StreamRoute } from './key-route.js';
import { Landmarks } from './landmarks.js';
import { Lanes } from './lanes.js';
import type { PartitionStart } from './routed-partitions.js';
import { RoutedPartitions } from './routed-partitions.js';
import { StreamHead } from './stream-head.js';

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

export class Router {
  readonly #options: RouterOptions;
  readonly #deps: RouterDependencies;
  readonly #lanes: Lanes;
  readonly #routed: RoutedPartitions;
  readonly #head: StreamHead;
  #reading: Reading | undefined;
  #generation = 0;
  #next = 1;
  #starting: PartitionStart[] = [];
  readonly #landmarks = new Landmarks((sequence, partition) => this.#misses(sequence, partition));
  #flushing = false;
  #paused = false;

  constructor(options: RouterOptions, deps: RouterDependencies) {
    this.#options = options;
    this.#deps = deps;
    this.#lanes = new Lanes(options.index, options.inFlightBytesMax);
    this.#routed = new RoutedPartitions(options.partitions);
    this.#head = new StreamHead(options.heartbeatMs);
  }

  /** How far the stream was read. */
  get head(): Pick<StreamHead, 'events' | 'newestMs' | 'isAtEnd'> {
    return this.#head;
  }

  /** Events up to `last` that were not read. */
  unread(last: number): number {
    return Math.max(0, last - this.#next + 1);
  }

  /** Whether a partition of the stream runs here, or is about to. */
  get isNeeded(): boolean {
    return this.#starting.length > 0 || !this.#routed.isEmpty;
  }

  /** Whether a rewind would change what is read. */
  get isDue(): boolean {
    return this.#starting.length > 0 || (this.#reading !== undefined) !== this.isNeeded;
  }

  /** Where the operator's decision about a hole goes: to all hosts. */
  acceptHole(first: number, last: number): void {
    this.#lanes.postAll({ kind: 'gap', stream: this.#options.index, first, last });
  }

  openLane(slot: number, link: HostLink): void {
    this.#lanes.open(slot, link);
  }

  /** The host of the slot is gone; its partitions are no longer routed. */
  closeLane(slot: number): void {
    const lane = this.#lanes.close(slot);
    this.#forgetStart((start) => start.slot === slot);
    if (lane !== undefined) this.#routed.stopLane(lane);
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
    this.#routed.stop(partition);
  }

  /** The partition is no longer routed, and everything that was is with its host. */
  release(partition: number): void {
    this.#routed.laneOf(partition)?.flush(this.#head.anchor, this.#head.ms, true);
    this.halt(partition);
  }

  /** Reads on from the lowest event that a running partition still needs. */
  async rewind(): Promise<void> {
    const generation = ++this.#generation;
    await this.#reading?.stop();
    this.#reading = undefined;
    if (generation !== this.#generation) return;
    this.#flush(true);
    this.#routed.passAll(this.#next - 1);
    this.#landmarks.add(this.#head.anchor);
    this.#startPartitions();
    this.#head.restart();
    this.#paused = false;
    if (this.#routed.isEmpty) return;
    const from = Math.min(this.#routed.first, this.#landmarks.first);
    this.#next = from;
    const reading = await this.#deps.log.read(this.#options.stream, from, this.#sink(generation));
    if (generation !== this.#generation) {
      await reading.stop();
      return;
    }
    this.#reading = reading;
    if (this.#paused) reading.pause();
  }

  /** A start that has not taken place is void: its incarnation is gone, and another one has another position. */
  #forgetStart(isVoid: (start: PartitionStart) => boolean): void {
    this.#starting = this.#starting.filter((start) => !isVoid(start));
  }

  /** X5. */
  #startPartitions(): void {
    for (const { partition, slot, epoch, position, anchor, gap } of this.#starting) {
      const lane = this.#lanes.to(slot);
      if (lane === undefined) continue;
      lane.post({ kind: 'run', partition, epoch, position, anchor, gap });
      this.#routed.start(partition, lane, position.floor);
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
    this.#lanes.to(slot)?.done(buffer, length);
    this.#relieve();
    this.#flushSoon();
  }

  /** Bytes collected or under way to the hosts. */
  get inFlightBytes(): number {
    return this.#lanes.bytes;
  }

  #sink(generation: number): ReadSink {
    const isCurrent = (): boolean => generation === this.#generation;
    return {
      event: (sequence, timeMs, timeNanos, subject, headers, body) => {
        if (isCurrent()) this.#take(sequence, timeMs, timeNanos, subject, headers, body);
      },
      caughtUp: () => {
        if (!isCurrent()) return;
        this.#head.proven(this.#deps.clock.elapsed());
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
    this.#head.moved(sequence, timeMs, timeNanos);
    this.#flushSoon();
    const partition = this.#deps.route(subject, headers, body, sequence);
    const lane = this.#routed.takes(partition, sequence);
    if (lane?.add(partition, sequence, timeMs, subject, headers, body)) {
      lane.flush(this.#head.anchor, timeMs, true);
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
    if (partition === undefined) return this.#routed.hasPassed(sequence);
    return this.#routed.laneOf(partition) !== undefined;
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
    this.#head.forget();
    this.#landmarks.clear();
    this.#deps.events.failed(error);
  }

  /** X2. */
  #hole(first: number, last: number): void {
    this.#flush(true);
    const partitions = this.#routed.before(last);
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
    this.#lanes.flush(this.#head, this.#deps.clock.elapsed(), force);
  }

  /** X3. */
  #relieve(): void {
    if (!this.#paused || this.inFlightBytes > this.#options.inFlightBytesMax / 2) return;
    this.#paused = false;
    this.#reading?.resume();
  }
}

/**
 * The thread side: takes batches in, drives the actors, saves them. One host per thread, many partitions per host.
 *
 * Owns the partitions it has claimed and the rhythm of their checkpoints. Does not know NATS, nor who else owns what.
 *
 * Invariants
 * T1. A batch is answered with `done` once, when its events are taken in: that is the router's credit.
 * T2. The answer is held back while a partition waits for too many states or its next commit would grow past its
 *     bound: pressure reaches the log, memory stays bounded.
 * T3. One batch a turn of the event loop. A port hands over everything it has in one turn, and a fast router keeps
 *     it full: commits would then wait for their answers until the backlog is done.
 * T4. What was said of an earlier claim of a partition is passed over: it may have waited behind batches until the
 *     partition was lost and came back, from another position.
 */
import { Buffer } from 'node:buffer';
import type { Handler } from '../core/actor/handler.js';
import { partitionsOf, streamIndexOf } from '../core/key/stream-share.js';
import type { StreamChain } from '../core/position/stream-chain.js';
import { newestOf } from '../core/position/stream-chain.js';
import type { CheckpointStore } from '../ports/checkpoint-store.js';
import type { Clock } from '../ports/clock.js';
import type { LogLine } from '../ports/log.js';
import type { SinkReport } from '../ports/status-sink.js';
import { BatchReader } from '../protocol/batch.js';
import { errorOf, faultOf } from '../protocol/fault.js';
import type { HandlerReport, HostToMain, MainToHost, PartitionReport } from '../protocol/messages.js';
import { retrying } from '../retrying.js';
import { BatchSpan } from './batch-span.js';
import type { Claimed } from './claim.js';
import { claimPartition } from './claim.js';
import { EventDecoder } from './event-decoder.js';
import { EventWaits } from './event-waits.js';
import type { HostOptions } from './host-options.js';
import type { HostedDependencies } from './hosted-partition.js';
import { HostedPartition } from './hosted-partition.js';
import { answer } from './questions.js';
import { SaveTurns } from './save-turns.js';
import { ScannedEvent } from './scanned-event.js';

export interface HostDependencies {
  readonly store: CheckpointStore;
  readonly handler: Handler;
  readonly clock: Clock;
  readonly log: LogLine;
  readonly post: (message: HostToMain, transfer?: ArrayBuffer[]) => void;
  /** Calls back at the end of this turn of the event loop. */
  readonly defer: (callback: () => void) => void;
  /** 128 random bits as hexadecimal. */
  readonly nonce: () => string;
  /** Bytes of the thread's heap. */
  readonly heapBytes: () => number;
  /** How the handler does, where it is measured. */
  readonly handlerReport?: (() => HandlerReport) | undefined;
  /** How far the status sink is, if there is one. */
  readonly sinkReport?: (() => SinkReport) | undefined;
}

/** Messages that must be acted on in the order they were sent. */
type InOrder = Extract<MainToHost, { kind: 'batch' | 'mark' | 'run' | 'gap' | 'release' }>;

const REPORT_MS = 500;
/** A partition that had nothing to commit for so many checkpoint intervals compares its record with the store's. */
const COMPARE_INTERVALS = 10;
/** Batches wait while more states than this are being loaded. */
const LOADING_MAX = 20_000;

export class Host {
  readonly #options: HostOptions;
  readonly #deps: HostDependencies;
  readonly #hosted: HostedDependencies;
  readonly #decoder: EventDecoder;
  readonly #scanned: ScannedEvent;
  readonly #waits: EventWaits;
  readonly #turns: SaveTurns;
  readonly #partitions = new Map<number, HostedPartition>();
  /** Claims under way: the newest epoch of each partition. */
  readonly #claiming = new Map<number, number>();
  /** What was sent in stream order and is not yet acted on. */
  #queue: InOrder[] = [];
  #pumping = false;
  #commits = 0;
  #commitMs = 0;
  #commitKeys = 0;
  #draining = false;
  #cancelTick: () => void;
  #cancelReport: () => void;

  constructor(options: HostOptions, deps: HostDependencies) {
    this.#options = options;
    this.#deps = deps;
    this.#decoder = new EventDecoder(options.decoder);
    this.#scanned = new ScannedEvent(options.decoder);
    this.#waits = new EventWaits(deps.clock);
    this.#turns = new SaveTurns(options, deps.clock);
    this.#hosted = {
      ...deps,
      options: options.actor,
      decodeParked: (sequence, stored) => this.#decoder.decodeStored(sequence, stored),
      committed: (ms, keys) => {
        this.#commits++;
        this.#commitMs += ms;
        this.#commitKeys += keys;
      },
      eased: () => {
        this.#startSaves();
        this.#waits.look();
        this.#pump();
      },
    };
    this.#cancelTick = this.#every(Math.max(5, Math.min(options.checkpointMs / 20, 100)), () => this.#saveDue());
    this.#cancelReport = this.#every(REPORT_MS, () => this.#report());
  }

  receive(message: MainToHost): void {
    switch (message.kind) {
      case 'batch':
      case 'mark':
      case 'run':
      case 'gap':
      case 'release':
        if (this.#draining) return;
        this.#queue.push(message);
        this.#pump();
        return;
      case 'claim':
        void this.#claim(message);
        return;
      case 'halt':
        // A claim that is still tried would take the partition from whoever has it by now.
        this.#claiming.delete(message.partition);
        // What another node has claimed is not ours to save.
        void this.#partitions.get(message.partition)?.stop(errorOf(message.fault), message.fault.code !== 'FENCED');
        return;
      case 'ask':
        void this.#answer(message);
        return;
      case 'published':
        this.#partitions.get(message.partition)?.published(message.ids);
        return;
      case 'drain':
        void this.#drain();
        return;
    }
  }

  #inOrder(message: InOrder): void {
    switch (message.kind) {
      case 'batch':
        this.#takeIn(message);
        return;
      case 'mark':
        for (const partition of this.#of(message.stream)) {
          partition.routed(message.anchor, message.streamTime);
          partition.settle();
        }
        return;
      case 'run':
        this.#claimedAs(message)?.run(message.position, message.anchor, message.gap);
        return;
      case 'release':
        void this.#release(message);
        return;
      case 'gap':
        for (const partition of this.#of(message.stream)) partition.skipped(message.first, message.last);
        return;
    }
  }

  #takeIn(batch: Extract<MainToHost, { kind: 'batch' }>): void {
    const { stream, buffer, length, count, anchor, streamTime } = batch;
    const bytes = Buffer.from(buffer);
    const reader = new BatchReader(buffer, length);
    const span = BatchSpan.start(newestOf(this.#options.chains[stream]!).stream, this.#options.slot);
    this.#scanned.open(buffer, length);
    while (reader.next()) {
      const actor = this.#partitions.get(reader.partition)?.actor;
      if (actor === undefined || reader.sequence <= actor.high) continue;
      span?.took(bytes.subarray(reader.headersAt, reader.bodyAt));
      if (this.#scanned.read(reader)) {
        actor.take(this.#scanned);
        continue;
      }
      const { raw, decoded } = this.#decoder.decode(bytes, reader);
      actor.offer(raw, decoded);
    }
    for (const partition of this.#of(stream)) {
      partition.routed(anchor, streamTime);
      partition.settle();
    }
    span?.end();
    this.#startSaves();
    this.#deps.post({ kind: 'done', stream, buffer, length, count }, [buffer]);
  }

  /** Partitions whose events are in this stream. */
  #of(stream: number): Iterable<HostedPartition> {
    const { chains, actor } = this.#options;
    if (chains.length === 1) return this.#partitions.values();
    const [first, last] = partitionsOf(stream, actor.layout.partitions, chains.length);
    return [...this.#partitions.values()].filter(({ partition }) => partition >= first && partition <= last);
  }

  #chainOf(partition: number): StreamChain {
    const { chains, actor } = this.#options;
    return chains[streamIndexOf(partition, actor.layout.partitions, chains.length)]!;
  }

  /** T2. */
  #isPressed(): boolean {
    let loading = 0;
    for (const partition of this.#partitions.values()) {
      loading += partition.loading;
      const actor = partition.actor;
      if (actor !== undefined && partition.isSaving && actor.commitBytes > this.#options.checkpointBytes) return true;
    }
    return loading > LOADING_MAX;
  }

  /** T3. */
  #pump(): void {
    if (this.#pumping || this.#queue.length === 0) return;
    this.#pumping = true;
    this.#deps.defer(() => {
      this.#pumping = false;
      while (this.#queue.length > 0 && !this.#isPressed()) {
        const message = this.#queue.shift()!;
        this.#inOrder(message);
        this.#waits.look();
        if (message.kind === 'batch') break;
      }
      if (!this.#isPressed()) this.#pump();
    });
  }

  async #claim(message: Extract<MainToHost, { kind: 'claim' }>): Promise<void> {
    const { partition, epoch, origin, first, acceptGap } = message;
    const { store, clock, log, post, nonce } = this.#deps;
    this.#claiming.set(partition, epoch);
    const isWanted = (): boolean => !this.#draining && this.#claiming.get(partition) === epoch;
    let claimed: Claimed | undefined;
    const request = { partition, epoch, origin, first, acceptGap, nonce: nonce(), chain: this.#chainOf(partition) };
    try {
      claimed = await retrying(clock, log, 'partition.claim', isWanted, () =>
        claimPartition(store, { ...request, layout: this.#options.actor.layout, now: clock.now() }),
      );
    } catch (error) {
      if (isWanted()) post({ kind: 'refused', partition, epoch, fault: faultOf(error) });
      return;
    }
    if (claimed === undefined || !isWanted()) return;
    this.#claiming.delete(partition);
    if (claimed.kind === 'rebuilt') log('warn', 'checkpoint.rebuild', { partition, from: first });
    this.#partitions.set(partition, new HostedPartition(this.#hosted, claimed));
    const { record } = claimed;
    post({
      kind: 'claimed',
      partition,
      epoch,
      stream: newestOf(record.chain).stream,
      position: record.position,
      anchor: record.anchor,
      applied: record.counters.applied,
      created: claimed.kind === 'first',
    });
  }

  /** What is due is decided, all that is decided is stored; what waits is read again by whoever comes next. */
  async #release({ partition, epoch }: Extract<MainToHost, { kind: 'release' }>): Promise<void> {
    const hosted = this.#claimedAs({ partition, epoch });
    hosted?.settle();
    const applied = await hosted?.drain();
    if (hosted !== undefined && this.#partitions.get(partition) === hosted) this.#partitions.delete(partition);
    this.#deps.post({ kind: 'released', partition, epoch, applied });
  }

  /** T4. */
  #claimedAs({
    partition,
    epoch,
  }: {
    readonly partition: number;
    readonly epoch: number;
  }): HostedPartition | undefined {
    const hosted = this.#partitions.get(partition);
    return hosted?.epoch === epoch ? hosted : undefined;
  }

  async #answer({ request, partition, question }: Extract<MainToHost, { kind: 'ask' }>): Promise<void> {
    const hosted = this.#partitions.get(partition);
    const deps = { ...this.#deps, decoder: this.#decoder, waits: this.#waits };
    deps.post({ kind: 'answer', request, answer: await answer(hosted, question, deps) });
    const isChange = !['explain', 'await', 'quarantined', 'inspect'].includes(question.kind);
    if (hosted?.isFull === true && isChange) deps.post({ kind: 'resumable', partition });
  }

  #saveDue(): void {
    this.#startSaves();
    for (const [number, partition] of this.#partitions) {
      if (partition.isOver) this.#partitions.delete(number);
      else partition.compare(this.#options.checkpointMs * COMPARE_INTERVALS);
    }
  }

  #startSaves(): void {
    this.#turns.start(this.#partitions);
  }

  async #drain(): Promise<void> {
    if (this.#draining) return;
    this.#draining = true;
    this.#queue = [];
    await Promise.all([...this.#partitions.values()].map((partition) => partition.drain()));
    this.#report();
    this.#cancelTick();
    this.#cancelReport();
    this.#deps.post({ kind: 'drained' });
  }

  #report(): void {
    const partitions: PartitionReport[] = [];
    for (const partition of this.#partitions.values()) {
      const report = partition.report();
      if (report !== undefined) partitions.push(report);
    }
    const thread = {
      slot: this.#options.slot,
      heapBytes: this.#deps.heapBytes(),
      commits: this.#commits,
      commitMs: this.#commitMs,
      commitKeys: this.#commitKeys,
      handler: this.#deps.handlerReport?.(),
      sink: this.#deps.sinkReport?.(),
    };
    this.#deps.post({ kind: 'report', partitions, thread });
  }

  #every(ms: number, act: () => void): () => void {
    const { clock } = this.#deps;
    const next = (): (() => void) =>
      clock.after(ms, () => {
        act();
        cancel = next();
      });
    let cancel = next();
    return () => cancel();
  }
}

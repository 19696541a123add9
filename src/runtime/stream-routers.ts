/**
 * The routers of a node: one per stream, of which only those read that hold a partition that runs here.
 *
 * Owns which router a partition belongs to. A stream that has lost events or cannot be read stops its own partitions and
 * no others.
 */
import { partitionsOf, streamIndexOf } from '../core/key/stream-share.js';
import type { StreamChain } from '../core/position/stream-chain.js';
import { newestOf } from '../core/position/stream-chain.js';
import { codeOf, messageOf } from '../errors.js';
import type { Clock } from '../ports/clock.js';
import type { EventLog, StreamInfo } from '../ports/event-log.js';
import type { LogLine } from '../ports/log.js';
import type { HostLink } from '../ports/threads.js';
import { HiddenEnd } from './hidden-end.js';
import type { StreamRoute } from './key-route.js';
import type { PartitionStart } from './routed-partitions.js';
import { Router } from './router.js';

export interface StreamRoutersOptions {
  /** The streams, each with those before it; the nth holds the nth share of the partitions. */
  readonly chains: readonly StreamChain[];
  readonly partitions: number;
  /** Most bytes between the log and the hosts, over all streams. */
  readonly inFlightBytesMax: number;
  /** How often the log proves that nothing waits, ms; unknown if undefined. */
  readonly heartbeatMs?: number | undefined;
}

export interface StreamRoutersDependencies {
  readonly log: EventLog;
  readonly clock: Clock;
  readonly line: LogLine;
  /** One for each stream. */
  readonly routes: readonly StreamRoute[];
  readonly defer: (callback: () => void) => void;
  /** See RouterEvents; `stream` is the index. */
  readonly events: {
    hole(stream: number, first: number, last: number, partitions: readonly number[]): void;
    failed(stream: number, error: Error): void;
    /** The stream goes on where its reading ends: a rewind reads it again. */
    hidden(): void;
  };
}

/** A stream as this node sees it. */
export interface StreamStatus extends StreamInfo {
  /** Events that this node has not read; 0 for a stream that it does not read. */
  readonly unread: number;
  /** First and last of the partitions whose events it holds. */
  readonly partitions: readonly [first: number, last: number];
  /** Whether a partition of the stream runs on this node. */
  readonly isRead: boolean;
}

const FOLLOW_MS = 1_000;

export class StreamRouters {
  readonly #options: StreamRoutersOptions;
  readonly #deps: Pick<StreamRoutersDependencies, 'log' | 'clock' | 'line' | 'events'>;
  readonly #routers: readonly Router[];
  readonly #infos: (StreamInfo | undefined)[];
  readonly #ends: readonly HiddenEnd[];
  /** Streams whose end is hidden from their reading. */
  readonly #hidden = new Set<number>();
  #cancelFollow: () => void = () => undefined;

  constructor(options: StreamRoutersOptions, deps: StreamRoutersDependencies) {
    this.#options = options;
    this.#deps = deps;
    const { events, routes } = deps;
    const { chains, partitions, heartbeatMs } = options;
    const inFlightBytesMax = Math.floor(options.inFlightBytesMax / chains.length);
    this.#ends = chains.map(() => new HiddenEnd());
    this.#infos = new Array<StreamInfo | undefined>(chains.length).fill(undefined);
    this.#routers = chains.map(
      (chain, index) =>
        new Router(
          { stream: newestOf(chain).stream, index, partitions, inFlightBytesMax, heartbeatMs },
          {
            ...deps,
            route: routes[index]!,
            events: {
              hole: (first, last, halted) => events.hole(index, first, last, halted),
              failed: (error) => events.failed(index, error),
            },
          },
        ),
    );
  }

  /** Name of the stream that holds a partition's events. */
  streamOf(partition: number): string {
    return this.#nameOf(this.indexOf(partition));
  }

  indexOf(partition: number): number {
    return streamIndexOf(partition, this.#options.partitions, this.#options.chains.length);
  }

  get eventsRead(): number {
    return this.#routers.reduce((sum, router) => sum + router.head.events, 0);
  }

  /** Stream time of the newest event that was read, epoch ms. */
  get streamTime(): number | undefined {
    const times = this.#routers.flatMap(({ head }) => head.newestMs ?? []);
    return times.length === 0 ? undefined : Math.max(...times);
  }

  get inFlightBytes(): number {
    return this.#routers.reduce((sum, router) => sum + router.inFlightBytes, 0);
  }

  /** What the log said of a stream last, and how far it was read. Streams that were not asked for are left out. */
  get streams(): readonly StreamStatus[] {
    return this.#infos.flatMap((info, index) => {
      const router = this.#routers[index]!;
      if (info === undefined) return [];
      const isRead = router.isNeeded;
      const partitions = partitionsOf(index, this.#options.partitions, this.#options.chains.length);
      return [{ ...info, partitions, unread: isRead ? router.unread(info.last) : 0, isRead }];
    });
  }

  /** Asks the log for the ends of a partition's stream, and keeps them for `streams`. */
  async infoOf(partition: number): Promise<StreamInfo> {
    const index = this.indexOf(partition);
    const info = await this.#deps.log.info(this.#nameOf(index));
    this.#infos[index] = info;
    return info;
  }

  /** Keeps the ends of all streams that are read known, for lag, for as long as somebody wants that. */
  followWhile(isWanted: () => boolean): void {
    const { clock, line } = this.#deps;
    this.#cancelFollow = clock.after(FOLLOW_MS, () => {
      if (!isWanted()) return;
      this.follow()
        .catch((error: unknown) => line('debug', 'stream.info', { code: codeOf(error), error: messageOf(error) }))
        .finally(() => {
          if (isWanted()) this.followWhile(isWanted);
        });
    });
  }

  /** Asks for the ends of all streams that are read: for lag, and to notice a reading that does not see its end. */
  async follow(): Promise<void> {
    await Promise.all(this.#routers.map((router, index) => (router.isNeeded ? this.#look(router, index) : undefined)));
  }

  async #look(router: Router, index: number): Promise<void> {
    const { log, line, events } = this.#deps;
    const stream = this.#nameOf(index);
    const info = await log.info(stream);
    this.#infos[index] = info;
    const { isAtEnd, events: eventsRead } = router.head;
    const unread = router.unread(info.last);
    if (!this.#ends[index]!.isDue({ isCaughtUp: isAtEnd, eventsRead, unread })) return;
    if ((await log.timeOf(stream, info.last)) === undefined) return; // deleted: there is nothing to read
    this.#hidden.add(index);
    line('warn', 'log.behind', { stream, read: info.last - unread, last: info.last });
    events.hidden();
  }

  openLane(slot: number, link: HostLink): void {
    for (const router of this.#routers) router.openLane(slot, link);
  }

  closeLane(slot: number): void {
    for (const router of this.#routers) router.closeLane(slot);
  }

  run(start: PartitionStart): void {
    this.#of(start.partition).run(start);
  }

  halt(partition: number): void {
    this.#of(partition).halt(partition);
  }

  release(partition: number): void {
    this.#of(partition).release(partition);
  }

  acceptHole(stream: number, first: number, last: number): void {
    this.#routers[stream]?.acceptHole(first, last);
  }

  done(slot: number, stream: number, buffer: ArrayBuffer, length: number): void {
    this.#routers[stream]?.done(slot, buffer, length);
  }

  /** Reads each stream on from the lowest event that a running partition still needs. */
  async rewind(): Promise<void> {
    const isDue = (router: Router, index: number): boolean => this.#hidden.delete(index) || router.isDue;
    await Promise.all(this.#routers.map((router, index) => (isDue(router, index) ? router.rewind() : undefined)));
  }

  async stop(): Promise<void> {
    this.#cancelFollow();
    await Promise.all(this.#routers.map((router) => router.stop()));
  }

  #nameOf(index: number): string {
    return newestOf(this.#options.chains[index]!).stream;
  }

  #of(partition: number): Router {
    return this.#routers[this.indexOf(partition)]!;
  }
}

/**
 * The log of an application whose partitions have moved from one stream to several: under the name of a stream of today
 * it also has what its partitions read before, numbered by position (core/position/stream-chain.ts).
 *
 * Invariants
 * J1. A stream that was left has ended: its last sequence is the one that was noted when it was left. Where it is not,
 *     positions would mean two events, and nothing is read (`STREAM_AMBIGUOUS`).
 * J2. A stream follows only when everything before it was delivered, or is gone; what is gone shows as a jump (E2).
 */
import type { StreamChain } from '../core/position/stream-chain.js';
import { linkAt, newestOf, placeOf } from '../core/position/stream-chain.js';
import { codeOf, MillraceError, messageOf } from '../errors.js';
import type { EventLog, Reading, ReadSink, StreamInfo } from '../ports/event-log.js';

export class ChainedLog implements EventLog {
  readonly #log: EventLog;
  readonly #chains: ReadonlyMap<string, StreamChain>;

  /** A stream that is in no chain is read as it is. */
  constructor(log: EventLog, chains: readonly StreamChain[]) {
    this.#log = log;
    this.#chains = new Map(chains.map((chain) => [newestOf(chain).stream, chain]));
  }

  /** First and last are positions. An earlier stream that was deleted is no longer counted. */
  async info(stream: string): Promise<StreamInfo> {
    const chain = this.#chainOf(stream);
    const newest = newestOf(chain);
    const { first, last } = await this.#log.info(stream);
    for (const [at, { base }] of chain.slice(0, -1).entries()) {
      const kept = await this.#ended(chain, at);
      if (kept !== undefined && kept.first <= kept.last)
        return { stream, first: base + kept.first, last: newest.base + last };
    }
    return { stream, first: newest.base + first, last: newest.base + last };
  }

  async timeOf(stream: string, position: number): Promise<string | undefined> {
    const place = placeOf(this.#chainOf(stream), position);
    try {
      return await this.#log.timeOf(place.stream, place.sequence);
    } catch (error) {
      if (place.stream !== stream && codeOf(error) === 'STREAM_MISSING') return undefined;
      throw error;
    }
  }

  async read(stream: string, from: number, sink: ReadSink): Promise<Reading> {
    const chain = this.#chainOf(stream);
    if (chain.length === 1) return this.#log.read(stream, from, sink);
    const reading = new ChainedReading(this.#log, chain, (at) => this.#ended(chain, at), sink);
    await reading.open(from);
    return reading;
  }

  /** Undefined for a stream that is no longer there. J1. */
  async #ended(chain: StreamChain, at: number): Promise<StreamInfo | undefined> {
    const { stream, base } = chain[at]!;
    const noted = chain[at + 1]!.base - base;
    try {
      const info = await this.#log.info(stream);
      if (info.last === noted) return info;
      const message = `stream ${stream} ended at ${noted} when its partitions left it, and ends at ${info.last} now`;
      throw new MillraceError('STREAM_AMBIGUOUS', message);
    } catch (error) {
      if (codeOf(error) === 'STREAM_MISSING') return undefined;
      throw error;
    }
  }

  #chainOf(stream: string): StreamChain {
    return this.#chains.get(stream) ?? [{ stream, base: 0 }];
  }
}

class ChainedReading implements Reading {
  readonly #log: EventLog;
  readonly #chain: StreamChain;
  readonly #ended: (at: number) => Promise<StreamInfo | undefined>;
  readonly #sink: ReadSink;
  #at = 0;
  #reading: Reading | undefined;
  #paused = false;
  #stopped = false;

  constructor(
    log: EventLog,
    chain: StreamChain,
    ended: (at: number) => Promise<StreamInfo | undefined>,
    sink: ReadSink,
  ) {
    this.#log = log;
    this.#chain = chain;
    this.#ended = ended;
    this.#sink = sink;
  }

  /** Starts at `position`, or at the first stored event after it. */
  async open(position: number): Promise<void> {
    this.#at = linkAt(this.#chain, position);
    let from = position - this.#chain[this.#at]!.base;
    while (this.#at < this.#chain.length - 1) {
      const info = await this.#ended(this.#at);
      if (info !== undefined && info.last >= Math.max(from, info.first)) break;
      this.#at++;
      from = 1;
    }
    const at = this.#at;
    const reading = await this.#log.read(this.#chain[at]!.stream, from, this.#sinkOf(at));
    // It may have come to its end before it was here.
    if (this.#stopped || this.#at !== at) return reading.stop();
    this.#reading = reading;
    if (this.#paused) reading.pause();
  }

  pause(): void {
    this.#paused = true;
    this.#reading?.pause();
  }

  resume(): void {
    this.#paused = false;
    this.#reading?.resume();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#reading?.stop();
  }

  #sinkOf(at: number): ReadSink {
    const { base } = this.#chain[at]!;
    const end = this.#chain[at + 1]?.base ?? Number.POSITIVE_INFINITY;
    const isCurrent = (): boolean => this.#at === at && !this.#stopped;
    return {
      event: (sequence, timeMs, timeNanos, subject, headers, body) => {
        if (!isCurrent()) return;
        this.#sink.event(base + sequence, timeMs, timeNanos, subject, headers, body);
        if (base + sequence >= end) this.#next(end + 1);
      },
      caughtUp: () => {
        if (!isCurrent()) return;
        // The last events of a stream that was left may have been removed.
        if (end === Number.POSITIVE_INFINITY) this.#sink.caughtUp();
        else this.#next(end + 1);
      },
      failed: (error) => {
        if (isCurrent()) this.#sink.failed(error);
      },
    };
  }

  /** J2. */
  #next(position: number): void {
    const left = this.#reading;
    this.#reading = undefined;
    this.#at++;
    Promise.resolve(left?.stop())
      .then(() => (this.#stopped ? undefined : this.open(position)))
      .catch((error: unknown) => {
        if (this.#stopped) return;
        this.#sink.failed(error instanceof Error ? error : new MillraceError('BUG', messageOf(error)));
      });
  }
}

/**
 * One reading of `staging_events`: looks for events, hands them over, looks again.
 *
 * Invariants
 * P1. With every look, and after the events that it brings, it reads the event before them: after a database was set
 *     back sequences are used again, and what was read is then no longer what is stored.
 * P2. After a pause nothing arrives; the rest of what was read waits for `resume`.
 * P3. It never gives up while it is not stopped, except on P1 and on a missing stream.
 */
import { headerBlock } from '../../core/event/header-block.js';
import { MillraceError, messageOf } from '../../errors.js';
import { type Reading, type ReadSink, timeText } from '../../ports/event-log.js';
import type { LogLine } from '../../ports/log.js';
import type { SqlRow, SqlValue } from './sql-database.js';
import type { NextEvents } from './sql-event-log.js';
import { unescapeText } from './stored-text.js';

export interface ReadingTerms {
  readonly stream: string;
  readonly heartbeatMs: number;
  readonly pollMs: number;
  readonly log: LogLine;
  readonly next: (stream: string, from: number, limit: number) => Promise<NextEvents>;
}

/** Rows of one look, at most; fewer where they are large. The first large ones come in this number, too. */
const ROWS_MAX = 250;
const ROWS_FIRST = 64;
const BYTES_AIM = 4_000_000;
const RETRY_MS = 200;
const SUBJECT_BYTES = 4_096;

const encoder = new TextEncoder();

export class SqlReading implements Reading {
  readonly #terms: ReadingTerms;
  readonly #sink: ReadSink;
  readonly #ended: () => void;
  readonly #subject = new Uint8Array(SUBJECT_BYTES);
  #next: number;
  /** Timestamp of the event before `#next`, if it was stored when last looked at. */
  #before: string | undefined;
  #limit = ROWS_FIRST;
  #paused = false;
  #stopped = false;
  #isAway = false;
  /** Ends the wait that is under way. */
  #wake: () => void = () => {};
  /** Something was stored since the last look began. */
  #isWoken = false;
  #saidAt = Number.NEGATIVE_INFINITY;

  constructor(terms: ReadingTerms, from: number, before: string | undefined, sink: ReadSink, ended: () => void) {
    this.#terms = terms;
    this.#next = from;
    this.#before = before;
    this.#sink = sink;
    this.#ended = ended;
  }

  start(): void {
    this.#run().catch((error: unknown) => this.#fail(error));
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.wake();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#ended();
    this.#wake();
  }

  wake(): void {
    this.#isWoken = true;
    this.#wake();
  }

  async #run(): Promise<void> {
    await new Promise(setImmediate); // not before `read` has answered
    while (!this.#stopped) {
      if (this.#paused) {
        await this.#wait(undefined);
        continue;
      }
      this.#isWoken = false;
      const found = await this.#look();
      if (found === undefined) continue;
      this.#check(found);
      await this.#deliver(found.rows);
      if (!found.hasMore) await this.#idle(found.rows.length === 0);
      // A synchronous database answers within the turn: without this, nothing else would get one.
      else await new Promise(setImmediate);
      this.#adapt(found.rows);
    }
  }

  /** Undefined while the database is away. */
  async #look(): Promise<NextEvents | undefined> {
    const { stream, next, log } = this.#terms;
    try {
      const found = await next(stream, this.#next, this.#limit);
      this.#isAway = false;
      return this.#stopped ? undefined : found;
    } catch (error) {
      if (!(error instanceof MillraceError) || error.category !== 'transient') throw error;
      if (!this.#isAway) log('info', 'log.restart', { stream, next: this.#next, reason: error.message });
      this.#isAway = true;
      await this.#wait(RETRY_MS);
      return undefined;
    }
  }

  /** P1. */
  #check({ before, last: end }: NextEvents): void {
    const { stream } = this.#terms;
    const last = this.#next - 1;
    if (end < last) throw new MillraceError('REGRESSION', `stream ${stream} ends at ${end}, but ${last} was read`);
    if (before === undefined || this.#before === undefined || before === this.#before) return;
    const detail = `sequence ${last} was stored at ${this.#before} and is now another event`;
    throw new MillraceError('REGRESSION', `stream ${stream} went back: ${detail}`);
  }

  /** P2. */
  async #deliver(rows: readonly SqlRow[]): Promise<void> {
    for (const row of rows) {
      while (this.#paused && !this.#stopped) await this.#wait(undefined);
      if (this.#stopped) return;
      this.#hand(row);
    }
  }

  #hand([sequence, us, subject, headers, payload, id]: SqlRow): void {
    const timeMs = Math.floor((us as number) / 1_000);
    const timeNanos = ((us as number) % 1_000) * 1_000;
    this.#next = (sequence as number) + 1;
    this.#before = timeText(timeMs, timeNanos);
    const { written, read } = encoder.encodeInto(subject as string, this.#subject);
    const bytes =
      read === (subject as string).length ? this.#subject.subarray(0, written) : encoder.encode(subject as string);
    this.#call(() =>
      this.#sink.event(
        sequence as number,
        timeMs,
        timeNanos,
        bytes,
        headers === null ? headersOf(id as string | null) : bytesOf(headers),
        bytesOf(payload),
      ),
    );
  }

  /** Everything that was stored when we looked is handed over. */
  async #idle(isEmpty: boolean): Promise<void> {
    if (this.#stopped || this.#paused) return;
    const { heartbeatMs, pollMs } = this.#terms;
    const now = performance.now();
    if (!isEmpty || now - this.#saidAt >= heartbeatMs) {
      this.#saidAt = now;
      this.#call(() => this.#sink.caughtUp());
    }
    if (this.#isWoken) await new Promise(setImmediate);
    else await this.#wait(Math.min(pollMs, heartbeatMs));
  }

  #adapt(rows: readonly SqlRow[]): void {
    const largest = rows.reduce(
      (most, [, , , , payload]) => Math.max(most, (payload as Uint8Array | string).length),
      1,
    );
    this.#limit = Math.max(1, Math.min(this.#limit * 2, ROWS_MAX, Math.floor(BYTES_AIM / largest)));
  }

  /** The sink threw: its event must not be given again, and nothing after it. */
  #call(sink: () => void): void {
    try {
      sink();
    } catch (cause) {
      throw new MillraceError('BUG', `the reader threw: ${messageOf(cause)}`, { cause });
    }
  }

  #wait(ms: number | undefined): Promise<void> {
    return new Promise((resolve) => {
      const timer = ms === undefined ? undefined : setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #fail(error: unknown): void {
    if (this.#stopped) return;
    void this.stop();
    this.#sink.failed(error instanceof Error ? error : new Error(messageOf(error)));
  }
}

/** SQLite keeps what it is given: a text that somebody's own statement wrote comes back as one. */
function bytesOf(value: SqlValue | undefined): Uint8Array {
  return typeof value === 'string' ? encoder.encode(value) : (value as Uint8Array);
}

/** What a publisher over NATS would have sent with the event. */
function headersOf(id: string | null): Uint8Array | undefined {
  if (id === null) return undefined;
  // Somebody's own statement may have written a line break: as NUL it stays one id, which is set aside with its reason.
  const value = unescapeText(id).replace(/[\r\n]/g, '\0');
  return encoder.encode(headerBlock([['Nats-Msg-Id', value]]));
}

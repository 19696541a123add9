/**
 * EventSink over `staging_events`: inserts, and nothing else. Appends that come while a transaction is under way are
 * stored together by the next one.
 *
 * Invariants
 * I1. A transaction first raises `streams.last`, and holds the lock on that row until it has committed. So sequences
 *     have no holes (a rollback takes them back) and become visible in their order: there is no late commit that a
 *     reader could have passed.
 * I2. Times of receipt grow with every event of a stream, whatever the clock does, so that an event and the one that
 *     took its sequence after a restore can be told apart.
 * I3. An id is known only when its event is committed. Knowing it spares a row; what drops repetitions is the actor.
 */
import { context, propagation } from '@opentelemetry/api';
import { headerBlock } from '../../core/event/header-block.js';
import { MillraceError } from '../../errors.js';
import type { Appended, EventSink, NewEvent } from '../../ports/event-log.js';
import { KnownIds } from './known-ids.js';
import type { SqlDatabase, SqlRow, SqlSession } from './sql-database.js';
import { escapeText } from './stored-text.js';
import { streamOf } from './stream-subjects.js';
import { stagingEvents } from './tables.js';

export interface SqlEventSinkOptions {
  readonly database: SqlDatabase;
  /** The stream that must take the events; by default the one that the subject belongs to. */
  readonly stream?: string | undefined;
  /** For how long a repeated id is answered with `duplicate`, ms; 2 min by default. */
  readonly duplicateWindowMs?: number | undefined;
  /** Called after a commit, so that readings of this process need not wait for their next look. */
  readonly stored?: (() => void) | undefined;
}

interface Waiting {
  readonly event: NewEvent;
  /** Null where the id says it all. */
  readonly headers: Uint8Array | null;
  readonly stream: string;
  readonly resolve: (appended: Appended) => void;
  readonly reject: (error: unknown) => void;
}

const WINDOW_MS = 120_000;
/** Events and bytes of one transaction. */
const EVENTS_MAX = 1_000;
const BYTES_MAX = 4_000_000;

const RAISE = `UPDATE streams SET last = last + ?,
  last_us = CASE WHEN last_us >= ? THEN last_us ELSE ? END + ? WHERE stream = ? RETURNING last, last_us`;

export class SqlEventSink implements EventSink {
  readonly #database: SqlDatabase;
  readonly #stored: () => void;
  readonly #ids: KnownIds;
  readonly #wanted: string | undefined;
  /** Streams and the subjects that they take, as last asked for. */
  #streams: readonly SqlRow[] = [];
  #asking: Promise<void> | undefined;
  #waiting: Waiting[] = [];
  #isFlushing = false;

  constructor({ database, stream, duplicateWindowMs = WINDOW_MS, stored = () => {} }: SqlEventSinkOptions) {
    this.#wanted = stream;
    this.#database = database;
    this.#stored = stored;
    this.#ids = new KnownIds(duplicateWindowMs);
  }

  append(event: NewEvent): Promise<Appended> {
    const stream = streamOf(this.#streams, event.subject);
    return stream === undefined ? this.#appendUnknown(event) : this.#appendTo(stream, event);
  }

  async #appendUnknown(event: NewEvent): Promise<Appended> {
    this.#asking ??= this.#askStreams().finally(() => {
      this.#asking = undefined;
    });
    await this.#asking;
    const stream = streamOf(this.#streams, event.subject);
    if (stream !== undefined) return this.#appendTo(stream, event);
    throw new MillraceError('STREAM_MISSING', `no stream takes the subject ${JSON.stringify(event.subject)}`);
  }

  async #askStreams(): Promise<void> {
    this.#streams = await this.#database.each('reading the streams', (session) =>
      session.query('SELECT stream, subjects FROM streams'),
    );
  }

  async #appendTo(stream: string, event: NewEvent): Promise<Appended> {
    if (stream !== (this.#wanted ?? stream))
      throw new MillraceError('STREAM_UNSUITABLE', `${event.subject} belongs to stream ${stream}, not ${this.#wanted}`);
    const known = this.#ids.find(stream, event.id);
    if (known !== undefined) return known.then((appended) => ({ ...appended, duplicate: true }));
    const headers = headersOf(event);
    const appended = new Promise<Appended>((resolve, reject) =>
      this.#waiting.push({ event, headers, stream, resolve, reject }),
    );
    this.#ids.remember(stream, event.id, appended);
    if (!this.#isFlushing) {
      this.#isFlushing = true;
      setImmediate(() => void this.#flush());
    }
    return appended;
  }

  async #flush(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#nextBatch();
      try {
        const first = await this.#store(batch);
        for (const [at, { stream, resolve }] of batch.entries())
          resolve({ stream, sequence: first + at, duplicate: false });
        this.#stored();
      } catch (error) {
        this.#streams = []; // it may be about them
        for (const { reject } of batch) reject(error);
      }
      // What those who waited do next belongs into the next transaction.
      await new Promise(setImmediate);
    }
    this.#isFlushing = false;
  }

  /** The oldest events that go to one stream. */
  #nextBatch(): Waiting[] {
    const { stream } = this.#waiting[0]!;
    let count = 0;
    for (let bytes = 0; count < Math.min(this.#waiting.length, EVENTS_MAX); count++) {
      const next = this.#waiting[count]!;
      bytes += next.event.body.length;
      if (next.stream !== stream || (count > 0 && bytes > BYTES_MAX)) break;
    }
    return this.#waiting.splice(0, count);
  }

  /** Answers the sequence of the first. */
  #store(batch: readonly Waiting[]): Promise<number> {
    const { stream } = batch[0]!;
    return this.#database.write(`storing ${batch.length} events`, async (session) => {
      const last = await this.#raise(session, stream, batch.length);
      const rows = batch.map((waiting, at) => rowOf(waiting, last.sequence + at, last.us + at));
      await session.insert(stagingEvents, rows);
      return last.sequence;
    });
  }

  /** I1, I2. Sequence and time of the first of `count` new events. */
  async #raise(session: SqlSession, stream: string, count: number): Promise<{ sequence: number; us: number }> {
    const nowUs = Date.now() * 1_000 + Math.floor(Math.random() * 1_000);
    const [row] = await session.query(RAISE, [count, nowUs, nowUs, count, stream]);
    if (row === undefined) throw new MillraceError('STREAM_MISSING', `there is no stream ${stream} in the database`);
    return { sequence: (row[0] as number) - count + 1, us: (row[1] as number) - count + 1 };
  }
}

/** The id, and the trace of the event or of whoever appends it: none where no tracing is set up in this process. */
function headersOf({ id, trace }: NewEvent): Uint8Array | null {
  const traced: Record<string, string> = { ...trace };
  if (trace === undefined) propagation.inject(context.active(), traced);
  const headers = Object.entries(traced);
  const block = headerBlock([['Nats-Msg-Id', id], ...headers]);
  if (block === undefined)
    throw new MillraceError('REQUEST_INVALID', `a header of event ${JSON.stringify(id)} has a line break`);
  return headers.length === 0 ? null : new TextEncoder().encode(block);
}

function rowOf({ stream, event, headers }: Waiting, sequence: number, us: number): SqlRow {
  const { subject, id, body, about } = event;
  const { key, partition = null, timeMs = null } = about ?? {};
  const keyText = key === undefined ? null : escapeText(key);
  return [stream, sequence, escapeText(id), keyText, partition, timeMs, us, subject, headers, body];
}

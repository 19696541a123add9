/**
 * EventLog over `staging_events`. Sequences are given under the lock of the stream's row, which is held until the
 * commit (see sql-event-sink.ts): whoever sees an event sees every one before it, so reading on from the last
 * sequence skips nothing.
 */
import { MillraceError } from '../../errors.js';
import { type EventLog, type Reading, type ReadSink, type StreamInfo, timeText } from '../../ports/event-log.js';
import type { LogLine } from '../../ports/log.js';
import type { SqlDatabase, SqlRow, SqlSession } from './sql-database.js';
import { SqlReading } from './sql-reading.js';

export interface SqlEventLogOptions {
  readonly database: SqlDatabase;
  /** How often an idle reading says that it has caught up, ms. */
  readonly heartbeatMs: number;
  /** How often an idle reading looks for events of other processes, ms; 50 by default. */
  readonly pollMs?: number | undefined;
  readonly log: LogLine;
}

const POLL_MS = 50;
const LAST = 'SELECT last FROM streams WHERE stream = ?';
const FIRST = 'SELECT MIN(sequence) FROM staging_events WHERE stream = ?';
const TIME = 'SELECT received_us FROM staging_events WHERE stream = ? AND sequence = ?';
const COLUMNS = 'sequence, received_us, subject, headers, payload, event_id';
/** The upper bound keeps a planner without statistics from sorting the whole rest of the stream. */
const EVENTS = `SELECT ${COLUMNS} FROM staging_events
  WHERE stream = ? AND sequence >= ? AND sequence < ? ORDER BY sequence`;
const AFTER_HOLE = `SELECT ${COLUMNS} FROM staging_events
  WHERE stream = ? AND sequence >= ? ORDER BY sequence LIMIT ?`;
const HEAD = `SELECT last, (SELECT received_us FROM staging_events WHERE stream = ? AND sequence = ?)
  FROM streams WHERE stream = ?`;

export class SqlEventLog implements EventLog {
  readonly #options: SqlEventLogOptions;
  readonly #readings = new Set<SqlReading>();

  constructor(options: SqlEventLogOptions) {
    this.#options = options;
  }

  info(stream: string): Promise<StreamInfo> {
    return this.#options.database.read(`reading the ends of stream ${stream}`, (session) => infoOf(session, stream));
  }

  timeOf(stream: string, sequence: number): Promise<string | undefined> {
    return this.#options.database.read(`reading event ${sequence}`, async (session) => {
      await infoOf(session, stream);
      const [row] = await session.query(TIME, [stream, sequence]);
      return row === undefined ? undefined : timeOfUs(row[0] as number);
    });
  }

  async read(stream: string, from: number, sink: ReadSink): Promise<Reading> {
    const { heartbeatMs, pollMs = POLL_MS, log } = this.#options;
    const { last } = await this.info(stream);
    if (from > last + 1) throw new MillraceError('REGRESSION', `stream ${stream} ends at ${last}, before ${from}`);
    const anchor = from > 1 ? await this.timeOf(stream, from - 1) : undefined;
    const terms = { stream, heartbeatMs, pollMs, log, next: this.#next.bind(this) };
    const reading = new SqlReading(terms, from, anchor, sink, () => this.#readings.delete(reading));
    this.#readings.add(reading);
    reading.start();
    return reading;
  }

  /** This process has stored events: no reading needs to wait for its next look. */
  wake(): void {
    for (const reading of this.#readings) reading.wake();
  }

  /**
   * Events from `from` on, and after them what is before: where the database was set back meanwhile, it is already
   * another event then.
   */
  #next(stream: string, from: number, limit: number): Promise<NextEvents> {
    return this.#options.database.each(`reading stream ${stream}`, async (session) => {
      let rows = await session.query(EVENTS, [stream, from, from + limit]);
      const [head] = await session.query(HEAD, [stream, from - 1, stream]);
      if (head === undefined) throw missing(stream);
      const [last, us] = head as [number, number | null];
      if (rows.length === 0 && last >= from) rows = await session.query(AFTER_HOLE, [stream, from, limit]);
      const reached = rows.at(-1)?.[0] as number | undefined;
      return { rows, last, before: us === null ? undefined : timeOfUs(us), hasMore: (reached ?? last) < last };
    });
  }
}

/** What is stored from a sequence on. */
export interface NextEvents {
  /** `sequence, received_us, subject, headers, payload, event_id`. */
  readonly rows: readonly SqlRow[];
  /** Timestamp of the event before it, if that is stored. */
  readonly before: string | undefined;
  /** The highest sequence ever given. */
  readonly last: number;
  /** There may be more after `rows`. */
  readonly hasMore: boolean;
}

/** @throws MillraceError `STREAM_MISSING` */
async function infoOf(session: SqlSession, stream: string): Promise<StreamInfo> {
  const [row] = await session.query(LAST, [stream]);
  if (row === undefined) throw missing(stream);
  const last = row[0] as number;
  const [first] = await session.query(FIRST, [stream]);
  return { stream, first: (first?.[0] as number | null | undefined) ?? last + 1, last };
}

function missing(stream: string): MillraceError {
  return new MillraceError('STREAM_MISSING', `there is no stream ${stream} in the database`);
}

function timeOfUs(us: number): string {
  return timeText(Math.floor(us / 1_000), (us % 1_000) * 1_000);
}

/**
 * Removes old events from `staging_events`, in small transactions, so that the table does not grow for ever.
 *
 * Invariants
 * K1. An event goes only when every partition of every application that reads its stream has decided it and has an
 *     anchor after it: whatever is claimed again finds all that it has to read. A partition that stands still, or has
 *     no readable record, keeps everything.
 * K2. And only when it is older than `keepMs`, by the log's own time.
 */
import { messageOf } from '../../errors.js';
import type { Clock } from '../../ports/clock.js';
import type { LogLine } from '../../ports/log.js';
import type { SqlDatabase, SqlSession } from './sql-database.js';

const READERS = `SELECT COUNT(*), COUNT(position), COUNT(anchor), MIN(position), MIN(anchor), app FROM oplog
  WHERE stream = ? GROUP BY app`;
const LAYOUT = `SELECT value FROM millrace_meta WHERE app = ? AND name = 'layout'`;
const FIRST = 'SELECT MIN(sequence) FROM staging_events WHERE stream = ?';
const PRUNE = 'DELETE FROM staging_events WHERE stream = ? AND sequence >= ? AND sequence < ? AND received_us < ?';

const EVERY_MS = 60_000;
const BATCH = 1_000;

export interface RetentionOptions {
  readonly database: SqlDatabase;
  readonly stream: string;
  /** How long a decided event stays, ms. */
  readonly keepMs: number;
  readonly clock: Clock;
  readonly log: LogLine;
}

export class StagingRetention {
  readonly #options: RetentionOptions;
  #cancel: () => void = () => {};
  #isOver = false;
  #pruning: Promise<void> = Promise.resolve();

  constructor(options: RetentionOptions) {
    this.#options = options;
  }

  /** Looks now and then, until `stop`. */
  start(): void {
    const { clock, log, stream } = this.#options;
    this.#cancel = clock.after(EVERY_MS, () => {
      this.#pruning = this.prune()
        .then((events) => {
          if (events > 0) log('info', 'staging.pruned', { stream, events });
        })
        .catch((error: unknown) => log('warn', 'staging.prune.failed', { stream, error: messageOf(error) }))
        .finally(() => {
          if (!this.#isOver) this.start();
        });
    });
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    this.#cancel();
    await this.#pruning;
  }

  /** Removes what may go; answers how many events that were. */
  async prune(): Promise<number> {
    const { database, clock, keepMs } = this.#options;
    const beforeUs = (clock.now() - keepMs) * 1_000;
    let total = 0;
    for (let count = BATCH; count === BATCH && !this.#isOver; total += count)
      count = await database.write('removing old events', (session) => this.#pruneSome(session, beforeUs));
    return total;
  }

  async #pruneSome(session: SqlSession, beforeUs: number): Promise<number> {
    const { stream } = this.#options;
    const end = await this.#decided(session);
    const first = (await session.query(FIRST, [stream]))[0]?.[0];
    if (typeof first !== 'number' || end === undefined) return 0;
    return session.change(PRUNE, [stream, first, Math.min(end, first + BATCH), beforeUs]);
  }

  /** K1. The first event that somebody may still read; undefined if that is not known. */
  async #decided(session: SqlSession): Promise<number | undefined> {
    let end = Number.POSITIVE_INFINITY;
    for (const [rows, positions, anchors, position, anchor, app] of await session.query(READERS, [
      this.#options.stream,
    ])) {
      const [layout] = await session.query(LAYOUT, [app!]);
      const { partitions } = JSON.parse((layout?.[0] as string | undefined) ?? '{}') as { partitions?: number };
      if (rows !== partitions || positions !== rows || anchors !== rows) return undefined;
      end = Math.min(end, (position as number) + 1, anchor as number);
    }
    return Number.isFinite(end) ? end : undefined;
  }
}

/** Events, checkpoints and ownership in one SQL database. */
import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { NodeLease } from '../adapters/sql/node-lease.js';
import { PostgresDatabase } from '../adapters/sql/postgres-database.js';
import { postgresPool } from '../adapters/sql/postgres-pool.js';
import { checkLayout, migrateSchema, prepareSchema, requireSchema } from '../adapters/sql/schema.js';
import { SqlCheckpointStore } from '../adapters/sql/sql-checkpoint-store.js';
import { SqlCoordinator } from '../adapters/sql/sql-coordinator.js';
import type { SqlDatabase } from '../adapters/sql/sql-database.js';
import { SqlEventLog } from '../adapters/sql/sql-event-log.js';
import { SqlEventSink } from '../adapters/sql/sql-event-sink.js';
import { SqliteDatabase } from '../adapters/sql/sqlite-database.js';
import { lockSqlite } from '../adapters/sql/sqlite-lock.js';
import { StagingRetention } from '../adapters/sql/staging-retention.js';
import { ensureStream } from '../adapters/sql/stream-subjects.js';
import { systemClock } from '../adapters/system/system-clock.js';
import { firstGeneration } from '../core/position/stream-generations.js';
import type { Options } from '../options/types.js';
import { redactUrl, sqlitePath } from '../options/urls.js';
import type { LogLine } from '../ports/log.js';
import { type Backend, type Company, heartbeatMs, type SqlOptions } from './backend.js';
import { layoutOf } from './layout.js';
import type { OpenStore } from './store.js';

/** Connects at the first use. `name` is shown by a server that lists its clients. */
export function openDatabase(url: string, name: string): SqlDatabase {
  const path = sqlitePath(url);
  if (path !== undefined) return new SqliteDatabase({ path });
  return new PostgresDatabase({ pool: postgresPool({ url, name }), name: redactUrl(url) });
}

/** The checkpoints alone. */
export function openSqlStore(url: string, app: string, name: string): OpenStore {
  const database = openDatabase(url, name);
  return { store: new SqlCheckpointStore({ app, database }), untilReady: () => requireSchema(database) };
}

/** The writing side alone; demands the tables. */
export async function openSqlSink(
  url: string,
  name: string,
  stream: string | undefined,
): Promise<{ readonly sink: SqlEventSink; readonly release: () => Promise<void> }> {
  const database = openDatabase(url, name);
  try {
    await requireSchema(database);
  } catch (error) {
    await database.close();
    throw error;
  }
  return { sink: new SqlEventSink({ database, stream }), release: () => database.close() };
}

/** Whoever works alone makes the tables and the stream where they are missing; others demand them. */
export async function openSqlBackend(
  options: SqlOptions,
  line: LogLine,
  company: Company,
  signal?: AbortSignal,
): Promise<Backend> {
  const { app, node, sql, stream } = options;
  const isAlone = company === 'alone';
  const path = sqlitePath(sql.url);
  const unlock = isAlone && path !== undefined ? lockFile(path) : undefined;
  const name = `millrace-${app}-${node}`;
  // One each: a reading never waits for a transaction of the sink.
  const [reading, writing] = [openDatabase(sql.url, name), openDatabase(sql.url, name)];
  const turn = isAlone && path === undefined ? leaseOf(options, writing, line) : undefined;
  const retention = new StagingRetention({
    database: writing,
    stream: stream.name,
    keepMs: sql.keepMs,
    clock: systemClock,
    log: line,
  });
  const close = async (): Promise<void> => {
    await retention.stop();
    await turn?.release();
    await Promise.all([reading.close(), writing.close()]);
    unlock?.();
  };
  try {
    await (isAlone ? prepareSchema(writing) : requireSchema(writing));
    await checkLayout(writing, app, layoutOf(options));
    await ensureStream(writing, stream.name, stream.subjects, isAlone);
    await turn?.take(signal);
  } catch (error) {
    await close();
    throw error;
  }
  if (isAlone && sql.keepMs > 0) retention.start();
  const log = new SqlEventLog({ database: reading, heartbeatMs: heartbeatMs(options), log: line });
  return {
    log,
    sink: new SqlEventSink({
      database: writing,
      duplicateWindowMs: stream.duplicateWindowMs,
      stored: () => log.wake(),
    }),
    store: new SqlCheckpointStore({ app, database: reading }),
    coordinator: new SqlCoordinator({ database: writing, app, node }),
    membership: undefined,
    generations: [firstGeneration(stream.name, 1)],
    answerRequests: undefined,
    close,
  };
}

function leaseOf({ app, node }: Options, database: SqlDatabase, log: LogLine): NodeLease {
  return new NodeLease({ database, app, node, nonce: randomBytes(16).toString('hex'), clock: systemClock, log });
}

function lockFile(path: string): () => void {
  mkdirSync(dirname(path), { recursive: true });
  return lockSqlite(path);
}

/** What `provision` made or found in a SQL database. */
export interface SqlProvisioned {
  /** Without its password. */
  readonly database: string;
  readonly stream: string;
  readonly subjects: readonly string[];
}

/**
 * Makes tables and stream where they are missing, unless `create` is false, and compares what is there. Throws
 * `SQL_…`, `STREAM_MISSING`, `STREAM_UNSUITABLE`, `LAYOUT_MISMATCH`.
 */
export async function provisionSql(options: SqlOptions, create: boolean): Promise<SqlProvisioned> {
  const { name, subjects } = options.stream;
  const path = sqlitePath(options.sql.url);
  if (create && path !== undefined) mkdirSync(dirname(path), { recursive: true });
  const database = openDatabase(options.sql.url, `millrace-${options.app}-provision`);
  try {
    if (create) await migrateSchema(database);
    await (create ? prepareSchema(database) : requireSchema(database));
    if (create) await checkLayout(database, options.app, layoutOf(options));
    await ensureStream(database, name, subjects, create);
    return { database: database.name, stream: name, subjects };
  } finally {
    await database.close();
  }
}

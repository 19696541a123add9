/** A demo in one SQLite file, without any server: the same node, the same demo, the same verdict. */
import { mkdir, realpath, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { SqlEventSink } from '../../adapters/sql/sql-event-sink.js';
import { SqliteDatabase } from '../../adapters/sql/sqlite-database.js';
import { lockSqlite } from '../../adapters/sql/sqlite-lock.js';
import { tokenOfKey } from '../../core/key/key.js';
import { partitionOf } from '../../core/key/partition.js';
import { MillraceError, messageOf } from '../../errors.js';
import type { Options } from '../../options/types.js';
import type { OutgoingEvent } from './account-events.js';
import type { DemoPlace, DemoWorld, PlaceOptions } from './demo-world.js';
import { captureSqlite, readSqliteAccounts } from './sqlite-reading.js';

const FILE = 'millrace.db';
/** What SQLite keeps beside its file. */
const BESIDE = ['', '-wal', '-shm'] as const;

/** Throws `SQL_IN_USE` if another process works on the file, `SQL_REFUSED` where none can be made. */
export async function openEmbeddedPlace({ dir, keep }: PlaceOptions): Promise<DemoPlace> {
  const path = await prepare(dir, keep);
  const shown = join(dir, FILE);
  return {
    // Events are the evidence of the verdict: none of them may be removed by age.
    flags: { sql: `sqlite:${path}`, 'sql-keep': '0' },
    fields: { sql: `sqlite:${path}` },
    text: (_options, key) => ({
      store: 'a SQLite file',
      parts: [['SQLite', `${shown} (tables staging_events, status, oplog, …)`]],
      look: [
        `npx millrace get ${key} --sql sqlite:${shown}`,
        `sqlite3 ${shown} "SELECT state, applied FROM status WHERE key = '${key}'"`,
      ],
      publishFlags: ` --sql sqlite:${shown}`,
      publishOtherwise: `POST {"id":"my-1","key":"${key}","type":"deposit","data":{"amount":100}} to /v1/events`,
    }),
    connect: async (options) => new EmbeddedWorld(path, options),
    async stop(remove) {
      if (!remove) return;
      for (const end of [...BESIDE, '.lock', '.lock-journal']) await rm(`${path}${end}`, { force: true });
      await rmdir(dir).catch(() => undefined); // others may keep files there
    },
  };
}

/** The file to use, whose old contents are gone unless they are to be kept. */
async function prepare(dir: string, keep: boolean): Promise<string> {
  let path: string;
  try {
    await mkdir(dir, { recursive: true });
    path = join(await realpath(dir), FILE);
  } catch (cause) {
    throw new MillraceError('SQL_REFUSED', `${dir} cannot be used: ${messageOf(cause)}; see --dir`, { cause });
  }
  const unlock = lockSqlite(path);
  try {
    if (!keep) for (const end of BESIDE) await rm(`${path}${end}`, { force: true });
  } finally {
    unlock();
  }
  return path;
}

/**
 * Publishes as two programs would that insert into the same table: each knows only the ids that it has stored itself,
 * so that most repeats reach Millrace.
 */
class EmbeddedWorld implements DemoWorld {
  readonly store = 'SQLite';
  /** A file is always there; what it refuses is not published. */
  readonly isAway = false;
  readonly #path: string;
  readonly #options: Options;
  readonly #databases: readonly SqliteDatabase[];
  readonly #sinks: readonly SqlEventSink[];
  /** The newest append of each sink; they are stored in their order. */
  readonly #newest: Promise<unknown>[] = [];

  constructor(path: string, options: Options) {
    this.#path = path;
    this.#options = options;
    this.#databases = [new SqliteDatabase({ path }), new SqliteDatabase({ path })];
    this.#sinks = this.#databases.map((database) => new SqlEventSink({ database }));
  }

  publish(event: OutgoingEvent): void {
    const at = event.named ? 0 : 1;
    // An event that was not taken is missing in stream and fold alike; a file that takes none stops the partitions, which say so.
    this.#newest[at] = this.#sinks[at]!.append(this.#newEvent(event)).catch(() => undefined);
  }

  async publishLast(event: OutgoingEvent): Promise<readonly number[]> {
    await Promise.all(this.#newest);
    return [(await this.#sinks[0]!.append(this.#newEvent(event))).sequence];
  }

  async capture(take: Parameters<DemoWorld['capture']>[0]): ReturnType<DemoWorld['capture']> {
    return captureSqlite(this.#path, this.#options.stream.name, take);
  }

  async accounts(): ReturnType<DemoWorld['accounts']> {
    return readSqliteAccounts(this.#path, this.#options.app, this.#options.partitions);
  }

  async close(): Promise<void> {
    await Promise.all(this.#databases.map((database) => database.close()));
  }

  #newEvent({ key, id, body }: OutgoingEvent): Parameters<SqlEventSink['append']>[0] {
    const { stream, partitions } = this.#options;
    return {
      subject: stream.publishSubject.replace('{key}', () => tokenOfKey(key)),
      id,
      body: Buffer.from(body),
      about: { key, partition: partitionOf(key, partitions), timeMs: (JSON.parse(body) as { time: number }).time },
    };
  }
}

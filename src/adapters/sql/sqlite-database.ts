/**
 * A `SqlDatabase` over one SQLite connection: WAL, so that readers and the writer do not wait for each other, and
 * `synchronous=FULL`, so that what was committed survives a power cut.
 *
 * Invariants
 * L1. One piece of work at a time: works wait for each other. Writes that wait together share a transaction, because
 *     what a transaction costs is its flush; each is a savepoint in it, and none is done before the flush is.
 * L2. A lock that another connection holds is waited for with timers. SQLite's own waiting would stop the thread.
 * L3. A transaction that failed is rolled back before the next work begins; where the disk has failed, the connection
 *     is opened anew, because SQLite's idea of the file may be older than the file.
 */
import { MillraceError } from '../../errors.js';
import type { SqlDatabase, SqlRow, SqlSession, SqlValue } from './sql-database.js';
import { isBusy, sqliteError } from './sql-errors.js';
import { openSqlite, type SqliteConnection, type SqliteStatement } from './sqlite-connection.js';
import { deleteWhere, insertFrom, selectWhere, upsertFrom, whereKey } from './statements.js';
import type { Table } from './tables.js';

const BUSY_MS = 5_000;
const WAIT_MS_MAX = 4;
/** Pages of the write-ahead log before they are moved into the file: 16 MB. */
const CHECKPOINT_PAGES = 4_000;

/** Writes of one transaction; more would keep other connections waiting. */
const GROUP_MAX = 16;

const PRAGMAS = `
PRAGMA busy_timeout = 0;
PRAGMA synchronous = FULL;
PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES};
PRAGMA cache_size = -32000;
PRAGMA temp_store = MEMORY;`;

export interface SqliteOptions {
  readonly path: string;
  /** How long a lock of another connection is waited for, ms; 5 s by default. */
  readonly busyMs?: number | undefined;
}

interface Write {
  readonly what: string;
  readonly work: (session: SqlSession) => Promise<unknown>;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

export class SqliteDatabase implements SqlDatabase {
  readonly dialect = 'sqlite';
  readonly name: string;
  readonly #path: string;
  readonly #busyMs: number;
  #connection: SqliteConnection | undefined;
  #session: SqliteSession | undefined;
  #work: Promise<unknown> = Promise.resolve();
  /** Writes that wait for their turn. */
  #writes: Write[] = [];
  #isClosed = false;

  /** Opens at the first use. */
  constructor({ path, busyMs = BUSY_MS }: SqliteOptions) {
    this.#path = path;
    this.name = `sqlite:${path}`;
    this.#busyMs = busyMs;
  }

  each<T>(what: string, work: (session: SqlSession) => Promise<T>): Promise<T> {
    return this.#next(what, undefined, work);
  }

  read<T>(what: string, work: (session: SqlSession) => Promise<T>): Promise<T> {
    return this.#next(what, 'BEGIN', work);
  }

  write<T>(what: string, work: (session: SqlSession) => Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#writes.push({ what, work, resolve: resolve as (value: unknown) => void, reject });
      if (this.#writes.length % GROUP_MAX === 1) this.#work = this.#work.then(() => this.#runWrites());
    });
  }

  /** After the works that were called before. */
  async close(): Promise<void> {
    await this.#work;
    this.#isClosed = true;
    this.#drop();
  }

  /** L1. */
  #next<T>(what: string, begin: string | undefined, work: (session: SqlSession) => Promise<T>): Promise<T> {
    const done = this.#work.then(() => this.#run(what, begin, work));
    this.#work = done.catch(() => undefined);
    return done;
  }

  /** The oldest writes, of which each gets its own outcome. */
  async #runWrites(): Promise<void> {
    const writes = this.#writes.splice(0, GROUP_MAX);
    if (writes.length === 1) {
      const [{ what, work, resolve, reject }] = writes as [Write];
      await this.#run(what, 'BEGIN IMMEDIATE', work).then(resolve, reject);
      return;
    }
    const what = `${writes[0]!.what} and ${writes.length - 1} more`;
    try {
      const tell = await this.#run(what, 'BEGIN IMMEDIATE', (session) => this.#each(writes, session));
      for (const one of tell) one();
    } catch (error) {
      for (const { reject } of writes) reject(error);
    }
  }

  /** Answers what is to be told once everything is flushed. Throws where the transaction as a whole has failed. */
  async #each(writes: readonly Write[], session: SqlSession): Promise<(() => void)[]> {
    const tell: (() => void)[] = [];
    for (const { what, work, resolve, reject } of writes) {
      this.#connection?.exec('SAVEPOINT work');
      try {
        const value = await work(session);
        tell.push(() => resolve(value));
      } catch (error) {
        this.#rollbackTo('work', error);
        tell.push(() => reject(sqliteError(what, error)));
      }
      this.#connection?.exec('RELEASE work');
    }
    return tell;
  }

  async #run<T>(what: string, begin: string | undefined, work: (session: SqlSession) => Promise<T>): Promise<T> {
    if (this.#isClosed) throw new MillraceError('SQL_UNAVAILABLE', `${what}: the database is closed`);
    const session = await this.#whenFree(what, () => this.#open());
    if (begin === undefined) return this.#whenFree(what, () => work(session));
    await this.#whenFree(what, async () => this.#connection?.exec(begin));
    try {
      const result = await work(session);
      this.#connection?.exec('COMMIT');
      return result;
    } catch (error) {
      const thrown = sqliteError(what, error);
      this.#rollback(thrown);
      throw thrown;
    }
  }

  /** L2. */
  async #whenFree<T>(what: string, attempt: () => Promise<T>): Promise<T> {
    const deadline = performance.now() + this.#busyMs;
    for (;;) {
      try {
        return await attempt();
      } catch (error) {
        if (!isBusy(error)) throw sqliteError(what, error);
        if (performance.now() > deadline)
          throw new MillraceError(
            'SQL_UNAVAILABLE',
            `${what}: another program has ${this.name} locked for ${this.#busyMs} ms`,
          );
      }
      await new Promise((resolve) => setTimeout(resolve, Math.random() * WAIT_MS_MAX));
    }
  }

  async #open(): Promise<SqliteSession> {
    if (this.#session !== undefined) return this.#session;
    const connection = openSqlite(this.#path);
    try {
      // The mode is the file's own, and asking for it again takes a lock.
      const mode = connection.prepare('PRAGMA journal_mode').all([])[0]?.[0];
      if (mode !== 'wal') connection.prepare('PRAGMA journal_mode = WAL').all([]);
      connection.exec(PRAGMAS);
    } catch (error) {
      connection.close();
      throw error;
    }
    this.#connection = connection;
    this.#session = new SqliteSession(connection);
    return this.#session;
  }

  /** Where the database itself has failed it has ended the transaction with all its savepoints: `cause` is thrown. */
  #rollbackTo(savepoint: string, cause: unknown): void {
    try {
      this.#connection?.exec(`ROLLBACK TO ${savepoint}`);
    } catch {
      throw cause;
    }
  }

  /** L3. */
  #rollback(error: MillraceError): void {
    try {
      this.#connection?.exec('ROLLBACK');
    } catch {
      this.#drop(); // the failure itself has ended the transaction, or the connection is of no use
      return;
    }
    if (error.code === 'SQL_UNAVAILABLE' || error.code === 'SQL_DAMAGED') this.#drop();
  }

  #drop(): void {
    const connection = this.#connection;
    this.#connection = undefined;
    this.#session = undefined;
    try {
      connection?.close();
    } catch {
      // nothing is left to be closed
    }
  }
}

class SqliteSession implements SqlSession {
  readonly #connection: SqliteConnection;
  readonly #prepared = new Map<string, SqliteStatement>();

  constructor(connection: SqliteConnection) {
    this.#connection = connection;
  }

  async query(text: string, values: readonly SqlValue[] = []): Promise<readonly SqlRow[]> {
    return this.#statement(text).all(values);
  }

  async change(text: string, values: readonly SqlValue[] = []): Promise<number> {
    return this.#statement(text).run(values);
  }

  async insert(table: Table, rows: readonly SqlRow[]): Promise<void> {
    this.#runAll(insertFrom(table, valuesOf(table)), rows);
  }

  async upsert(table: Table, rows: readonly SqlRow[]): Promise<void> {
    this.#runAll(upsertFrom(table, valuesOf(table)), rows);
  }

  async remove(table: Table, prefix: SqlRow, lasts: readonly SqlValue[]): Promise<void> {
    this.#runAll(
      deleteWhere(table, whereKey(table, '= ?')),
      lasts.map((last) => [...prefix, last]),
    );
  }

  async find(table: Table, prefix: SqlRow, lasts: readonly SqlValue[]): Promise<readonly SqlRow[]> {
    if (lasts.length === 0) return [];
    const statement = this.#statement(selectWhere(table, whereKey(table, '= ?')));
    return lasts.flatMap((last) => statement.all([...prefix, last]));
  }

  #runAll(text: string, rows: readonly SqlRow[]): void {
    if (rows.length === 0) return;
    const statement = this.#statement(text);
    for (const row of rows) statement.run(row);
  }

  #statement(text: string): SqliteStatement {
    const known = this.#prepared.get(text);
    if (known !== undefined) return known;
    const statement = this.#connection.prepare(text);
    this.#prepared.set(text, statement);
    return statement;
  }
}

function valuesOf({ columns }: Table): string {
  return `VALUES (${columns.map(() => '?').join(', ')})`;
}

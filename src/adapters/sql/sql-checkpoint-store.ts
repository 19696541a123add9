/**
 * Checkpoints in SQL tables: `oplog` holds the records, `status` the states, beside them `dedupe`, `dead_letters`,
 * `parked` and `outbox`. A commit is one transaction: progress and what it led to are written together or not at all.
 *
 * Invariants
 * S1. The first statement of a commit or claim changes the row of `oplog` only where owner and number are what they
 *     must be, and so locks it: whoever comes second sees what the first wrote.
 * S2. Where it changed nothing, core/checkpoint/guard.ts says why.
 */
import type { Commit, FieldChanges } from '../../core/checkpoint/commit.js';
import { type CommitVerdict, judgeClaim, judgeCommit } from '../../core/checkpoint/guard.js';
import { decodeRecord } from '../../core/checkpoint/record.js';
import { newestOf } from '../../core/position/stream-chain.js';
import { MillraceError } from '../../errors.js';
import type {
  CheckpointStore,
  Claim,
  StateReading,
  StoredPartition,
  StoredRecord,
} from '../../ports/checkpoint-store.js';
import type { SqlDatabase, SqlRow, SqlSession, SqlValue } from './sql-database.js';
import { compareOutputs, envelopeOf, escapeText, stateColumns, unescapeText } from './stored-text.js';
import * as tables from './tables.js';

const READ = 'SELECT owner, number, record FROM oplog WHERE app = ? AND partition = ?';
const RECORD = 'record = ?, stream = ?, position = ?, anchor = ?, watermark_ms = ?';
const MINE = 'WHERE app = ? AND partition = ? AND owner = ? AND number = ?';
const COMMIT = `UPDATE oplog SET number = ?, ${RECORD} ${MINE}`;
const TAKE = `UPDATE oplog SET owner = ?, ${RECORD} ${MINE}`;
const FIRST = `INSERT INTO oplog (app, partition, owner, number, record, stream, position, anchor, watermark_ms)
  VALUES (?, ?, ?, 0, ?, ?, ?, ?, ?) ON CONFLICT (app, partition) DO NOTHING`;
const OF_PARTITION = 'WHERE app = ? AND partition = ?';
const LETTERS = `SELECT letter FROM dead_letters ${OF_PARTITION}
  AND (LENGTH(sequence) > ? OR (LENGTH(sequence) = ? AND sequence > ?)) ORDER BY LENGTH(sequence), sequence LIMIT ?`;

const KEYS = `SELECT key FROM status ${OF_PARTITION} AND key > ? ORDER BY key LIMIT ?`;
const KEYS_PAGE = 1_000;

/** What of a partition goes where a first record is written over a lost one. */
const EMPTIED = [tables.status, tables.dedupe, tables.parked, tables.outbox];

export interface SqlCheckpointStoreOptions {
  readonly app: string;
  /** The store closes it with `close`. */
  readonly database: SqlDatabase;
}

/** A `CheckpointStore` in a SQL database whose schema was prepared. */
export class SqlCheckpointStore implements CheckpointStore {
  readonly #app: string;
  readonly #database: SqlDatabase;

  constructor({ app, database }: SqlCheckpointStoreOptions) {
    this.#app = app;
    this.#database = database;
  }

  read(partition: number): Promise<StoredRecord | undefined> {
    return this.#database.each(`read of partition ${partition}`, (session) => this.#record(session, partition));
  }

  claim({ partition, owner, seen, record }: Claim): Promise<CommitVerdict> {
    return this.#database.write(`claim of partition ${partition}`, async (session) => {
      const columns = recordColumns(record);
      if (seen === undefined) {
        if ((await session.change(FIRST, [this.#app, partition, owner, ...columns])) === 1) {
          for (const { name } of EMPTIED)
            await session.change(`DELETE FROM ${name} ${OF_PARTITION}`, [this.#app, partition]);
          return 'accept';
        }
      } else {
        const guard = [this.#app, partition, seen.owner, seen.number];
        // Its own claim sent again must not change the record that it may have written since.
        if (seen.owner !== owner && (await session.change(TAKE, [owner, ...columns, ...guard])) === 1) return 'accept';
      }
      return refusal(judgeClaim(await this.#record(session, partition), seen, owner));
    });
  }

  load(partition: number): Promise<StoredPartition | undefined> {
    return this.#database.read(`load of partition ${partition}`, async (session) => {
      const stored = await this.#record(session, partition);
      if (stored === undefined) return undefined;
      const own = [this.#app, partition];
      const segments = await session.query(`SELECT segment, ids FROM dedupe ${OF_PARTITION} ORDER BY segment`, own);
      const parked = await session.query(`SELECT field, value FROM parked ${OF_PARTITION}`, own);
      const outbox = await session.query(`SELECT id, output FROM outbox ${OF_PARTITION}`, own);
      const states = await session.query(`SELECT 1 FROM status ${OF_PARTITION} LIMIT 1`, own);
      return {
        stored,
        segments: segments.map(([number, bytes]) => ({ number: number as number, bytes: bytes as Uint8Array })),
        parked: parked.map(textPair),
        outbox: outbox.map(textPair).sort(([a], [b]) => compareOutputs(a, b)),
        empty: states.length === 0,
      };
    });
  }

  loadStates(partition: number, keys: readonly string[]): Promise<(string | undefined)[]> {
    return this.#database.each(`states of partition ${partition}`, (session) => this.#states(session, partition, keys));
  }

  async *stateKeys(partition: number): AsyncGenerator<readonly string[], void> {
    for (let after = ''; ; ) {
      const page = (session: SqlSession) => session.query(KEYS, [this.#app, partition, after, KEYS_PAGE]);
      const keys = (await this.#database.each(`keys of partition ${partition}`, page)).map(([key]) => key as string);
      if (keys.length > 0) yield keys.map(unescapeText);
      if (keys.length < KEYS_PAGE) return;
      after = keys.at(-1)!;
    }
  }

  commit(commit: Commit): Promise<CommitVerdict> {
    const { partition, owner, number, record } = commit;
    return this.#database.write(`commit of partition ${partition}`, async (session) => {
      const guard = [this.#app, partition, owner, number - 1];
      if ((await session.change(COMMIT, [number, ...recordColumns(record), ...guard])) === 0)
        return refusal(judgeCommit(await this.#record(session, partition), owner, number));
      await this.#apply(session, commit);
      return 'accept';
    });
  }

  readState(partition: number, key: string): Promise<StateReading | undefined> {
    return this.#database.read(`state of a key of partition ${partition}`, async (session) => {
      const stored = await this.#record(session, partition);
      if (stored === undefined) return undefined;
      const [state] = await this.#states(session, partition, [key]);
      return { stored, state };
    });
  }

  deadLetters(partition: number, after: number, limit: number): Promise<string[]> {
    return this.#database.each(`dead letters of partition ${partition}`, async (session) => {
      const from = String(after);
      const values = [this.#app, partition, from.length, from.length, from, limit];
      return (await session.query(LETTERS, values)).map(([letter]) => letter as string);
    });
  }

  close(): Promise<void> {
    return this.#database.close();
  }

  async #record(session: SqlSession, partition: number): Promise<StoredRecord | undefined> {
    const [row] = await session.query(READ, [this.#app, partition]);
    if (row === undefined) return undefined;
    const [owner, number, record] = row;
    if (typeof owner !== 'string' || !Number.isSafeInteger(number) || typeof record !== 'string')
      throw new MillraceError('CORRUPT_CHECKPOINT', `the row of partition ${partition} in oplog cannot be read`);
    return { owner, number: number as number, record };
  }

  async #states(session: SqlSession, partition: number, keys: readonly string[]): Promise<(string | undefined)[]> {
    const texts = new Map<SqlValue, string>();
    for (const [, key, home, ...state] of await session.find(tables.status, [this.#app], keys.map(escapeText)))
      if (home === partition) texts.set(key!, envelopeOf(state));
    return keys.map((key) => texts.get(escapeText(key)));
  }

  async #apply(session: SqlSession, { partition, state, dedupePut, dedupeDrop, ...fields }: Commit): Promise<void> {
    const own = [this.#app, partition];
    const gone = new Set(state.remove);
    const states = state.set.filter(([key]) => !gone.has(key));
    const rows = states.map(([key, text]) => [this.#app, escapeText(key), partition, ...stateColumns(text)]);
    await session.upsert(tables.status, rows);
    await session.remove(tables.status, [this.#app], state.remove.map(escapeText));
    await session.upsert(
      tables.dedupe,
      dedupePut.map(({ number, bytes }) => [...own, number, bytes]),
    );
    await session.remove(tables.dedupe, own, dedupeDrop);
    for (const [table, { set, remove }] of [
      [tables.parked, fields.parked],
      [tables.outbox, fields.outbox],
      [tables.deadLetters, fields.dead],
    ] as const satisfies readonly (readonly [tables.Table, FieldChanges])[]) {
      await session.upsert(
        table,
        set.map(([field, value]) => [...own, escapeText(field), value]),
      );
      await session.remove(table, own, remove.map(escapeText));
    }
  }
}

/** S2. A guard that would accept where the statement did not has seen a change in between: the next try decides. */
function refusal(verdict: CommitVerdict): CommitVerdict {
  if (verdict !== 'accept') return verdict;
  throw new MillraceError('SQL_UNAVAILABLE', 'the record changed while it was compared');
}

/** `record` and what of it has a column of its own. */
function recordColumns(record: string): SqlValue[] {
  const decoded = decodeRecord(record);
  if (decoded.kind !== 'record') return [record, null, null, null, null];
  const { chain, position, anchor, watermark } = decoded.record;
  const { stream } = newestOf(chain);
  return [record, stream, position.floor, anchor.sequence, Number.isFinite(watermark) ? Math.round(watermark) : null];
}

function textPair([field, value]: SqlRow): [string, string] {
  return [unescapeText(field as string), value as string];
}

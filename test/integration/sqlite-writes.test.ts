/** Writes that share a transaction of SQLite: each has its own outcome, and none is told before the flush. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { openSqlite } from '../../src/adapters/sql/sqlite-connection.js';
import { SqliteDatabase } from '../../src/adapters/sql/sqlite-database.js';

let dir: string;
let path: string;
let database: SqliteDatabase;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'millrace-writes-'));
  path = join(dir, 'a.db');
  database = new SqliteDatabase({ path, busyMs: 300 });
  await database.write('creating', (session) =>
    session.change('CREATE TABLE t (n INTEGER PRIMARY KEY, seen INTEGER NOT NULL)'),
  );
});

afterEach(async () => {
  await database.close();
  await rm(dir, { recursive: true, force: true });
});

/** Inserts `n` with the number of rows that another connection sees at that moment: what is committed. */
async function insert(n: number, repeats = 1): Promise<number> {
  return database.write(`inserting ${n}`, async (session) => {
    const other = openSqlite(path);
    const seen = other.prepare('SELECT COUNT(*) FROM t').all([])[0]![0]!;
    other.close();
    for (let i = 0; i < repeats; i++) await session.change('INSERT INTO t VALUES (?, ?)', [n, seen]);
    return n;
  });
}

const rows = () => database.each('reading', (session) => session.query('SELECT n, seen FROM t ORDER BY n'));
const numbers = (from: number, count: number): number[] => Array.from({ length: count }, (_, i) => from + i);

it('L1: stores those that wait together with one flush, 16 at a time', async () => {
  expect(await Promise.all(numbers(0, 40).map((n) => insert(n)))).toEqual(numbers(0, 40));
  const stored = await rows();
  expect(stored.map(([n]) => n)).toEqual(numbers(0, 40));
  expect([...new Set(stored.map(([, seen]) => seen))]).toEqual([0, 16, 32]);
  expect(await insert(40)).toBe(40);
  expect((await rows()).at(-1)).toEqual([40, 40]);
});

it('takes back the one that fails, all of it, and no other', async () => {
  const outcomes = await Promise.allSettled(numbers(0, 20).map((n) => insert(n, n === 7 ? 2 : 1)));
  expect(outcomes.flatMap(({ status }, n) => (status === 'rejected' ? [n] : []))).toEqual([7]);
  expect((await rows()).map(([n]) => n)).toEqual(numbers(0, 20).filter((n) => n !== 7));
});

it('tells every one of them when the transaction cannot begin, and stores all the next time', async () => {
  const other = openSqlite(path);
  other.exec('BEGIN IMMEDIATE');
  const outcomes = await Promise.allSettled(numbers(0, 3).map((n) => insert(n)));
  expect(outcomes).toMatchObject(numbers(0, 3).map(() => ({ reason: { code: 'SQL_UNAVAILABLE' } })));
  other.exec('ROLLBACK');
  other.close();
  await Promise.all(numbers(0, 3).map((n) => insert(n)));
  expect((await rows()).map(([n]) => n)).toEqual(numbers(0, 3));
});

it('stores none of them, and says so to all, when the transaction fails as a whole', async () => {
  const pages = await database.each('limiting', (session) => session.query('PRAGMA page_count'));
  await database.each('limiting', (session) => session.query(`PRAGMA max_page_count = ${pages[0]![0]}`));
  const outcomes = await Promise.allSettled(
    numbers(0, 4).map((n) =>
      database.write(`filling ${n}`, async (session) => {
        for (let i = 0; i < (n === 2 ? 5_000 : 1); i++)
          await session.change('INSERT INTO t VALUES (?, ?)', [n * 10_000 + i, 0]);
      }),
    ),
  );
  expect(outcomes.at(2)).toMatchObject({ status: 'rejected', reason: { code: 'SQL_UNAVAILABLE' } });
  const stored = outcomes.filter(({ status }) => status === 'fulfilled').length;
  expect(await rows()).toHaveLength(stored); // what was told is what is there
});

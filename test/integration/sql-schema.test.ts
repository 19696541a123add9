/** What a database is refused for before anything of it is touched: another schema, another layout, another stream. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkLayout, migrateSchema, prepareSchema, requireSchema } from '../../src/adapters/sql/schema.js';
import type { SqlDatabase } from '../../src/adapters/sql/sql-database.js';
import { ensureStream } from '../../src/adapters/sql/stream-subjects.js';
import { type SqlUnderTest, sqlKinds } from '../support/sql-databases.js';

const LAYOUT = { partitions: 64, hash: 'fnv1a32', format: 1 };
const code = (expected: string, message: string): object =>
  expect.objectContaining({ code: expected, message: expect.stringContaining(message) });

describe.each(sqlKinds)('$name', ({ start }) => {
  let server: SqlUnderTest;
  let database: SqlDatabase;
  const setVersion = (version: string): Promise<number> =>
    database.each('changing the version', (session) =>
      session.change(`UPDATE millrace_meta SET value = ? WHERE name = 'schema'`, [version]),
    );

  beforeAll(async () => {
    server = await start();
    database = server.connect();
  }, 300_000);
  afterAll(async () => {
    await database?.close();
    await server?.close();
  });

  it('a schema that is there is left as it is', async () => {
    await ensureStream(database, 'KEPT', ['kept.*']);
    await prepareSchema(database);
    await ensureStream(database, 'KEPT', ['kept.*'], false);
  });

  it('a schema of another version is refused', async () => {
    for (const version of ['0', '2', 'x']) {
      await setVersion(version);
      await expect(prepareSchema(database)).rejects.toEqual(code('SQL_SCHEMA', `schema ${version}`));
    }
    await setVersion('1');
    await prepareSchema(database);
  });

  it('an older schema is migrated step by step, as a whole or not at all', async () => {
    await setVersion('-1');
    const second = 'INSERT INTO migrated (step) VALUES (2)';
    await migrateSchema(database, { [-1]: ['CREATE TABLE migrated (step INTEGER)'], 0: [second, second] });
    await requireSchema(database);
    const steps = () => database.each('reading', (session) => session.query('SELECT step FROM migrated'));
    expect(await steps()).toEqual([[2], [2]]);

    await setVersion('0');
    await expect(migrateSchema(database, { 0: [second, 'INSERT INTO nowhere VALUES (1)'] })).rejects.toThrow();
    await expect(requireSchema(database)).rejects.toEqual(code('SQL_SCHEMA', 'schema 0'));
    expect(await steps()).toHaveLength(2);
    await migrateSchema(database); // no step leads from there: it is left, and still refused
    await expect(requireSchema(database)).rejects.toEqual(code('SQL_SCHEMA', 'schema 0'));
    await setVersion('1');
  });

  it('another layout of an application is refused, and other applications have their own', async () => {
    await checkLayout(database, 'main', LAYOUT);
    await checkLayout(database, 'main', LAYOUT);
    await expect(checkLayout(database, 'main', { ...LAYOUT, partitions: 8 })).rejects.toEqual(
      code('LAYOUT_MISMATCH', '"partitions":64'),
    );
    await checkLayout(database, 'other', { ...LAYOUT, partitions: 8 });
  });

  it('a stream that is missing, or takes other subjects, is refused', async () => {
    await expect(ensureStream(database, 'EVENTS', ['events.*'], false)).rejects.toEqual(
      code('STREAM_MISSING', 'EVENTS'),
    );
    await ensureStream(database, 'EVENTS', ['events.*', 'more.>']);
    await expect(ensureStream(database, 'EVENTS', ['events.*'])).rejects.toEqual(
      code('STREAM_UNSUITABLE', 'events.*,more.>'),
    );
  });
});

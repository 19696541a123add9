/**
 * Two writers at once on Postgres. The trap: one takes a lower number and commits later, and a reader that goes on from
 * the last number never sees its event. The gate: numbers are given under a lock that is held until the commit.
 */
import type { Client } from 'pg';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { prepareSchema } from '../../src/adapters/sql/schema.js';
import type { SqlDatabase, SqlSession } from '../../src/adapters/sql/sql-database.js';
import { SqlEventLog } from '../../src/adapters/sql/sql-event-log.js';
import { SqlEventSink } from '../../src/adapters/sql/sql-event-sink.js';
import { ensureStream } from '../../src/adapters/sql/stream-subjects.js';
import type { Reading } from '../../src/ports/event-log.js';
import { PostgresServer } from '../support/postgres-server.js';
import { RecordingSink } from '../support/recording-sink.js';
import { connectPostgres } from '../support/sql-databases.js';
import { until } from '../support/until.js';

let server: PostgresServer;
let database: SqlDatabase;
let slow: Client;
let log: SqlEventLog;
let stream: string;
let streams = 0;

beforeAll(async () => {
  server = await PostgresServer.start();
  database = connectPostgres(server);
  await prepareSchema(database);
  slow = await server.client();
  await slow.query('CREATE SEQUENCE planted START 2');
  log = new SqlEventLog({ database, heartbeatMs: 20, pollMs: 5, log: () => {} });
}, 120_000);
afterAll(async () => {
  await slow?.end();
  await database?.close();
  await server?.stop();
});
beforeEach(async () => {
  stream = `S${++streams}`;
  await ensureStream(database, stream, [`${stream}.*`]);
});

const event = (id: string) => ({ subject: `${stream}.k`, id, body: new Uint8Array(1) });

/** A program of somebody else stores an event and takes its time with the commit. */
async function slowInsert(): Promise<void> {
  await slow.query('BEGIN');
  await slow.query('UPDATE streams SET last = last + 1, last_us = last_us + 1 WHERE stream = $1', [stream]);
  const insert = `INSERT INTO staging_events (stream, sequence, event_id, received_us, subject, payload)
    SELECT stream, last, 'slow', last_us, $2, '' FROM streams WHERE stream = $1`;
  await slow.query(insert, [stream, `${stream}.k`]);
}

async function whileReading(work: (sink: RecordingSink, reading: Reading) => Promise<void>): Promise<void> {
  const sink = new RecordingSink();
  const reading = await log.read(stream, 1, sink);
  try {
    await work(sink, reading);
  } finally {
    await reading.stop();
  }
}

/** Whether a session waits for a lock. */
async function isWaiting(): Promise<boolean> {
  const client = await server.client();
  const { rows } = await client.query(`SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'`);
  await client.end();
  return rows.length > 0;
}

it('an event that commits late is read before every event with a higher number', async () => {
  await slowInsert();
  await whileReading(async (read) => {
    const fast = new SqlEventSink({ database }).append(event('fast'));
    await until(isWaiting, 10_000, 'the second writer to wait');
    await read.idled(3);
    expect(read.sequences).toEqual([]);
    await slow.query('COMMIT');
    expect(await fast).toMatchObject({ sequence: 2 });
    await read.reached(2);
    expect(read.sequences).toEqual([1, 2]);
  });
});

it('an event that is rolled back leaves no hole', async () => {
  await slowInsert();
  await whileReading(async (read) => {
    const fast = new SqlEventSink({ database }).append(event('fast'));
    await until(isWaiting, 10_000, 'the second writer to wait');
    await slow.query('ROLLBACK');
    expect(await fast).toMatchObject({ sequence: 1 });
    await read.reached(1);
  });
});

it('without the lock the trap is there: the late event is never read', async () => {
  await slowInsert();
  await whileReading(async (read) => {
    await new SqlEventSink({ database: withoutLock(database) }).append(event('fast'));
    await read.reached(1);
    await slow.query('COMMIT');
    // What notices is the end of the stream, which does not fit either.
    expect(await read.ended()).toMatchObject({ code: 'REGRESSION' });
    expect(read.sequences).toEqual([2]);
  });
});

/** The database with a defect planted: the number comes from a sequence of Postgres, which nobody has to wait for. */
function withoutLock(real: SqlDatabase): SqlDatabase {
  const planted = (session: SqlSession): SqlSession => ({
    insert: (table, rows) => session.insert(table, rows),
    upsert: (table, rows) => session.upsert(table, rows),
    remove: (table, prefix, lasts) => session.remove(table, prefix, lasts),
    find: (table, prefix, lasts) => session.find(table, prefix, lasts),
    change: (text, values) => session.change(text, values),
    query: (text, values = []) =>
      text.startsWith('UPDATE streams')
        ? session.query(`SELECT nextval('planted'), ?::bigint`, [values[1]!])
        : session.query(text, values),
  });
  return {
    name: real.name,
    dialect: real.dialect,
    each: (what, work) => real.each(what, (session) => work(planted(session))),
    read: (what, work) => real.read(what, (session) => work(planted(session))),
    write: (what, work) => real.write(what, (session) => work(planted(session))),
    close: () => real.close(),
  };
}

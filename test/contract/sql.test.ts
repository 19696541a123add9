/** The contracts of store, log and coordinator over every SQL database, and the reference model beside the store. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { SqlCheckpointStore } from '../../src/adapters/sql/sql-checkpoint-store.js';
import { SqlCoordinator } from '../../src/adapters/sql/sql-coordinator.js';
import type { SqlDatabase, SqlRow } from '../../src/adapters/sql/sql-database.js';
import { SqlEventLog } from '../../src/adapters/sql/sql-event-log.js';
import { SqlEventSink } from '../../src/adapters/sql/sql-event-sink.js';
import { ensureStream } from '../../src/adapters/sql/stream-subjects.js';
import * as tables from '../../src/adapters/sql/tables.js';
import { decodeEvent } from '../../src/core/event/decode.js';
import { RecordingSink } from '../support/recording-sink.js';
import { type SqlUnderTest, sqlKinds } from '../support/sql-databases.js';
import { formatOf, rawEvent } from '../unit/raw-events.js';
import { checkpointStoreContract, type StoreUnderTest } from './checkpoint-store.contract.js';
import { checkpointStoreModel } from './checkpoint-store.model.js';
import { coordinatorContract } from './coordinator.contract.js';
import { eventLogContract, type LogHarness, type RawEvent } from './event-log.contract.js';

const STORED = [
  tables.status,
  tables.oplog,
  tables.deadLetters,
  tables.dedupe,
  tables.outbox,
  tables.parked,
] as const satisfies readonly tables.Table[];

for (const kind of sqlKinds) {
  let server: SqlUnderTest;
  let database: SqlDatabase;
  let apps = 0;
  const newApp = (): string => `app-${++apps}`;

  beforeAll(async () => {
    server = await kind.start();
    database = server.connect();
  }, 300_000);
  afterAll(async () => {
    await database?.close();
    await server?.close();
  });

  const createStore = async (): Promise<StoreUnderTest> => {
    const app = newApp();
    return {
      store: new SqlCheckpointStore({ app, database }),
      snapshot: async () => {
        const rows = await rowsOf(database, app);
        return () => restore(database, app, rows);
      },
      loseRecord: (partition) =>
        database.each('losing a record', async (session) => {
          await session.change('DELETE FROM oplog WHERE app = ? AND partition = ?', [app, partition]);
        }),
      close: async () => undefined,
    };
  };

  checkpointStoreContract(kind.name, createStore);
  checkpointStoreModel(kind.name, createStore);

  coordinatorContract(kind.name, async () => {
    const app = newApp();
    return {
      node: (node) => new SqlCoordinator({ database, app, node }),
      close: async () => undefined,
    };
  });

  eventLogContract(`SqlEventLog on ${kind.name}`, async () => openLog(database));

  it(`on ${kind.name} an event_id of somebody's own with a line break is one id that is refused, and no more headers`, async () => {
    const { log, name, store, prefix } = await openLog(database).newStream();
    const sequence = await store({ token: 'key', body: new TextEncoder().encode('{}') });
    await database.write('writing an id', (session) =>
      session.change('UPDATE staging_events SET event_id = ? WHERE stream = ?', ['a\r\nce-id: b', name]),
    );
    const sink = new RecordingSink();
    const reading = await log.read(name, sequence, sink);
    await sink.reached(sequence);
    await reading.stop();
    const headers = new TextDecoder().decode(sink.events[0]!.headers);
    const raw = { ...rawEvent({ subject: `${prefix}key`, body: '{}' }), headers };
    expect(decodeEvent(raw, formatOf(), true)).toMatchObject({
      rejection: { code: 'EVENT_INVALID', problems: ['the id contains a control character'] },
    });
  });
}

async function rowsOf(database: SqlDatabase, app: string): Promise<(readonly SqlRow[])[]> {
  return database.read('taking a snapshot', async (session) => {
    const rows: (readonly SqlRow[])[] = [];
    for (const { name } of STORED) rows.push(await session.query(`SELECT * FROM ${name} WHERE app = ?`, [app]));
    return rows;
  });
}

async function restore(database: SqlDatabase, app: string, rows: readonly (readonly SqlRow[])[]): Promise<void> {
  await database.write('falling back', async (session) => {
    for (const [at, table] of STORED.entries()) {
      await session.change(`DELETE FROM ${table.name} WHERE app = ?`, [app]);
      await session.insert(table, rows[at]!);
    }
  });
}

let streams = 0;

function openLog(database: SqlDatabase): LogHarness {
  const log = new SqlEventLog({ database, heartbeatMs: 100, pollMs: 5, log: () => {} });
  const sink = new SqlEventSink({ database, stored: () => log.wake() });
  return {
    requestedMax: 1,
    async newStream() {
      const name = `S${++streams}`;
      const prefix = `s${streams}.`;
      await ensureStream(database, name, [`${prefix}>`]);
      const change = async (text: string, values: SqlRow): Promise<void> => {
        await database.write(text, (session) => session.change(text, values));
      };
      /** As a program does that inserts by itself, with the two statements of the documentation. */
      const store = ({ token, headers, body }: RawEvent): Promise<number> =>
        database.write('storing', async (session) => {
          const raise =
            'UPDATE streams SET last = last + 1, last_us = last_us + 1 WHERE stream = ? RETURNING last, last_us';
          const [row] = await session.query(raise, [name]);
          const [last, us] = row as [number, number];
          const insert = `INSERT INTO staging_events (stream, sequence, received_us, subject, headers, payload)
            VALUES (?, ?, ?, ?, ?, ?)`;
          await session.change(insert, [name, last, us + 1_700_000_000_000_000, prefix + token, headers ?? null, body]);
          return last;
        });
      return {
        log,
        sink,
        name,
        prefix,
        store,
        async storeMany(count) {
          for (let n = 0; n < count; n++) await store({ token: 'many', body: new Uint8Array(0) });
        },
        remove: (sequence) => change('DELETE FROM staging_events WHERE stream = ? AND sequence = ?', [name, sequence]),
        purge: (first) => change('DELETE FROM staging_events WHERE stream = ? AND sequence < ?', [name, first]),
        async deleteStream() {
          await change('DELETE FROM streams WHERE stream = ?', [name]);
          await change('DELETE FROM staging_events WHERE stream = ?', [name]);
        },
      };
    },
    close: async () => undefined,
  };
}

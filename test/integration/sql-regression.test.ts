/** A SQL log that went back: sequences are used again for other events, and nobody applies those unnoticed. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { SqlDatabase } from '../../src/adapters/sql/sql-database.js';
import { SqlEventLog } from '../../src/adapters/sql/sql-event-log.js';
import { SqlEventSink } from '../../src/adapters/sql/sql-event-sink.js';
import { SqliteDatabase } from '../../src/adapters/sql/sqlite-database.js';
import { ensureStream } from '../../src/adapters/sql/stream-subjects.js';
import { createNode } from '../../src/compose/run.js';
import { RecordingSink } from '../support/recording-sink.js';
import { type SqlUnderTest, sqlKinds } from '../support/sql-databases.js';
import { until } from '../support/until.js';

// Every wait inside has a deadline of its own; this one is for slow machines.
vi.setConfig({ testTimeout: 180_000 });

/** As a restored backup would leave the log. */
async function setBack(database: SqlDatabase, stream: string, last: number): Promise<void> {
  await database.write('setting back', async (session) => {
    await session.change('DELETE FROM staging_events WHERE stream = ? AND sequence > ?', [stream, last]);
    await session.change('UPDATE streams SET last = ? WHERE stream = ?', [last, stream]);
  });
}

describe.each(sqlKinds)('a reading on $name', ({ start }) => {
  let server: SqlUnderTest;
  let database: SqlDatabase;
  let log: SqlEventLog;
  let stream: string;
  let count = 0;

  beforeAll(async () => {
    server = await start();
    database = server.connect();
    log = new SqlEventLog({ database, heartbeatMs: 20, pollMs: 5, log: () => {} });
  }, 300_000);
  afterAll(async () => {
    await database?.close();
    await server?.close();
  });
  beforeEach(async () => {
    stream = `S${++count}`;
    await ensureStream(database, stream, [`${stream}.*`]);
    await append(5);
  });

  async function append(events: number): Promise<void> {
    const sink = new SqlEventSink({ database });
    for (let n = 0; n < events; n++)
      await sink.append({ subject: `${stream}.k`, id: `${Math.random()}`, body: new Uint8Array(1) });
  }

  it('fails with REGRESSION when the log has become shorter than what was read', async () => {
    const read = new RecordingSink();
    const reading = await log.read(stream, 1, read);
    await read.reached(5);
    await setBack(database, stream, 3);
    expect(await read.ended()).toMatchObject({ code: 'REGRESSION' });
    await reading.stop();
  });

  it('fails with REGRESSION when another event has the last sequence by now, and delivers none of the new ones', async () => {
    const read = new RecordingSink();
    const reading = await log.read(stream, 1, read);
    await read.reached(5);
    reading.pause();
    await setBack(database, stream, 3);
    await append(4);
    reading.resume();
    expect(await read.ended()).toMatchObject({ code: 'REGRESSION' });
    expect(read.sequences).toEqual([1, 2, 3, 4, 5]);
    await reading.stop();
  });

  it('has another timestamp for every event that took a sequence over', async () => {
    const before = await log.timeOf(stream, 5);
    await setBack(database, stream, 4);
    await append(1);
    expect(await log.timeOf(stream, 5)).not.toBe(before);
  });
});

describe('a node', () => {
  let dir: string;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'millrace-back-'));
  });
  afterEach(() => rm(dir, { recursive: true, force: true }));

  const nodeOn = (path: string, acceptGap = false) =>
    createNode(
      {
        acceptGap,
        sql: { url: `sqlite:${path}` },
        partitions: 4,
        threads: 1,
        http: { port: 0 },
        probes: { port: 0 },
        order: { mode: 'none' },
        checkpoint: { interval: '20ms' },
      },
      { log: () => undefined },
    );

  it('stops every partition that has read further than the log now goes, and goes on when that is accepted', async () => {
    const path = join(dir, 'millrace.db');
    const first = await nodeOn(path);
    await first.start();
    const events = Array.from({ length: 40 }, (_, n) => ({ key: `k${n}`, id: `${n}`, data: n }));
    const headers = { 'content-type': 'application/json' };
    await fetch(`${first.url}/v1/events`, { method: 'POST', headers, body: JSON.stringify(events) });
    const applied = () =>
      first.status()!.partitions.reduce((total, { report }) => total + (report?.counters.applied ?? 0), 0);
    await until(() => applied() === 40, 20_000, '40 applied events');
    await first.stop();

    const database = new SqliteDatabase({ path });
    await setBack(database, 'EVENTS', 20);
    await database.close();
    const second = await nodeOn(path);
    await second.start();
    const halted = second.status()!.partitions.map(({ phase, fault }) => [phase, fault?.code]);
    expect(halted).toEqual(Array.from({ length: 4 }, () => ['halted', 'REGRESSION']));
    await second.stop();

    const third = await nodeOn(path, true);
    await third.start();
    expect(third.status()!.partitions.map(({ phase }) => phase)).toEqual(Array.from({ length: 4 }, () => 'running'));
    await third.stop();
  });
});

/** Old events leave the SQL log, and never one that a partition may still have to read. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { checkLayout } from '../../src/adapters/sql/schema.js';
import type { SqlDatabase } from '../../src/adapters/sql/sql-database.js';
import { SqlEventLog } from '../../src/adapters/sql/sql-event-log.js';
import { SqlEventSink } from '../../src/adapters/sql/sql-event-sink.js';
import { StagingRetention } from '../../src/adapters/sql/staging-retention.js';
import { ensureStream } from '../../src/adapters/sql/stream-subjects.js';
import { oplog } from '../../src/adapters/sql/tables.js';
import { systemClock } from '../../src/adapters/system/system-clock.js';
import { type SqlUnderTest, sqlKinds } from '../support/sql-databases.js';

const EVENTS = 2_500;
const DAY_MS = 86_400_000;

describe.each(sqlKinds)('$name', ({ start }) => {
  let server: SqlUnderTest;
  let database: SqlDatabase;
  let stream: string;
  let count = 0;

  beforeAll(async () => {
    server = await start();
    database = server.connect();
  }, 300_000);
  afterAll(async () => {
    await database?.close();
    await server?.close();
  });
  beforeEach(async () => {
    stream = `S${++count}`;
    await ensureStream(database, stream, [`${stream}.*`]);
    const sink = new SqlEventSink({ database });
    const event = (n: number) => ({ subject: `${stream}.k`, id: `${n}`, body: new Uint8Array(1) });
    await Promise.all(Array.from({ length: EVENTS }, (_, n) => sink.append(event(n))));
  });

  /** An application of two partitions that have come so far. */
  async function app(
    name: string,
    ...positions: (readonly [position: number | null, anchor: number])[]
  ): Promise<void> {
    await checkLayout(database, name, { partitions: 2, hash: 'fnv1a32', format: 1 });
    const rows = positions.map(([position, anchor], at) => [name, at, 'o', 1, stream, position, anchor, null, '']);
    await database.write('writing positions', (session) => session.upsert(oplog, rows));
  }

  const prune = (keepMs: number, nowMs = Date.now() + 1_000): Promise<number> =>
    new StagingRetention({
      database,
      stream,
      keepMs,
      clock: { ...systemClock, now: () => nowMs },
      log: () => {},
    }).prune();
  const ends = () => new SqlEventLog({ database, heartbeatMs: 100, log: () => {} }).info(stream);

  it('events go up to the slowest partition of all applications, and its anchor stays', async () => {
    await app(`${stream}-a`, [2_400, 2_450], [2_300, 2_450]);
    await app(`${stream}-b`, [2_400, 2_100], [2_500, 2_500]);
    expect(await prune(0)).toBe(2_099);
    expect(await ends()).toEqual({ stream, first: 2_100, last: EVENTS });
    expect(await prune(0)).toBe(0);
  });

  it('events go when they are old enough', async () => {
    await app(`${stream}-a`, [EVENTS, EVENTS], [EVENTS, EVENTS]);
    expect(await prune(DAY_MS)).toBe(0);
    expect(await prune(DAY_MS, Date.now() + DAY_MS + 5_000)).toBe(EVENTS - 1);
  });

  it('nothing goes while a partition is not known to have read it', async () => {
    expect(await prune(0)).toBe(0); // nobody reads the stream
    await app(`${stream}-a`, [EVENTS, EVENTS]);
    expect(await prune(0)).toBe(0); // one of two has no record
    await app(`${stream}-a`, [EVENTS, EVENTS], [null, EVENTS]);
    expect(await prune(0)).toBe(0); // its record cannot be read
  });
});

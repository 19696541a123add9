/** A stream in the table `staging_events`, as a publisher in any language writes it and as any SQL client reads it. */
import type { SqlDatabase, SqlRow } from '../../src/adapters/sql/sql-database.js';
import { stagingEvents } from '../../src/adapters/sql/tables.js';
import type { Captured } from './capture.js';
import type { Message } from './workload.js';

const PAGE = 10_000;

/** One transaction. Throws if its outcome is unknown: then it may be there. */
export async function insertBatch(database: SqlDatabase, stream: string, batch: readonly Message[]): Promise<void> {
  if (batch.length === 0) return;
  await database.write('publishing a batch', async (session) => {
    const raise = 'UPDATE streams SET last = last + ?, last_us = ? WHERE stream = ? AND last_us < ? RETURNING last';
    const us = Date.now() * 1_000 + batch.length;
    const [row] = await session.query(raise, [batch.length, us, stream, us]);
    if (row === undefined) throw new Error('the clock went back');
    const first = (row[0] as number) - batch.length + 1;
    const rows = batch.map(({ subject, body, headers }, at): SqlRow => {
      const payload = typeof body === 'string' ? Buffer.from(body) : body;
      const id = headers?.['Nats-Msg-Id'] ?? null;
      return [stream, first + at, id, null, null, null, us - batch.length + at + 1, subject, null, payload];
    });
    await session.insert(stagingEvents, rows);
  });
}

/** All events of a stream, in its order. */
export async function captureTable(database: SqlDatabase, stream: string): Promise<Captured[]> {
  const captured: Captured[] = [];
  const text = `SELECT sequence, received_us, subject, event_id, payload FROM staging_events
    WHERE stream = ? AND sequence > ? AND sequence <= ? ORDER BY sequence`;
  for (;;) {
    const from = captured.length;
    const rows = await database.each('capturing', (session) => session.query(text, [stream, from, from + PAGE]));
    for (const [sequence, us, subject, id, payload] of rows)
      captured.push({
        sequence: sequence as number,
        timeMs: Math.floor((us as number) / 1_000),
        subject: subject as string,
        headers: new Map(id === null ? [] : [['nats-msg-id', id as string]]),
        body: Buffer.from(payload as Uint8Array),
      });
    if (rows.length === 0) return captured;
    if (captured.at(-1)?.sequence !== captured.length) throw new Error('the stream has a hole');
  }
}

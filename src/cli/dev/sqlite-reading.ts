/** What is in a SQLite file at the end, read with plain SQL as any client would. */
import type { SqliteConnection } from '../../adapters/sql/sqlite-connection.js';
import { openSqlite } from '../../adapters/sql/sqlite-connection.js';
import type { StoredAccount, StoredAccounts } from './stored-accounts.js';
import { AccountsReading } from './stored-accounts.js';
import type { Capture, CapturedEvent } from './stream-capture.js';

const PAGE = 5_000;
const EVENTS = `SELECT sequence, received_us, subject, headers, payload, event_id FROM staging_events
  WHERE stream = ? AND sequence > ? ORDER BY sequence LIMIT ${PAGE}`;

/** Hands every stored event to `take`, in order. */
export function captureSqlite(path: string, stream: string, take: (event: CapturedEvent) => void): Capture {
  return reading(path, (database) => {
    const events = database.prepare(EVENTS);
    const capture = { first: 1, last: 0 };
    for (let rows = events.all([stream, 0]); rows.length > 0; rows = events.all([stream, capture.last])) {
      if (capture.last === 0) capture.first = rows[0]![0] as number;
      for (const [sequence, us, subject, headers, payload, id] of rows) {
        capture.last = sequence as number;
        take({
          sequence: capture.last,
          streamTime: (us as number) / 1_000,
          subject: subject as string,
          body: Buffer.from(payload as Uint8Array).toString('utf8'),
          header: (name) => headerOf(name, headers as Uint8Array | null, id as string),
        });
      }
    }
    return capture;
  });
}

/** The id has a column of its own; other headers are lines. */
function headerOf(name: string, headers: Uint8Array | null, id: string): string | undefined {
  if (name.toLowerCase() === 'nats-msg-id') return readText(id);
  const lines = headers === null ? [] : Buffer.from(headers).toString('utf8').split('\r\n');
  const line = lines.find((one) => one.toLowerCase().startsWith(`${name.toLowerCase()}:`));
  return line?.slice(name.length + 1).trim();
}

/** Keys and ids have `%` as `%25` and NUL as `%00`. */
const readText = (text: string): string => text.replaceAll('%00', '\0').replaceAll('%25', '%');

export function readSqliteAccounts(path: string, app: string, partitions: number): StoredAccounts {
  return reading(path, (database) => {
    const found = new AccountsReading(partitions);
    const rows = (text: string): ReturnType<ReturnType<SqliteConnection['prepare']>['all']> =>
      database.prepare(text).all([app]);
    for (const [partition, record] of rows('SELECT partition, record FROM oplog WHERE app = ?'))
      found.addRecord(partition as number, record as string);
    for (const [key, partition, state, id, applied] of rows(
      'SELECT key, partition, state, event_id, applied FROM status WHERE app = ?',
    )) {
      const account: StoredAccount = {
        state: JSON.parse(state as string),
        applied: applied as number,
        id: readText((id as string | null) ?? ''),
      };
      found.addAccount(partition as number, readText(key as string), account);
    }
    for (const [partition, sequence, letter] of rows(
      'SELECT partition, sequence, letter FROM dead_letters WHERE app = ?',
    ))
      found.addLetter(partition as number, Number(sequence), letter as string);
    return found;
  });
}

function reading<T>(path: string, read: (database: SqliteConnection) => T): T {
  const database = openSqlite(path);
  try {
    return read(database);
  } finally {
    database.close();
  }
}

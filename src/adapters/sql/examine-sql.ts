/** What a SQL database says of itself, for people who want to know whether it is set safely. Changes nothing. */
import { constants } from 'node:fs';
import { access, stat, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { messageOf } from '../../errors.js';
import type { SqlDatabase, SqlSession } from './sql-database.js';
import { allTables } from './tables.js';

export interface SqliteExamination {
  readonly journalMode: string;
  /** As nodes open it: 2 is FULL. */
  readonly synchronous: number;
  readonly fileBytes: number;
  /** Of the disk, for us. */
  readonly freeBytes: number;
  /** What our user may not do. */
  readonly refused: readonly string[];
}

export interface PostgresExamination {
  readonly version: string;
  /** Settings by name; `undefined` where the server has none of that name. */
  readonly settings: Readonly<Record<(typeof SETTINGS)[number], string | undefined>>;
  /** It follows another server and takes no writes. */
  readonly isReplica: boolean;
  /** Its clock minus ours, ms. */
  readonly skewMs: number;
  readonly refused: readonly string[];
}

const SETTINGS = ['synchronous_commit', 'fsync', 'full_page_writes', 'max_connections'] as const;
const NEEDED = ['SELECT', 'INSERT', 'UPDATE', 'DELETE'] as const;

export async function examineSqlite(database: SqlDatabase, path: string): Promise<SqliteExamination> {
  const pragma = async (name: string): Promise<unknown> =>
    (await database.each(`asking for ${name}`, (session) => session.query(`PRAGMA ${name}`)))[0]?.[0];
  const disk = await statfs(dirname(path));
  const refused: string[] = [];
  // The journal lies beside the file, so the directory must be writable, too.
  for (const [what, place] of [
    ['writing the file', path],
    ['writing its directory, for the journal', dirname(path)],
  ] as const)
    await access(place, constants.R_OK | constants.W_OK).catch((error: unknown) => {
      refused.push(`${what}: ${messageOf(error)}`);
    });
  return {
    journalMode: String(await pragma('journal_mode')),
    synchronous: Number(await pragma('synchronous')),
    fileBytes: (await stat(path)).size,
    freeBytes: disk.bavail * disk.bsize,
    refused,
  };
}

export function examinePostgres(database: SqlDatabase): Promise<PostgresExamination> {
  return database.each('examining the server', async (session) => {
    const values = await session.query(
      'SELECT name, setting FROM pg_settings WHERE name = ANY(string_to_array(?, ?))',
      [SETTINGS.join(), ','],
    );
    const found = new Map(values.map(([name, value]) => [name, String(value)]));
    const before = Date.now();
    const [[version, isReplica, now] = []] = await session.query(
      `SELECT current_setting('server_version'), CASE WHEN pg_is_in_recovery() THEN 1 ELSE 0 END,
              CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)`,
    );
    const skewMs = Number(now) - (before + Date.now()) / 2;
    const settings = Object.fromEntries(
      SETTINGS.map((name) => [name, found.get(name)]),
    ) as PostgresExamination['settings'];
    return {
      version: String(version),
      settings,
      isReplica: isReplica === 1,
      skewMs,
      refused: await refusedOf(session),
    };
  });
}

async function refusedOf(session: SqlSession): Promise<string[]> {
  const refused: string[] = [];
  for (const { name } of allTables)
    for (const right of NEEDED) {
      const [[has] = []] = await session.query('SELECT CASE WHEN has_table_privilege(?, ?) THEN 1 ELSE 0 END', [
        name,
        right,
      ]);
      if (has !== 1) refused.push(`${right} on ${name}`);
    }
  return refused;
}

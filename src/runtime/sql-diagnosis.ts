/** What is wrong, or could be, with the SQL database of an application: facts in, findings out, as in diagnosis.ts. */
import { type Finding, finding, ok, permissions } from './diagnosis.js';

export interface SqliteFacts {
  readonly journalMode: string;
  readonly synchronous: number;
  readonly fileBytes: number;
  readonly freeBytes: number;
  readonly refused: readonly string[];
}

export interface PostgresFacts {
  readonly version: string;
  readonly settings: {
    readonly synchronous_commit: string | undefined;
    readonly fsync: string | undefined;
    readonly full_page_writes: string | undefined;
    readonly max_connections: string | undefined;
  };
  readonly isReplica: boolean;
  readonly skewMs: number;
  readonly refused: readonly string[];
}

/** `PRAGMA synchronous`: 2 is FULL, 3 EXTRA. */
const SYNCHRONOUS_MIN = 2;
const FREE_BYTES_MIN = 2 ** 30;
/** The oldest release that is still maintained. */
const POSTGRES_MIN = 14;
/** Connections of a node, each of its threads and of commands. */
const CONNECTIONS_MIN = 20;
const SKEW_MS_MAX = 1_000;

export function diagnoseSqlite(facts: SqliteFacts): Finding[] {
  const { journalMode, synchronous, fileBytes, freeBytes, refused } = facts;
  const space = `${gibibytes(freeBytes)} free beside a file of ${gibibytes(fileBytes)}`;
  return [
    journalMode === 'wal'
      ? ok('sqlite.journal_mode', 'wal')
      : finding(
          'sqlite.journal_mode',
          `journal_mode is ${journalMode}`,
          'readers and the writer wait for each other, and checkpoints take several times as long',
          'run `PRAGMA journal_mode = WAL` once while no node runs; a network file system cannot: move the file to a local disk',
        ),
    synchronous >= SYNCHRONOUS_MIN
      ? ok('sqlite.synchronous', 'FULL: what was committed survives a power cut')
      : finding(
          'sqlite.synchronous',
          `synchronous is ${synchronous}`,
          'a power cut loses acknowledged events and checkpoints',
          'use this version’s commands and nodes; they open the file with FULL',
        ),
    freeBytes >= Math.max(FREE_BYTES_MIN, fileBytes / 10)
      ? ok('sqlite.space', space)
      : finding(
          'sqlite.space',
          space,
          'on a full disk publishers are refused and nothing is applied until there is room; nothing is lost',
          'make room, or keep events for less long: sql.keep',
        ),
    permissions(
      'sqlite.permissions',
      refused,
      'events and checkpoints cannot be stored',
      'chown and chmod what is listed',
    ),
  ];
}

export function diagnosePostgres({ version, settings, isReplica, skewMs, refused }: PostgresFacts): Finding[] {
  const { synchronous_commit: synchronousCommit, fsync, full_page_writes: fullPages, max_connections: most } = settings;
  return [
    Number.parseInt(version, 10) >= POSTGRES_MIN
      ? ok('postgres.version', `Postgres ${version}`)
      : finding(
          'postgres.version',
          `Postgres ${version}`,
          'it gets no corrections any more',
          'update to a maintained release',
        ),
    isReplica
      ? finding(
          'postgres.role',
          'the server is a read-only replica',
          'nothing can be stored, so no node starts',
          'name the primary in sql.url, for example with target_session_attrs=read-write',
        )
      : ok('postgres.role', 'the server takes writes'),
    setting(
      'synchronous_commit',
      synchronousCommit,
      (value) => value !== 'off',
      'a crash of the server loses acknowledged events and checkpoints of the last moments; their sequences are given again',
      'ALTER SYSTEM SET synchronous_commit = on; SELECT pg_reload_conf()',
    ),
    setting(
      'fsync',
      fsync,
      (value) => value === 'on',
      'a power cut may leave a database that cannot be repaired',
      'ALTER SYSTEM SET fsync = on; SELECT pg_reload_conf()',
    ),
    setting(
      'full_page_writes',
      fullPages,
      (value) => value === 'on',
      'a power cut in the middle of a page may leave torn pages that nobody notices',
      'ALTER SYSTEM SET full_page_writes = on; SELECT pg_reload_conf()',
    ),
    setting(
      'max_connections',
      most,
      (value) => Number(value) >= CONNECTIONS_MIN,
      'nodes, their threads and commands take some connections each, and wait where there is none',
      `raise it to ${CONNECTIONS_MIN} or more, or put a pooler before the server`,
    ),
    permissions(
      'postgres.permissions',
      refused,
      'events or checkpoints cannot be stored or read',
      'GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO the user',
    ),
    Math.abs(skewMs) <= SKEW_MS_MAX
      ? ok('clock.skew', `the clock of Postgres differs from ours by ${Math.round(Math.abs(skewMs))} ms`)
      : finding(
          'clock.skew',
          `the clock of Postgres differs from ours by ${Math.round(Math.abs(skewMs))} ms`,
          'events that applications insert with its time count as late or ahead',
          'let the machines keep their time with NTP',
        ),
  ];
}

function setting(
  name: string,
  value: string | undefined,
  isSafe: (value: string) => boolean,
  consequence: string,
  fix: string,
): Finding {
  const check = `postgres.${name}`;
  // Databases that speak its protocol do not have all of its settings.
  if (value === undefined) return { check, level: 'unknown', found: 'the server does not say', consequence, fix };
  return isSafe(value) ? ok(check, value) : finding(check, `${name} is ${value}`, consequence, fix);
}

const gibibytes = (bytes: number): string => `${(bytes / 2 ** 30).toFixed(1)} GiB`;

/**
 * The tables of the sink and the statements over them. `status` is for everybody's SQL, `status_position` says how
 * current it is.
 */

export const TABLES_EXIST = `SELECT to_regclass('status') IS NOT NULL AND to_regclass('status_position') IS NOT NULL AS exist`;

export const CREATE_TABLES = `
CREATE TABLE IF NOT EXISTS status (
  app text NOT NULL,
  key text COLLATE "C" NOT NULL,
  partition integer NOT NULL,
  state text NOT NULL,
  event_time_ms bigint,
  event_id text,
  sequence bigint,
  key_sequence bigint,
  applied bigint,
  PRIMARY KEY (app, key)
);
CREATE INDEX IF NOT EXISTS status_by_partition ON status (app, partition, key);
CREATE TABLE IF NOT EXISTS status_position (
  app text NOT NULL,
  partition integer NOT NULL,
  owner text NOT NULL,
  checkpoint bigint,
  writes bigint NOT NULL,
  written_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (app, partition)
)`;

/** $1 app, $2 partitions. */
export const ADD_POSITIONS = `
INSERT INTO status_position (app, partition, owner, writes)
SELECT $1, partition, '', 0 FROM unnest($2::integer[]) AS p (partition)
ON CONFLICT (app, partition) DO NOTHING`;

/** In the order of the partitions: two nodes that want the same rows do not wait for each other in a circle. */
export const LOCK_POSITIONS = `
SELECT partition, owner, checkpoint::text, writes::text FROM status_position
WHERE app = $1 AND partition = ANY ($2::integer[])
ORDER BY partition FOR UPDATE`;

/** $1 app, then one array per column. A row that would stay the same is not written. */
export const UPSERT_STATES = `
INSERT INTO status AS s (app, key, partition, state, event_time_ms, event_id, sequence, key_sequence, applied)
SELECT $1, u.* FROM unnest($2::text[], $3::integer[], $4::text[], $5::bigint[], $6::text[], $7::bigint[], $8::bigint[],
  $9::bigint[]) AS u
ON CONFLICT (app, key) DO UPDATE SET
  partition = excluded.partition, state = excluded.state, event_time_ms = excluded.event_time_ms,
  event_id = excluded.event_id, sequence = excluded.sequence, key_sequence = excluded.key_sequence,
  applied = excluded.applied
WHERE (s.state, s.event_time_ms, s.event_id, s.sequence, s.key_sequence, s.applied, s.partition) IS DISTINCT FROM
  (excluded.state, excluded.event_time_ms, excluded.event_id, excluded.sequence, excluded.key_sequence,
  excluded.applied, excluded.partition)`;

/** $1 app, $2 keys, $3 their partitions: a row that has moved to another partition since is that one's. */
export const DELETE_STATES = `
DELETE FROM status AS s USING unnest($2::text[], $3::integer[]) AS u (key, partition)
WHERE s.app = $1 AND s.key = u.key AND s.partition = u.partition`;

export const WRITE_POSITIONS = `
UPDATE status_position AS p
SET owner = u.owner, checkpoint = u.checkpoint, writes = u.writes, written_at = now()
FROM unnest($2::integer[], $3::text[], $4::bigint[], $5::bigint[]) AS u (partition, owner, checkpoint, writes)
WHERE p.app = $1 AND p.partition = u.partition`;

/** $1 app, $2 partition, $3 key after which, $4 how many. */
export const LIST_KEYS = `
SELECT key FROM status WHERE app = $1 AND partition = $2 AND key > $3 ORDER BY key LIMIT $4`;

/** A key or id as its column holds it: `%` as `%25`, and NUL, which Postgres refuses, as `%00`. */
export function storedKey(key: string): string {
  return key.replaceAll('%', '%25').replaceAll('\0', '%00');
}

export function readKey(stored: string): string {
  return stored.replaceAll('%00', '\0').replaceAll('%25', '%');
}

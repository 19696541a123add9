/**
 * Every table that Millrace keeps in a SQL database: names and columns are public, any SQL client may read them. The
 * `CREATE` statements of both dialects and the statements for many rows follow from here.
 *
 * Times ending in `_us` are microseconds since the epoch, those ending in `_ms` milliseconds. Columns of text that
 * may hold any text (keys, ids) carry `%` as `%25` and NUL as `%00`; all others are as they are.
 */

/** `integer`: 64 bits. */
export type ColumnType = 'text' | 'integer' | 'bytes';

export interface Column {
  readonly name: string;
  readonly type: ColumnType;
  readonly isNullable: boolean;
}

export interface Table {
  readonly name: string;
  readonly columns: readonly Column[];
  /** Primary key. */
  readonly key: readonly string[];
}

/** Changes with every change of a table; a database of another version is refused. */
export const SCHEMA_VERSION = 1;

type Specification = Readonly<Record<string, ColumnType | `${ColumnType}?`>>;

function table(name: string, key: readonly string[], columns: Specification): Table {
  return {
    name,
    key,
    columns: Object.entries(columns).map(([column, type]) => ({
      name: column,
      type: type.replace('?', '') as ColumnType,
      isNullable: type.endsWith('?'),
    })),
  };
}

/**
 * The log of events. Rows are only ever inserted, and removed by retention. `sequence` is dense within a stream.
 * `headers` is a header block as NATS carries it; where it is null, `event_id` stands for the only header,
 * `Nats-Msg-Id`. `key`, `partition` and `event_time_ms` are for people: what counts is in subject and payload.
 */
export const stagingEvents = table('staging_events', ['stream', 'sequence'], {
  stream: 'text',
  sequence: 'integer',
  event_id: 'text?',
  key: 'text?',
  partition: 'integer?',
  event_time_ms: 'integer?',
  received_us: 'integer',
  subject: 'text',
  headers: 'bytes?',
  payload: 'bytes',
});

/** Streams of the log: which subjects each takes, and its newest sequence and time of receipt. */
const streams = table('streams', ['stream'], {
  stream: 'text',
  subjects: 'text',
  last: 'integer',
  last_us: 'integer',
});

/**
 * The state of each key. `state` is the JSON that the handler returned; `event_time_ms`, `event_id` and `sequence`
 * are of the newest event that was applied, `applied` counts them.
 */
export const status = table('status', ['app', 'key'], {
  app: 'text',
  key: 'text',
  partition: 'integer',
  state: 'text',
  event_time_ms: 'integer?',
  event_id: 'text?',
  sequence: 'integer?',
  key_sequence: 'integer?',
  applied: 'integer?',
});

/**
 * Progress of each partition, written in the transaction that writes its states. `record` holds everything; `owner`
 * and `number` are the guard, the rest is the record's own content for whoever looks.
 */
export const oplog = table('oplog', ['app', 'partition'], {
  app: 'text',
  partition: 'integer',
  owner: 'text',
  number: 'integer',
  stream: 'text?',
  position: 'integer?',
  anchor: 'integer?',
  watermark_ms: 'integer?',
  record: 'text',
});

/** Events set aside; `letter` is the JSON with reason and original bytes. */
export const deadLetters = table('dead_letters', ['app', 'partition', 'sequence'], {
  app: 'text',
  partition: 'integer',
  sequence: 'text',
  letter: 'text',
});

/** Ids of decided events, in segments. */
export const dedupe = table('dedupe', ['app', 'partition', 'segment'], {
  app: 'text',
  partition: 'integer',
  segment: 'integer',
  ids: 'bytes',
});

/** Outputs that are not known to be published. */
export const outbox = table('outbox', ['app', 'partition', 'id'], {
  app: 'text',
  partition: 'integer',
  id: 'text',
  output: 'text',
});

/** Parked events by sequence, and quarantined keys as `key:<key>`. */
export const parked = table('parked', ['app', 'partition', 'field'], {
  app: 'text',
  partition: 'integer',
  field: 'text',
  value: 'text',
});

/**
 * Who claimed a partition last. `origin` is the first sequence of the stream when the partition's first record was
 * written: the proof that there must be a row in `oplog`.
 */
const ownership = table('ownership', ['app', 'partition'], {
  app: 'text',
  partition: 'integer',
  epoch: 'integer',
  node: 'text',
  origin: 'integer?',
  since: 'text',
});

/** Which node works for an application, where several may; `until_ms` by the server's clock. */
const leases = table('leases', ['app'], { app: 'text', node: 'text', nonce: 'text', until_ms: 'integer' });

/** Facts about the database: `schema` with an empty app, and `layout` of each application. */
export const meta = table('millrace_meta', ['app', 'name'], { app: 'text', name: 'text', value: 'text' });

export const allTables: readonly Table[] = [
  meta,
  streams,
  stagingEvents,
  status,
  oplog,
  deadLetters,
  dedupe,
  outbox,
  parked,
  ownership,
  leases,
];

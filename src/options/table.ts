/**
 * The one table of options. Types, validation, JSON Schema, --help, docs/options.md and config/default.yaml are all
 * derived from it; after a change here, `node dist/src/options/generate.js` writes the two generated files again.
 *
 * The order of the rows is the order in which people read them.
 */
import { availableParallelism, hostname } from 'node:os';
import type { Place } from '../core/event/event-format.js';
import { choice, credential, json, path, text, toggle, whole, wholeOrAuto } from './kinds.js';
import { partitionPlace, place } from './places.js';
import { duration, size } from './quantities.js';
import type { AnyRow } from './row.js';
import { computed, option, optional } from './row.js';
import { subjectList, subjectTemplate, templateFor } from './subjects.js';
import { natsUrls, postgresUrl, redisUrl, sqlUrl } from './urls.js';

const appName = text('name', /^[a-z0-9][a-z0-9-]{0,31}$/, '1 to 32 characters of a-z, 0-9 and -, not beginning with -');
const nodeName = text(
  'name',
  /^(?!.{129})[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$/,
  'at most 128 characters of A-Z, a-z, 0-9, - and _, with single dots between',
);
const streamName = text('name', /^[A-Za-z0-9_-]{1,128}$/, '1 to 128 characters of A-Z, a-z, 0-9, - and _');
const host = text('host', /^[A-Za-z0-9._:-]+$/, 'a host name or an IP address');
const token = text('token', /^[!-~]+$/, 'printable ASCII without spaces');
const handler = text(
  'handler',
  /^(status|ledger|[^\0]*[./\\][^\0]*)$/,
  'status, ledger, or the path of a module such as ./handler.js',
);

/** Threads where nobody says: one core stays free for the main thread; more than 4 help only with heavy handlers. */
/** One main thread feeds more threads than this, and takes a sixth of the work of an event: it needs no core of its own. */
const THREADS_AUTO_MAX = 4;
const threadsAuto = (): number => Math.min(availableParallelism(), THREADS_AUTO_MAX);

const PORT_WHY = 'it is a TCP port';
const HELD_WHY = 'it has to hold something';

export const optionTable = {
  app: option(appName, 'main', 'Name of the application; it is part of every Redis key and of the ownership bucket.'),
  node: computed(
    nodeName,
    'the host name',
    () => hostname(),
    'Name of this node, different for each node of an application.',
  ),
  handler: option(handler, 'status', 'What is done with events: a handler that ships, or the path of your module.'),
  handlerOptions: option(json, {}, 'Options of the handler, given to it as they are.'),
  partitions: option(
    whole({ min: 1, max: 4096, why: 'each partition is a record in Redis and a buffer in memory' }),
    64,
    'How many slices the keys are divided into. Stored with the data: it is chosen once per application.',
  ),
  threads: option(
    wholeOrAuto({ min: 1, max: 64, why: 'each thread is a JavaScript heap of its own' }, threadsAuto),
    'auto',
    'Worker threads of this node. `auto` is as many as there are cores, at most 4.',
  ),
  acceptGap: option(
    toggle,
    false,
    'Go on without events or a checkpoint that are gone. Otherwise such a partition stops and says which range is missing.',
  ),
  drainTimeout: option(
    duration({ min: '1s', max: '10m', why: 'shorter saves nothing, longer outlasts whoever waits for the end' }),
    '20s',
    'How long a node that is stopped may take to store what is decided; give whoever stops it some seconds more.',
  ),
  statusSink: optional(
    postgresUrl,
    'Postgres database to whose table `status` committed state is copied, for readers that want SQL.',
    { fromFile: true },
  ),

  'nats.url': option(natsUrls, 'nats://127.0.0.1:4222', 'NATS servers; tls:// for TLS.', {
    env: ['NATS_URL'],
    flag: 'nats',
    fromFile: true,
  }),
  'nats.credentials': optional(path, 'A .creds file with the JWT and seed of a NATS user.'),
  'nats.nkeySeed': optional(path, 'A file with the seed of an nkey.'),
  'nats.user': optional(credential, 'NATS user name.'),
  'nats.password': optional(credential, 'Password of the NATS user.', { secret: true }),
  'nats.token': optional(credential, 'NATS token.', { secret: true }),
  'nats.tlsCa': optional(path, 'Certificates of the authorities that may sign for the NATS servers, PEM.'),
  'nats.tlsCert': optional(path, 'Client certificate for NATS, PEM.'),
  'nats.tlsKey': optional(path, 'Key of the client certificate for NATS, PEM.'),

  'redis.url': option(redisUrl, 'redis://127.0.0.1:6379', 'Redis server; rediss:// for TLS.', {
    env: ['REDIS_URL'],
    flag: 'redis',
    fromFile: true,
  }),
  'redis.username': optional(credential, 'Redis ACL user.'),
  'redis.password': optional(credential, 'Redis password.', { secret: true }),
  'redis.tlsCa': optional(path, 'Certificates of the authorities that may sign for the Redis server, PEM.'),
  'redis.commandTimeout': option(
    duration({ min: '50ms', max: '10m', why: 'shorter fails on a busy server, longer hides one that is gone' }),
    '5s',
    'How long a Redis command may take before its outcome counts as unknown.',
  ),

  'sql.url': optional(
    sqlUrl,
    'A SQL database that holds events and state in place of NATS and Redis: sqlite: and a path, or a postgres:// URL.',
    { flag: 'sql', fromFile: true },
  ),
  'sql.keep': option(
    duration({ min: '1s', zero: 'allowed', why: 'events are removed in batches; 0 keeps them for ever' }),
    '7d',
    'How long events stay in the SQL database once every partition has decided them.',
  ),

  'stream.name': option(streamName, 'EVENTS', 'Stream that holds the events.'),
  'stream.subjects': option(subjectList, ['events.*'], 'Subjects of the stream.'),
  'stream.count': option(
    whole({ min: 1, max: 256, why: 'each stream is read on its own' }),
    1,
    'How many streams the partitions are spread over. More than one needs the mapping that provision prints.',
    { flag: 'streams' },
  ),
  'stream.replicas': option(
    whole({ min: 1, max: 5, why: 'JetStream keeps at most 5 copies' }),
    1,
    'Copies of the stream in a NATS cluster, used when the stream is created.',
  ),
  'stream.maxAge': option(
    duration({ min: '100ms', zero: 'allowed', why: 'the NATS server refuses less; 0 keeps events for ever' }),
    0,
    'How long events stay in the stream, used when it is created. 0 keeps them for ever.',
  ),
  'stream.maxBytes': option(size(), 0, 'Largest size of the stream, used when it is created. 0 is no limit.'),
  'stream.duplicateWindow': option(
    duration({ min: '100ms', why: 'the NATS server refuses less' }),
    '2m',
    'How long JetStream itself remembers message ids, used when the stream is created.',
  ),
  'stream.publishSubject': computed(
    subjectTemplate,
    'events.{key}, or what follows from stream.subjects',
    (values) => {
      const subjects = values.get('stream.subjects') as readonly string[] | undefined;
      return templateFor(subjects ?? [], (values.get('event.key') as Place | undefined) ?? { kind: 'auto' });
    },
    'Subject that the publisher and HTTP publish to; {key} stands for the key.',
  ),

  'event.key': option(
    place('key'),
    'subject:2',
    'Where the key is: a token of the subject, a header, or in the body.',
    {
      property: 'event.format.key',
    },
  ),
  'event.id': option(
    place('id'),
    'auto',
    'Where the id is. `auto` reads the body, Nats-Msg-Id and ce-id; `content:` derives it from the fields that are named.',
    { property: 'event.format.id' },
  ),
  'event.time': option(
    place('time'),
    'auto',
    'Where the time is. `auto` reads the body or ce-time; an event without one gets the time of the stream.',
    { property: 'event.format.time' },
  ),
  'event.sequence': option(
    place('sequence'),
    'auto',
    "Where the sequence is: the event's place in its key's own numbering.",
    {
      property: 'event.format.sequence',
    },
  ),
  'event.type': option(place('type'), 'auto', 'Where the type is. `auto` reads the body or ce-type.', {
    property: 'event.format.type',
  }),
  'event.data': option(
    place('data'),
    'auto',
    'Where the data is. `auto` reads `data` of the body; `body` takes all of it.',
    {
      property: 'event.format.data',
    },
  ),
  'event.partition': option(
    partitionPlace,
    'key',
    'Where the partition comes from: the hash of the key, or subject:N if that token already is its number.',
  ),

  'order.mode': option(
    choice('time', 'none', 'sequence'),
    'time',
    'Order in which the events of a key are applied: by event time, as they arrive, or by their own numbers.',
  ),
  'order.settle': option(
    duration({ max: '60s', why: 'every event waits this long in memory before it is applied' }),
    '2s',
    'How long an event waits for earlier ones.',
  ),
  'order.idle': option(
    duration({ min: '10ms', why: 'shorter takes an ordinary pause between two events for the last of them' }),
    '1s',
    'After this long without an event, a partition applies what it still holds.',
  ),
  'order.first': option(
    whole({ min: 0, why: 'numbers are whole and not negative' }),
    1,
    'With order sequence: the number of the first event of a key.',
  ),
  'order.gapTimeout': option(
    duration({ min: '10ms', why: 'shorter takes ordinary disorder for a loss' }),
    '30s',
    'With order sequence: how long a missing number is waited for.',
  ),
  'order.gap': option(
    choice('quarantine', 'skip', 'halt'),
    'quarantine',
    'With order sequence: what happens when a number did not come: the key waits, goes on without it, or the partition stops.',
  ),
  'order.late': option(
    choice('drop', 'apply', 'dead-letter'),
    'dead-letter',
    'What happens to an event that comes after a newer one of its key was applied.',
  ),
  'order.aheadMax': option(
    duration(),
    '1m',
    'How far an event may be ahead of the time at which the stream stored it.',
  ),
  'order.ahead': option(
    choice('dead-letter', 'clamp'),
    'dead-letter',
    'What happens to an event further ahead: it is set aside, or takes the time of the stream.',
  ),
  'order.poison': option(
    choice('dead-letter', 'quarantine'),
    'dead-letter',
    'What happens to an event that cannot be handled: it is set aside, or its key waits, in order, for an operator.',
  ),

  'dedupe.idempotent': option(
    toggle,
    false,
    'The handler gives the same state for a repeated event, so no index of ids is kept.',
  ),
  'dedupe.horizon': option(
    duration({ min: '1s', max: '20d', why: 'ids are kept with 32 bits of milliseconds' }),
    '10m',
    'How long an id is remembered, in event time; a repetition within it is dropped.',
  ),
  'dedupe.ids': option(
    whole({
      min: 1000,
      max: 100_000_000,
      why: 'an id takes about 32 bytes of memory, fewer than 1000 protect nothing',
    }),
    1_000_000,
    'How many ids a partition remembers at most.',
  ),

  'limits.payloadBytes': option(
    size({ min: '1KiB', max: '64MiB', why: 'the NATS server carries at most 64MiB' }),
    '1MiB',
    'Largest body of an event; a larger one becomes a dead letter unread, with its first 64 KiB.',
  ),
  'limits.headerBytes': option(
    size({ min: '256B', max: '1MiB', why: 'less has no room for an id, more is no header' }),
    '16KiB',
    'Largest header block of an event.',
  ),
  'limits.bufferEvents': option(
    whole({ min: 1, why: HELD_WHY }),
    100_000,
    'Events that wait in a partition; above it the oldest are applied before their time.',
  ),
  'limits.bufferBytes': option(
    size({ min: '1KiB', why: HELD_WHY }),
    '32MiB',
    'Bytes that wait in a partition; above it the oldest are applied before their time.',
  ),
  'limits.residentKeys': option(
    whole({ min: 1, why: HELD_WHY }),
    100_000,
    'Keys of a partition whose state stays in memory; others are read when an event needs them.',
  ),
  'limits.residentBytes': option(
    size({ min: '1KiB', why: HELD_WHY }),
    '64MiB',
    'Bytes of state of a partition that stay in memory.',
  ),
  'limits.deadLetters': option(
    whole({ min: 1, why: 'a partition that may keep none would stop at the first' }),
    10_000,
    'Dead letters that a partition keeps; it stops when there are more, since none may be lost.',
  ),
  'limits.parked': option(
    whole({ min: 1, why: 'a partition that may keep none would stop at the first' }),
    10_000,
    'Events of a partition that wait for an operator or for a missing number; it stops when there are more.',
  ),
  'limits.inFlightBytes': option(
    size({ min: '64KiB', max: '2GiB', why: 'less carries no batch, more is memory that only waits' }),
    '16MiB',
    'Bytes between the stream and the threads; above it reading pauses.',
  ),

  'checkpoint.interval': option(
    duration({ min: '20ms', max: '60s', why: 'shorter only waits for Redis, longer replays too much after a crash' }),
    '1s',
    'Time between two checkpoints of a partition; what was applied since is replayed after a crash.',
  ),
  'checkpoint.bytes': option(
    size({ min: '1KiB', max: '4MiB', why: 'Redis serves nobody else while a script writes' }),
    '1MiB',
    'A checkpoint is written early when it has grown to this size.',
  ),

  'cluster.lease': option(
    duration({
      min: '400ms',
      max: '10m',
      why: 'shorter takes a garbage collection for a death, longer waits for the dead',
    }),
    '10s',
    'How long a node may be silent before the others take its partitions over.',
  ),
  'cluster.sameName': option(
    choice('take-over', 'refuse'),
    'take-over',
    'What a node does where another process of its name is alive: it takes over and the other one ends, or it refuses to start.',
  ),
  'cluster.replicas': optional(
    whole({ min: 1, max: 4096, why: 'a node without a partition does nothing' }),
    'How many nodes share the partitions by their ordinals, without watching each other. Without it they find each other.',
    { flag: 'replicas' },
  ),
  'cluster.ordinal': optional(
    whole({ min: 0, max: 4095, why: 'the first of the replicas is 0' }),
    'Which of the replicas this node is; nothing without cluster.replicas.',
    { flag: 'ordinal', env: ['POD_INDEX'] },
  ),

  'http.host': option(host, '127.0.0.1', 'Address that the HTTP API and the dashboard listen on.'),
  'http.port': option(whole({ min: 0, max: 65_535, why: PORT_WHY }), 4480, 'Port of the HTTP API; 0 takes a free one.'),
  'http.token': optional(
    token,
    'Token that HTTP requests must carry; required unless http.host is a loopback address.',
    {
      secret: true,
    },
  ),

  'http.actions': option(
    toggle,
    false,
    'The dashboard may release, skip and replay events. Otherwise it only shows; the command line may do so in any case.',
  ),

  'probes.host': option(host, '0.0.0.0', 'Address that probes and metrics listen on.'),
  'probes.port': option(
    whole({ min: 0, max: 65_535, why: PORT_WHY }),
    9464,
    'Port of probes and metrics; 0 takes a free one.',
  ),
  'probes.lagMax': option(
    duration(),
    0,
    'A node that is further behind its streams is not ready. 0 leaves lag out of it.',
  ),

  'log.level': option(
    choice('trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'),
    'info',
    'Least severe level that is logged.',
  ),
} as const satisfies Readonly<Record<string, AnyRow>>;

/** What the sections are about; top-level options are about the application itself. */
export const sectionTitles = {
  '': 'Application',
  nats: 'Connection to NATS',
  redis: 'Connection to Redis',
  sql: 'SQL database in place of NATS and Redis',
  stream: 'Stream',
  event: 'Where the parts of an event come from',
  order: 'Order',
  dedupe: 'Duplicates',
  limits: 'Limits',
  checkpoint: 'Checkpoints',
  cluster: 'Several nodes',
  http: 'HTTP API and dashboard',
  probes: 'Probes and metrics',
  log: 'Log',
} as const;

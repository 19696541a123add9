/** A publisher over NATS JetStream or a SQL database, for the library's users. Part of the composition root. */
import type { NatsConnection } from '@nats-io/nats-core';
import type { NatsOptions } from '../adapters/nats/connect-nats.js';
import { systemClock } from '../adapters/system/system-clock.js';
import { Publisher, type PublisherParts } from '../client/publisher.js';
import { MillraceError } from '../errors.js';
import { subjectTemplate } from '../options/subjects.js';
import { natsUrls, sqlUrl } from '../options/urls.js';
import type { LogLine } from '../ports/log.js';

/** Where and how to publish; every field has a default. Give `connection`, or what is needed to make one. */
export interface PublisherOptions extends Partial<NatsOptions> {
  /** A connection of your own, which `close` leaves open. */
  readonly connection?: NatsConnection | undefined;
  /** A SQL database to insert into, in place of NATS: `sqlite:./millrace.db` or `postgres://…`. Excludes `connection` and `url`. */
  readonly sql?: string | undefined;
  /** Name of the connection, for operators; `millrace-publisher` by default. */
  readonly name?: string | undefined;
  /** Subject to publish to, `{key}` in place of one token; `events.{key}` by default. */
  readonly publishSubject?: string | undefined;
  /** The stream that must take the events: where the subject belongs to another, nothing is stored. Any by default. */
  readonly stream?: string | undefined;
  /** Partition count of the application, for receipts; 64 by default. */
  readonly partitions?: number | undefined;
  /** Most events that are on their way at once; 1,000 by default. */
  readonly inFlightMax?: number | undefined;
  /** How long an event is tried to be published, ms; 30 s by default. */
  readonly deadlineMs?: number | undefined;
  /** Ends the wait for the first connection; by default it lasts 10 s. */
  readonly signal?: AbortSignal | undefined;
  /** Told of connections lost and found. */
  readonly log?: LogLine | undefined;
}

const NATS_URL = 'nats://127.0.0.1:4222';
const CONNECT_MS = 10_000;
const DEADLINE_MS = 30_000;
/** One attempt; a lost connection ends it sooner. */
const ATTEMPT_MS = 5_000;
/** A stream that is missing may be about to be made, by a program that starts at the same time. */
const MISSING_MS = 3_000;

/**
 * Connects and answers a publisher.
 *
 *     const publisher = await createPublisher({ url: 'nats://127.0.0.1:4222' });
 *     await publisher.publish({ key: 'account-1', data: { amount: 5 } });
 *     await publisher.close();
 *
 * @throws MillraceError `OPTIONS_INVALID` with every problem; `NATS_REFUSED`; `NATS_UNREACHABLE`; `SQL_…`.
 */
export async function createPublisher(options: PublisherOptions = {}): Promise<Publisher> {
  const { publishSubject = 'events.{key}', partitions = 64, inFlightMax = 1_000, deadlineMs = DEADLINE_MS } = options;
  const url = natsUrls.read(options.url ?? NATS_URL);
  const problems = problemsOf(options);
  if (url.kind === 'problem') throw invalid([`url ${url.problem}`, ...problems]);
  if (problems.length > 0) throw invalid(problems);
  const way = options.sql === undefined ? await openNats(url.value, options) : await openSql(options.sql, options);
  const terms = { publishSubject, partitions, inFlightMax, deadlineMs, missingMs: MISSING_MS };
  return new Publisher({ ...way, clock: systemClock }, terms);
}

type Way = Pick<PublisherParts, 'sink' | 'release'>;

async function openNats(url: string, options: PublisherOptions): Promise<Way> {
  const { connectNats } = await import('../adapters/nats/connect-nats.js');
  const { JetStreamSink } = await import('../adapters/nats/jetstream-sink.js');
  const { deadlineMs = DEADLINE_MS, stream, name = 'millrace-publisher', log = () => {} } = options;
  const signal = options.signal ?? AbortSignal.timeout(CONNECT_MS);
  const connection = options.connection ?? (await connectNats({ ...options, url }, name, log, signal));
  const sink = new JetStreamSink(connection, { timeoutMs: Math.min(ATTEMPT_MS, deadlineMs), stream });
  const release = async (): Promise<void> => {
    sink.close();
    if (options.connection === undefined) await connection.close();
  };
  return { sink, release };
}

async function openSql(url: string, { stream, name = 'millrace-publisher' }: PublisherOptions): Promise<Way> {
  const { openSqlSink } = await import('./sql-backend.js');
  return openSqlSink(url, name, stream);
}

function invalid(problems: readonly string[]): MillraceError {
  return new MillraceError('OPTIONS_INVALID', `the publisher cannot be made: ${problems.join('; ')}`, { problems });
}

function problemsOf(options: PublisherOptions): string[] {
  const problems: string[] = [];
  const { publishSubject = 'events.{key}' } = options;
  if (options.connection !== undefined && options.url !== undefined)
    problems.push('connection and url exclude each other');
  if (options.sql !== undefined) {
    const sql = sqlUrl.read(options.sql);
    if (sql.kind === 'problem') problems.push(`sql ${sql.problem}`);
    if (options.connection !== undefined || options.url !== undefined) problems.push('sql excludes connection and url');
  }
  const template = subjectTemplate.read(publishSubject);
  if (template.kind === 'problem') problems.push(`publishSubject ${template.problem}`);
  else if (!publishSubject.split('.').includes('{key}'))
    problems.push('publishSubject must have {key} as a whole token');
  for (const name of ['partitions', 'inFlightMax', 'deadlineMs'] as const) {
    const value = options[name] ?? 1;
    if (!Number.isSafeInteger(value) || value < 1) problems.push(`${name} must be a whole number from 1 on`);
  }
  return problems;
}

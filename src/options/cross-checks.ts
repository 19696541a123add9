/** What options must be to each other, each with the reason. Checks of what single values are stand in the table. */
import type { Place } from '../core/event/event-format.js';
import { printDuration, printSize } from './quantities.js';
import { problemOfMapping } from './stream-mapping.js';
import { covers, tokenAt } from './subjects.js';
import type { OptionPath, ValueOf } from './types.js';
import { hasUrlCredentials } from './urls.js';

/** A rule over the values of some paths; it is left out while one of them could not be read. */
interface CrossCheck {
  readonly paths: readonly OptionPath[];
  /** The problem, or undefined. `given` are the paths that somebody set. */
  find(values: readonly unknown[], given: ReadonlySet<OptionPath>): string | undefined;
}

type Values<P extends readonly OptionPath[]> = { readonly [I in keyof P]: ValueOf<P[I]> };

function check<const P extends readonly OptionPath[]>(
  paths: P,
  find: (values: Values<P>, given: ReadonlySet<OptionPath>) => string | undefined,
): CrossCheck {
  return { paths, find: (values, given) => find(values as Values<P>, given) };
}

const isLoopback = (host: string): boolean => /^(localhost|::1|127(\.\d{1,3}){3})$/i.test(host);

/** Problem of an event part that is a subject token: every subject of the stream must have it, as a wildcard. */
function tokenProblem(path: OptionPath, index: number, subjects: readonly string[], why: string): string | undefined {
  for (const subject of subjects) {
    const found = tokenAt(subject, index);
    if (found === 'wildcard') continue;
    const what = found === 'missing' ? `has no token ${index}` : `has the fixed word "${found.word}" there`;
    return `${path} is subject:${index}, but "${subject}" of stream.subjects ${what}: ${why}`;
  }
  return undefined;
}

const partProblem = (path: OptionPath, place: Place, subjects: readonly string[], why: string): string | undefined =>
  place.kind === 'token' ? tokenProblem(path, place.index, subjects, why) : undefined;

export const crossChecks: readonly CrossCheck[] = [
  check(['http.host', 'http.token'], ([host, token]) =>
    isLoopback(host) || token !== undefined
      ? undefined
      : `http.host ${host} is not a loopback address, so http.token is required: anybody who reaches the port could publish and read`,
  ),
  check(['http.port', 'probes.port'], ([http, probes]) =>
    http === 0 || http !== probes ? undefined : `http.port and probes.port are both ${http}: each needs its own`,
  ),

  check(['nats.tlsCert', 'nats.tlsKey'], ([cert, key]) =>
    (cert === undefined) === (key === undefined)
      ? undefined
      : 'nats.tlsCert and nats.tlsKey go together: a certificate is of no use without its key',
  ),
  check(['nats.user', 'nats.password'], ([user, password]) =>
    (user === undefined) === (password === undefined)
      ? undefined
      : 'nats.user and nats.password go together: NATS checks both',
  ),
  check(
    ['nats.credentials', 'nats.nkeySeed', 'nats.user', 'nats.token', 'nats.url'],
    ([credentials, nkeySeed, user, token, url]) => {
      const ways = {
        'nats.credentials': credentials,
        'nats.nkeySeed': nkeySeed,
        'nats.user': user,
        'nats.token': token,
      };
      const given = Object.entries(ways).flatMap(([path, value]) => (value === undefined ? [] : [path]));
      if (hasUrlCredentials(url)) given.push('the credentials in nats.url');
      return given.length < 2
        ? undefined
        : `${given.join(' and ')} are given: NATS takes one way to log in, and it should not be chance which`;
    },
  ),

  check(['redis.username', 'redis.password', 'redis.url'], ([username, password, url]) => {
    if (username !== undefined && password === undefined)
      return 'redis.username needs redis.password: without one, no user name is sent';
    return password !== undefined && hasUrlCredentials(url)
      ? 'redis.password and the credentials in redis.url are given: it should not be chance which holds'
      : undefined;
  }),
  check(['redis.tlsCa', 'redis.url'], ([tlsCa, url]) =>
    tlsCa === undefined || url.startsWith('rediss:')
      ? undefined
      : 'redis.tlsCa needs a redis.url that begins with rediss://: the connection would not be encrypted',
  ),

  check(['statusSink', 'sql.url'], ([sink, url]) =>
    sink === undefined || url === undefined
      ? undefined
      : 'statusSink and sql.url exclude each other: the SQL database has the table status already',
  ),

  check(['stream.duplicateWindow', 'stream.maxAge'], ([window, maxAge]) =>
    maxAge === 0 || window <= maxAge
      ? undefined
      : `stream.duplicateWindow ${printDuration(window)} is longer than stream.maxAge ${printDuration(maxAge)}: the NATS server refuses that`,
  ),
  check(['stream.publishSubject', 'stream.subjects', 'event.key'], ([template, subjects, key], given) => {
    if (!given.has('stream.publishSubject')) return undefined;
    if (!subjects.some((subject) => covers(subject, template)))
      return `stream.publishSubject "${template}" is none of stream.subjects ${subjects.join(',')}: events would not enter the stream`;
    return key.kind !== 'token' || template.split('.')[key.index - 1] === '{key}'
      ? undefined
      : `stream.publishSubject "${template}" has no {key} as its token ${key.index}, where event.key looks for it`;
  }),

  check(['event.key', 'stream.subjects'], ([place, subjects]) =>
    partProblem('event.key', place, subjects, 'all its events would have the same key or none'),
  ),
  check(['event.id', 'stream.subjects'], ([place, subjects]) =>
    partProblem('event.id', place, subjects, 'all its events would have the same id or none'),
  ),
  check(['event.partition', 'stream.subjects'], ([place, subjects]) =>
    place.kind === 'token'
      ? tokenProblem('event.partition', place.index, subjects, 'its events would have no partition of their own')
      : undefined,
  ),

  check(['stream.count', 'sql.url'], ([count, url]) =>
    count === 1 || url === undefined ? undefined : `stream.count is ${count}, but a SQL database has one stream`,
  ),
  check(['stream.count', 'partitions'], ([count, partitions]) =>
    count <= partitions
      ? undefined
      : `stream.count ${count} is more than partitions ${partitions}: a stream holds whole partitions`,
  ),
  check(
    ['stream.count', 'stream.subjects', 'event.key', 'event.partition', 'event.id', 'event.type'],
    ([count, subjects, key, partition, id, type]) => {
      if (count === 1) return undefined;
      const where = `stream.count is ${count}, but`;
      if (partition.kind !== 'key')
        return `${where} event.partition is set: the mapping writes the number, and it is read from there`;
      const problem = problemOfMapping(subjects, key);
      if (problem !== undefined) return `${where} ${problem}`;
      return key.kind === 'token' || (id.kind !== 'token' && type.kind !== 'token')
        ? undefined
        : `${where} event.id and event.type cannot be tokens of a subject that is stored without the key`;
    },
  ),

  check(['order.settle', 'dedupe.horizon', 'dedupe.idempotent'], ([settle, horizon, idempotent]) =>
    idempotent || settle <= horizon
      ? undefined
      : `order.settle ${printDuration(settle)} is longer than dedupe.horizon ${printDuration(horizon)}: a repeated event could wait longer than its id is remembered`,
  ),
  check(['cluster.replicas', 'cluster.ordinal', 'partitions'], ([replicas, ordinal, partitions]) => {
    if (replicas === undefined) return undefined;
    if (ordinal === undefined) return 'cluster.replicas needs cluster.ordinal: each of the replicas has its own share';
    if (ordinal >= replicas) return `cluster.ordinal ${ordinal} is none of ${replicas} replicas: the first is 0`;
    return replicas <= partitions
      ? undefined
      : `cluster.replicas ${replicas} is more than partitions ${partitions}: some would own nothing`;
  }),
  check(['limits.payloadBytes', 'limits.headerBytes', 'limits.inFlightBytes'], ([payload, header, inFlight]) =>
    payload + header <= inFlight
      ? undefined
      : `limits.inFlightBytes ${printSize(inFlight)} is less than limits.payloadBytes and limits.headerBytes together (${printSize(payload + header)}): the largest event could never be handed over`,
  ),
];

/**
 * What is wrong, or could be, with the servers under an application: facts in, findings out. Each says what follows
 * from it and what to do. What could not be looked at is said too, and is no finding.
 */

/** Facts as they were found; undefined where nobody may ask or the server does not say. */
export interface ServerFacts {
  readonly nats:
    | {
        readonly version: string;
        /** Clauses about versions that are known to lose something. */
        readonly versionWarnings: readonly string[];
        readonly syncInterval: string | undefined;
        /** The server's clock minus ours, ms. */
        readonly skewMs: number | undefined;
        readonly streams: readonly StreamFacts[];
        /** What our user may not do, as the server put it. */
        readonly refused: readonly string[];
      }
    | undefined;
  readonly redis:
    | {
        readonly version: string | undefined;
        readonly maxmemoryPolicy: string | undefined;
        readonly appendonly: boolean | undefined;
        readonly appendfsync: string | undefined;
        readonly usedShare: number | undefined;
        readonly replicas: number | undefined;
        readonly skewMs: number | undefined;
        readonly refused: readonly string[];
      }
    | undefined;
}

export interface StreamFacts {
  readonly name: string;
  readonly replicas: number;
  readonly storage: string;
  readonly maxAgeMs: number;
  readonly duplicateWindowMs: number;
  /** Clauses of what may be meant so and what it leads to. */
  readonly warnings: readonly string[];
}

export interface Finding {
  /** What was looked at; stable, for programs. */
  readonly check: string;
  readonly level: 'ok' | 'finding' | 'unknown';
  readonly found: string;
  /** What follows from it, and what to do; only of findings and unknowns. */
  readonly consequence?: string;
  readonly fix?: string;
}

export interface DiagnosisOptions {
  readonly checkpointMs: number;
  readonly aheadMsMax: number;
}

/** A Redis that falls back to its last AOF write loses seconds; a restored backup, as long as it is old. */
const ROLLBACK_MS_MIN = 24 * 3_600_000;
/** Outputs that a crash publishes again, and publishers that try again, come within this. */
const REPEAT_MS_MIN = 60_000;
const SKEW_MS_MAX = 1_000;
const MEMORY_SHARE_MAX = 0.8;

export function diagnose(facts: ServerFacts, options: DiagnosisOptions): Finding[] {
  const { nats, redis } = facts;
  return [
    ...(nats === undefined ? [] : ofNats(nats)),
    ...(nats?.streams ?? []).flatMap(ofStream),
    ...(redis === undefined ? [] : ofRedis(redis)),
    ...ofClocks(facts, options),
  ];
}

function ofNats({ version, versionWarnings, syncInterval, refused }: NonNullable<ServerFacts['nats']>): Finding[] {
  return [
    versionWarnings.length === 0
      ? ok('nats.version', `nats-server ${version}`)
      : finding(
          'nats.version',
          versionWarnings.join('; '),
          'older releases lose or skip acknowledged events in some failures',
          'update nats-server',
        ),
    syncInterval === undefined
      ? {
          check: 'nats.sync_interval',
          level: 'unknown',
          found: 'the server shows it on its monitoring port only',
          consequence: 'with the default of 2 minutes, a power failure loses acknowledged events that one replica held',
          fix: 'set `sync_interval: always` in jetstream {}, and pass --nats-monitor http://HOST:8222 to have it checked',
        }
      : syncInterval === 'always'
        ? ok('nats.sync_interval', 'always')
        : finding(
            'nats.sync_interval',
            `sync_interval is ${syncInterval}`,
            'a power failure loses acknowledged events of that time, unless other replicas have them',
            'set `sync_interval: always` in jetstream {}',
          ),
    permissions('nats.permissions', refused, 'nodes cannot read, own or remember', 'allow the user what is listed'),
  ];
}

function ofStream({ name, replicas, storage, maxAgeMs, duplicateWindowMs, warnings }: StreamFacts): Finding[] {
  const about = `stream ${name}`;
  return [
    replicas >= 3
      ? ok('stream.replicas', `${about} has ${replicas} copies`)
      : finding(
          'stream.replicas',
          `${about} has ${replicas === 1 ? 'one copy' : `${replicas} copies`} on ${storage}`,
          'events go with that server or its disk, and no recovery brings them back',
          'run three servers and `nats stream edit --replicas 3`',
        ),
    maxAgeMs === 0 || maxAgeMs >= ROLLBACK_MS_MIN
      ? ok('stream.retention', `${about} keeps events ${maxAgeMs === 0 ? 'for ever' : hours(maxAgeMs)}`)
      : finding(
          'stream.retention',
          `${about} keeps events for ${hours(maxAgeMs)}`,
          'after an outage or a restored Redis backup longer ago than that, partitions stop with GAP',
          'keep events for longer than the oldest backup that may be restored: `nats stream edit --max-age 7d`',
        ),
    duplicateWindowMs >= REPEAT_MS_MIN
      ? ok('stream.duplicates', `${about} recognises repeats for ${duplicateWindowMs / 1000} s`)
      : finding(
          'stream.duplicates',
          `${about} recognises repeats for ${duplicateWindowMs / 1000} s`,
          'outputs that a crash publishes again are stored twice; Millrace itself still drops repeated events',
          'raise the duplicate window to 2 minutes: `nats stream edit --dupe-window 2m`',
        ),
    ...warnings.map((warning) =>
      finding('stream.settings', `${about}: ${warning}`, 'said above', 'change it unless it is meant so'),
    ),
  ];
}

function ofRedis(redis: NonNullable<ServerFacts['redis']>): Finding[] {
  const { version, maxmemoryPolicy, appendonly, appendfsync, usedShare, replicas, refused } = redis;
  return [
    version === undefined || Number.parseInt(version, 10) >= 7
      ? ok('redis.version', `Redis ${version ?? 'of a version that it does not tell'}`)
      : finding('redis.version', `Redis ${version}`, 'it is not tested with Millrace', 'update to 7.0 or newer'),
    maxmemoryPolicy === undefined
      ? unknown(
          'redis.eviction',
          'the user may not ask for maxmemory-policy',
          'any other than noeviction deletes state',
        )
      : maxmemoryPolicy === 'noeviction'
        ? ok('redis.eviction', 'noeviction')
        : finding(
            'redis.eviction',
            `maxmemory-policy is ${maxmemoryPolicy}`,
            'Redis deletes checkpoints when memory is short; nodes refuse to start',
            'redis-cli CONFIG SET maxmemory-policy noeviction',
          ),
    appendonly === undefined
      ? unknown('redis.aof', 'the user may not ask for the append-only file', 'without one a restart loses checkpoints')
      : appendonly
        ? ok('redis.aof', `append-only file, appendfsync ${appendfsync ?? 'unknown'}`)
        : finding(
            'redis.aof',
            'there is no append-only file',
            'a restart of Redis goes back to the last snapshot, or to nothing: minutes or everything is replayed',
            'redis-cli CONFIG SET appendonly yes',
          ),
    usedShare !== undefined && usedShare > MEMORY_SHARE_MAX
      ? finding(
          'redis.memory',
          `${Math.round(usedShare * 100)} % of maxmemory is used`,
          'a full Redis refuses checkpoints, and processing stops',
          'raise maxmemory, or keep fewer dead letters and a shorter dedupe.horizon',
        )
      : ok('redis.memory', usedShare === undefined ? 'no maxmemory' : `${Math.round(usedShare * 100)} % used`),
    replicas === 0
      ? finding(
          'redis.replicas',
          'Redis has no replica',
          'while it is down nothing is applied, and with its disk the state has to be replayed from the stream',
          'run a replica with automatic failover; falling back is noticed and replayed',
        )
      : ok('redis.replicas', replicas === undefined ? 'unknown' : `${replicas}`),
    permissions(
      'redis.permissions',
      refused,
      'commits or reads fail',
      'ACL SETUSER … +@hash +@scripting +@transaction',
    ),
  ];
}

function ofClocks({ nats, redis }: ServerFacts, { aheadMsMax }: DiagnosisOptions): Finding[] {
  const skews = [
    ['nats-server', nats?.skewMs],
    ['Redis', redis?.skewMs],
  ] as const;
  return skews.flatMap(([server, skewMs]) => {
    if (skewMs === undefined) return [];
    const found = `the clock of ${server} differs from ours by ${Math.round(Math.abs(skewMs))} ms`;
    if (Math.abs(skewMs) <= SKEW_MS_MAX) return [ok('clock.skew', found)];
    const consequence =
      server === 'Redis'
        ? 'ages that are shown are wrong; nothing that is stored depends on it'
        : `events published here count as ahead or late; more than ${aheadMsMax} ms ahead they become dead letters`;
    return [finding('clock.skew', found, consequence, 'let the machines keep their time with NTP')];
  });
}

export function permissions(check: string, refused: readonly string[], consequence: string, fix: string): Finding {
  return refused.length === 0
    ? ok(check, 'everything that a node does is allowed')
    : finding(check, `not allowed: ${refused.join('; ')}`, consequence, fix);
}

export const ok = (check: string, found: string): Finding => ({ check, level: 'ok', found });
const unknown = (check: string, found: string, consequence: string): Finding => ({
  ...{ check, level: 'unknown', found, consequence },
  fix: 'allow the user to ask, or look with an administrator’s',
});
export const finding = (check: string, found: string, consequence: string, fix: string): Finding => ({
  ...{ check, level: 'finding', found, consequence, fix },
});

const hours = (ms: number): string => `${Math.round(ms / 360_000) / 10} h`;

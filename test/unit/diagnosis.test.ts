/** What the doctor makes of facts: safe servers give no finding, and every unsafe fact gives one with its consequence. */
import { describe, expect, it } from 'vitest';
import type { Finding, ServerFacts } from '../../src/runtime/diagnosis.js';
import { diagnose } from '../../src/runtime/diagnosis.js';
import {
  diagnosePostgres,
  diagnoseSqlite,
  type PostgresFacts,
  type SqliteFacts,
} from '../../src/runtime/sql-diagnosis.js';

const rules = { checkpointMs: 1_000, aheadMsMax: 60_000 };
const stream = {
  name: 'EVENTS',
  replicas: 3,
  storage: 'file',
  maxAgeMs: 0,
  duplicateWindowMs: 120_000,
  warnings: [] as string[],
};
const nats = { version: '2.12.6', versionWarnings: [] as string[], syncInterval: 'always' as string | undefined };
const redis = {
  ...{ version: '7.0.15', maxmemoryPolicy: 'noeviction', appendonly: true, appendfsync: 'everysec', usedShare: 0.2 },
  ...{ replicas: 1, skewMs: 3, refused: [] as string[] },
};

function facts(over: { nats?: object; stream?: object; redis?: object } = {}): ServerFacts {
  return {
    nats: { ...nats, skewMs: -20, refused: [], ...over.nats, streams: [{ ...stream, ...over.stream }] },
    redis: { ...redis, ...over.redis },
  } as ServerFacts;
}

describe('diagnose', () => {
  it('finds nothing where nothing is wrong', () => {
    expect(diagnose(facts(), rules).filter(({ level }) => level !== 'ok')).toEqual([]);
  });

  it.each([
    ['nats.version', { nats: { versionWarnings: ['nats-server is 2.9.10'] } }],
    ['nats.sync_interval', { nats: { syncInterval: '120 s' } }],
    ['nats.permissions', { nats: { refused: ['reading the stream: not allowed'] } }],
    ['stream.replicas', { stream: { replicas: 1 } }],
    ['stream.retention', { stream: { maxAgeMs: 3_600_000 } }],
    ['stream.duplicates', { stream: { duplicateWindowMs: 1_000 } }],
    ['stream.settings', { stream: { warnings: ['discard is new'] } }],
    ['redis.version', { redis: { version: '6.2.0' } }],
    ['redis.eviction', { redis: { maxmemoryPolicy: 'allkeys-lru' } }],
    ['redis.aof', { redis: { appendonly: false } }],
    ['redis.memory', { redis: { usedShare: 0.95 } }],
    ['redis.replicas', { redis: { replicas: 0 } }],
    ['redis.permissions', { redis: { refused: ['User x has no permissions to run the hset command'] } }],
    ['clock.skew', { redis: { skewMs: 90_000 } }],
    ['clock.skew', { nats: { skewMs: -90_000 } }],
  ])('%s is one finding, with what follows and what to do', (check, over) => {
    const found = diagnose(facts(over), rules).filter(({ level }) => level !== 'ok');
    expect(found).toMatchObject([{ check, level: 'finding' }]);
    expect(found[0]!.consequence!.length).toBeGreaterThan(5);
    expect(found[0]!.fix!.length).toBeGreaterThan(5);
  });

  it('says what could not be looked at, and does not call it a finding', () => {
    const hidden = facts({
      nats: { syncInterval: undefined },
      redis: { maxmemoryPolicy: undefined, appendonly: undefined },
    });
    const unknown = diagnose(hidden, rules).filter(({ level }) => level !== 'ok');
    expect(unknown.map(({ check, level }) => [check, level])).toEqual([
      ['nats.sync_interval', 'unknown'],
      ['redis.eviction', 'unknown'],
      ['redis.aof', 'unknown'],
    ]);
  });
});

describe('of a SQL database', () => {
  const sqlite: SqliteFacts = {
    journalMode: 'wal',
    synchronous: 2,
    fileBytes: 2 ** 20,
    freeBytes: 2 ** 40,
    refused: [],
  };
  const postgres: PostgresFacts = {
    version: '16.4 (Debian 16.4-1)',
    settings: { synchronous_commit: 'local', fsync: 'on', full_page_writes: 'on', max_connections: '100' },
    ...{ isReplica: false, skewMs: 5, refused: [] },
  };
  const settings = (over: Partial<PostgresFacts['settings']>): Partial<PostgresFacts> => ({
    settings: { ...postgres.settings, ...over },
  });
  const sound = (found: readonly Finding[]): void => {
    for (const { consequence, fix } of found) {
      expect(consequence!.length).toBeGreaterThan(5);
      expect(fix!.length).toBeGreaterThan(5);
    }
  };

  it.each<[string | undefined, Partial<SqliteFacts>]>([
    [undefined, {}],
    ['sqlite.journal_mode', { journalMode: 'delete' }],
    ['sqlite.synchronous', { synchronous: 1 }],
    ['sqlite.space', { freeBytes: 2 ** 29 }],
    ['sqlite.space', { fileBytes: 2 ** 38, freeBytes: 2 ** 34 }],
    ['sqlite.permissions', { refused: ['writing the file: EACCES'] }],
  ])('a SQLite file: %s', (check, over) => {
    const found = diagnoseSqlite({ ...sqlite, ...over }).filter(({ level }) => level !== 'ok');
    expect(found).toMatchObject(check === undefined ? [] : [{ check, level: 'finding' }]);
    sound(found);
  });

  it.each<[string | undefined, Partial<PostgresFacts>, Finding['level']?]>([
    [undefined, {}],
    ['postgres.version', { version: '12.3' }],
    ['postgres.role', { isReplica: true }],
    ['postgres.synchronous_commit', settings({ synchronous_commit: 'off' })],
    ['postgres.fsync', settings({ fsync: 'off' })],
    ['postgres.full_page_writes', settings({ full_page_writes: 'off' })],
    ['postgres.full_page_writes', settings({ full_page_writes: undefined }), 'unknown'],
    ['postgres.max_connections', settings({ max_connections: '10' })],
    ['postgres.permissions', { refused: ['INSERT on oplog'] }],
    ['clock.skew', { skewMs: -5_000 }],
  ])('a Postgres: %s', (check, over, level = 'finding') => {
    const found = diagnosePostgres({ ...postgres, ...over }).filter((one) => one.level !== 'ok');
    expect(found).toMatchObject(check === undefined ? [] : [{ check, level }]);
    sound(found);
  });
});

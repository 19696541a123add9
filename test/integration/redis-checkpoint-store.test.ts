/** The Redis store against a real server that crashes, freezes, refuses and is damaged (F7, F10, F12, F13). */
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { COMMIT_SCRIPT } from '../../src/adapters/redis/scripts.js';
import type { Commit } from '../../src/core/checkpoint/commit.js';
import type { CommitVerdict } from '../../src/core/checkpoint/guard.js';
import { type ErrorCode, MillraceError } from '../../src/errors.js';
import type { CheckpointStore } from '../../src/ports/checkpoint-store.js';
import { commitOf } from '../contract/checkpoint-store.contract.js';
import { whileFrozen } from '../contract/freeze.js';
import { type RedisUnderTest, startRedisUnderTest } from '../contract/redis-under-test.js';
import { until } from '../support/until.js';

const A = '1:aaaa';
let subject: RedisUnderTest;

beforeAll(async () => {
  subject = await startRedisUnderTest();
}, 300_000);

afterAll(() => subject.close());

describe('a store in a Redis that goes away', () => {
  it('F7: keeps what was committed over kill -9, and goes on by itself', async () => {
    const { store, close } = await claimed();
    for (let number = 1; number <= 3; number++) {
      expect(await store.commit(counting(number))).toBe('accept');
      await subject.server.kill();
      await rejection(store.commit(counting(number + 1)), 'REDIS_UNREACHABLE');
      await subject.server.restart();
      expect(await eventually(store, counting(number))).toBe('already');
    }
    expect(await store.commit(counting(4))).toBe('accept');
    expect(await store.readState(7, 'count')).toMatchObject({ stored: { number: 4 }, state: '4' });
    await close();
  });

  it('F12: answers a commit at once when the connection breaks under it', async () => {
    const { store, close } = await claimed(60_000);
    await whileFrozen(subject.server, async () => {
      const started = performance.now();
      const lost = rejection(store.commit(counting(1)), 'REDIS_UNREACHABLE');
      await subject.server.kill();
      await lost;
      expect(performance.now() - started).toBeLessThan(10_000);
    });
    await subject.server.restart();
    expect(await eventually(store, counting(1))).toBe('accept');
    await close();
  });

  it('F12: a commit without an answer can be sent again on the same connection', async () => {
    const { store, redis, close } = await claimed(1_000);
    await whileFrozen(subject.server, async () => {
      const error = await rejection(store.commit(counting(1)), 'COMMIT_TIMEOUT');
      expect(error.message).toContain('no answer within 1000 ms');
      expect(redis.status).toBe('ready');
    });
    expect(await eventually(store, counting(1))).toBe('already');
    await close();
  });

  it('F12: ... and on another one, after the frozen connection was given up', async () => {
    const { store, redis, close } = await claimed(1_000);
    await whileFrozen(subject.server, async () => {
      await rejection(store.commit(counting(1)), 'COMMIT_TIMEOUT');
      await until(() => redis.status !== 'ready', 10_000, 'the half-open connection is dropped');
    });
    expect(['accept', 'already']).toContain(await eventually(store, counting(1)));
    expect(await eventually(store, counting(2))).toBe('accept');
    expect(await store.read(7)).toMatchObject({ number: 2 });
    await close();
  });

  it('sends nothing later that failed while there was no connection', async () => {
    const { store, redis, close } = await claimed();
    await subject.server.kill();
    await until(() => redis.status !== 'ready', 10_000, 'the connection is gone');
    await rejection(store.commit(counting(1)), 'REDIS_UNREACHABLE');
    await rejection(store.claim({ partition: 8, owner: A, seen: undefined, record: '' }), 'REDIS_UNREACHABLE');
    await rejection(store.load(7), 'REDIS_UNREACHABLE');
    await rejection(store.readState(7, 'count'), 'REDIS_UNREACHABLE');
    await subject.server.restart();
    await until(() => redis.status === 'ready', 10_000, 'the connection is back');
    expect(await store.read(7)).toMatchObject({ number: 0 });
    expect(await store.read(8)).toBeUndefined();
    await close();
  });

  it('F13: sends the scripts again to a server that forgot them', async () => {
    const { store, close } = await claimed();
    expect(await store.commit(counting(1))).toBe('accept');
    await subject.admin.script('FLUSH');
    expect(await store.commit(counting(2))).toBe('accept');
    await subject.admin.script('FLUSH');
    expect(await store.commit(counting(2))).toBe('already');
    expect(await store.claim({ partition: 7, owner: '2:b', seen: { owner: A, number: 2 }, record: '' })).toBe('accept');
    await close();
  });
});

describe('F13: a store in a Redis that refuses', () => {
  const config = (name: string, value: string) => subject.admin.config('SET', name, value);

  it.each([
    ['OOM', () => config('maxmemory', '1'), () => config('maxmemory', '0')],
    ['READONLY', () => subject.admin.replicaof('127.0.0.1', '1'), () => subject.admin.replicaof('NO', 'ONE')],
    [
      'MASTERDOWN',
      async () => {
        await config('replica-serve-stale-data', 'no');
        await subject.admin.replicaof('127.0.0.1', '1');
      },
      async () => {
        await subject.admin.replicaof('NO', 'ONE');
        await config('replica-serve-stale-data', 'yes');
      },
    ],
    ['MISCONF', breakSnapshots, () => config('save', '')],
    ['NOREPLICAS', () => config('min-replicas-to-write', '1'), () => config('min-replicas-to-write', '0')],
  ])('%s is transient, changes nothing and passes', async (word, refuse, recover) => {
    const { store, close } = await claimed();
    await store.commit(counting(1));
    await refuse();
    const error = await rejection(store.commit(counting(2)), 'REDIS_UNAVAILABLE');
    expect(error.category).toBe('transient');
    expect(error.message).toContain(word);
    await recover();
    await eventually(store, counting(1));
    expect(await store.readState(7, 'count')).toMatchObject({ stored: { number: 1 }, state: '1' });
    expect(await eventually(store, counting(2))).toBe('accept');
    await close();
  });

  it('READONLY gives the connection up: the name may lead to another server by now', async () => {
    const { store, redis, close } = await claimed();
    await subject.admin.replicaof('127.0.0.1', '1');
    const closed = once(redis, 'close', { signal: AbortSignal.timeout(10_000) });
    await rejection(store.commit(counting(1)), 'REDIS_UNAVAILABLE');
    await closed;
    await subject.admin.replicaof('NO', 'ONE');
    expect(await eventually(store, counting(1))).toBe('accept');
    await close();
  });

  it('BUSY is transient and passes', async () => {
    const { store, close } = await claimed();
    await config('busy-reply-threshold', '10');
    const endless = subject.admin.eval('while true do end', 0).catch(() => undefined);
    const error = await rejection(store.commit(counting(1)), 'REDIS_UNAVAILABLE');
    expect(error.message).toContain('BUSY');
    const killer = subject.admin.duplicate({ enableReadyCheck: false, disableClientInfo: true });
    await killer.script('KILL');
    await endless;
    killer.disconnect();
    expect(await eventually(store, counting(1))).toBe('accept');
    await close();
  });

  it('a user without all rights changes nothing', async () => {
    const { store, app, redis, close } = await claimed();
    await store.commit(counting(1));
    await subject.admin.acl('SETUSER', 'narrow', 'on', '>pw', '~millrace:*', '+@all', '-hdel');
    await redis.auth('narrow', 'pw');
    const commit = { ...counting(2), dead: { set: [], remove: ['1'] } };
    await rejection(store.commit(commit), 'REDIS_UNAVAILABLE');
    expect(await subject.admin.hget(`millrace:{${app}:7}:meta`, 'number')).toBe('1');
    expect(await subject.admin.hget(`millrace:{${app}:7}:state`, 'count')).toBe('1');
    await close();
  });
});

describe('F10: a store in a Redis that was damaged', () => {
  it.each([
    ['a field is missing', ['hdel', 'number']],
    ['the text is missing', ['hdel', 'record']],
    ['the number is no number', ['hset', 'number', '1.5']],
    ['the number is empty', ['hset', 'number', '']],
    ['the number has a leading zero', ['hset', 'number', '01']],
  ] as const)('%s: every method refuses, none starts from nothing', async (_case, [command, ...args]) => {
    const { store, app, close } = await claimed();
    await store.commit(counting(1));
    await subject.admin.call(command, `millrace:{${app}:7}:meta`, ...args);
    await everyMethodRefuses(store);
    await close();
  });

  it('a number past 2^53 is not read as its neighbour', async () => {
    const { store, app, close } = await claimed();
    await subject.admin.hset(`millrace:{${app}:7}:meta`, 'number', '9007199254740993');
    for (const refused of [store.read(7), store.load(7), store.readState(7, 'count')]) {
      expect((await rejection(refused, 'CORRUPT_CHECKPOINT')).message).toContain('9007199254740993');
    }
    // Not equal as text, though equal as doubles.
    expect(await store.commit(counting(9007199254740991))).toBe('fenced');
    await rejection(store.commit(counting(9007199254740992)), 'BUG');
    await close();
  });

  it('the script compares texts where doubles are equal', async () => {
    const { app, close } = await claimed();
    const keys = ['meta', 'state', 'dedupe', 'parked', 'outbox', 'dead'].map((name) => `millrace:{${app}:7}:${name}`);
    await subject.admin.hset(keys[0]!, 'number', '9007199254740993');
    const commit = (previous: string, next: string) =>
      subject.admin.eval(COMMIT_SCRIPT, 6, ...keys, A, previous, next, 'record', ...Array<string>(10).fill('0'));
    expect(await commit('9007199254740992', '9007199254740994')).toBe('fenced');
    expect(await commit('9007199254740991', '9007199254740992')).toBe('fenced');
    expect(await commit('9007199254740993', '9007199254740994')).toBe('accept');
    expect(await commit('9007199254740993', '9007199254740994')).toBe('already');
    await close();
  });

  it('the record is of another type', async () => {
    const { store, app, close } = await claimed();
    await subject.admin.set(`millrace:{${app}:7}:meta`, 'text');
    await everyMethodRefuses(store);
    await close();
  });

  it.each(['state', 'dedupe', 'parked', 'dead', 'outbox'])(
    '%s of another type refuses the commit as a whole',
    async (name) => {
      const { store, app, close } = await claimed();
      await store.commit(counting(1));
      const key = `millrace:{${app}:7}:${name}`;
      await subject.admin.set(key, 'text');
      const before = await subject.admin.hgetall(`millrace:{${app}:7}:meta`);
      const fields = { set: [['9', 'x'] as const], remove: ['8'] };
      const segments = [{ number: 1, bytes: Uint8Array.of(1) }];
      const commit = commitOf(A, 2, { state: fields, dead: fields, outbox: fields, dedupePut: segments });
      await rejection(store.commit(commit), 'CORRUPT_CHECKPOINT');
      expect(await subject.admin.hgetall(`millrace:{${app}:7}:meta`)).toEqual(before);
      expect(await subject.admin.exists(`millrace:{${app}:7}:dead`)).toBe(Number(name === 'dead'));
      if (name !== 'state') expect(await store.loadStates(7, ['9', 'count'])).toEqual([undefined, '1']);
      await close();
    },
  );

  it.each([
    ['dedupe', 'seven'],
    ['dead', 'x'],
  ])('a foreign field in %s is named', async (name, field) => {
    const { store, app, close } = await claimed();
    await subject.admin.hset(`millrace:{${app}:7}:${name}`, field, 'value');
    const refused = name === 'dead' ? store.deadLetters(7, 0, 1) : store.load(7);
    expect((await rejection(refused, 'CORRUPT_CHECKPOINT')).message).toContain(`"${field}"`);
    await close();
  });
});

it('stores what the documentation says, under the keys that it says', async () => {
  const { store, app, close } = await claimed();
  const one = (field: string, value: string) => ({ set: [[field, value] as const], remove: [] });
  const commit = commitOf(A, 1, {
    state: one('account-1', '{"state":1}'),
    dead: one('5', '{"sequence":5}'),
    outbox: one(`${app}.7.5.0`, '{}'),
    dedupePut: [{ number: 1, bytes: Uint8Array.of(255, 0) }],
  });
  await store.commit(commit);
  const prefix = `millrace:{${app}:7}:`;
  const names = ['dead', 'dedupe', 'meta', 'outbox', 'state'];
  expect((await subject.admin.keys(`millrace:{${app}:*`)).sort()).toEqual(names.map((name) => prefix + name));
  expect(await subject.admin.hget(`${prefix}state`, 'account-1')).toBe('{"state":1}');
  expect(await subject.admin.hgetall(`${prefix}meta`)).toEqual({ owner: A, number: '1', record: commit.record });
  expect(await subject.admin.hgetBuffer(`${prefix}dedupe`, '1')).toEqual(Buffer.of(255, 0));
  await close();
});

/** A store whose partition 7 belongs to A. */
async function claimed(commandTimeoutMs?: number) {
  const made = await subject.store(commandTimeoutMs);
  expect(await made.store.claim({ partition: 7, owner: A, seen: undefined, record: 'first' })).toBe('accept');
  return made;
}

function counting(number: number): Commit {
  return commitOf(A, number, { state: { set: [['count', String(number)]], remove: [] } });
}

/** The verdict on a commit that is sent again until Redis answers. */
async function eventually(store: CheckpointStore, commit: Commit): Promise<CommitVerdict> {
  let verdict: CommitVerdict | undefined;
  const ask = async (): Promise<boolean> => {
    try {
      verdict = await store.commit(commit);
    } catch (error) {
      if (!(error instanceof MillraceError) || error.category !== 'transient') throw error;
    }
    return verdict !== undefined;
  };
  await until(ask, 20_000, 'Redis answers');
  return verdict!;
}

async function everyMethodRefuses(store: CheckpointStore): Promise<void> {
  const seen = { owner: A, number: 1 };
  await rejection(store.read(7), 'CORRUPT_CHECKPOINT');
  await rejection(store.load(7), 'CORRUPT_CHECKPOINT');
  await rejection(store.readState(7, 'count'), 'CORRUPT_CHECKPOINT');
  await rejection(store.commit(counting(2)), 'CORRUPT_CHECKPOINT');
  await rejection(store.claim({ partition: 7, owner: '2:b', seen, record: '' }), 'CORRUPT_CHECKPOINT');
  await rejection(store.claim({ partition: 7, owner: '2:b', seen: undefined, record: '' }), 'CORRUPT_CHECKPOINT');
}

async function rejection(promise: Promise<unknown>, code: ErrorCode): Promise<MillraceError> {
  const error = await promise.then(
    (value) => expect.unreachable(`resolved with ${String(value)}, wanted ${code}`),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(MillraceError);
  expect(error).toMatchObject({ code });
  return error as MillraceError;
}

/** A snapshot cannot replace a directory; after that Redis stops writing. */
async function breakSnapshots(): Promise<void> {
  const { admin, server } = subject;
  await mkdir(join(server.dir, 'dump.rdb'), { recursive: true });
  await admin.config('SET', 'save', '3600 1');
  await admin.bgsave();
  const isBroken = async (): Promise<boolean> =>
    (await admin.info('persistence')).includes('rdb_last_bgsave_status:err');
  await until(isBroken, 20_000, 'a snapshot has failed');
}

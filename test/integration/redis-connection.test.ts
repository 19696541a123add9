/** The Redis connection: what it says when Redis is away or refuses, what it never says, and what it asks of Redis. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { inspect } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkRedis } from '../../src/adapters/redis/check-redis.js';
import { RedisCheckpointStore } from '../../src/adapters/redis/redis-checkpoint-store.js';
import { closeRedis, connectRedis, untilRedisReady } from '../../src/adapters/redis/redis-connection.js';
import { type ErrorCode, MillraceError } from '../../src/errors.js';
import { freePort } from '../../src/services/free-port.js';
import { commitOf } from '../contract/checkpoint-store.contract.js';
import { type RedisUnderTest, startRedisUnderTest } from '../contract/redis-under-test.js';
import { until } from '../support/until.js';

let subject: RedisUnderTest;
const lines: string[] = [];
const log = (...line: unknown[]) => void lines.push(inspect(line, { depth: 9 }));

beforeAll(async () => {
  subject = await startRedisUnderTest();
}, 300_000);

afterAll(() => subject.close());

describe('a server that is not there', () => {
  it('fails every command at once, with the reason, and is found when it comes', async () => {
    const port = await freePort();
    const redis = connectRedis({ url: `redis://127.0.0.1:${port}`, commandTimeoutMs: 60_000, log });
    const store = new RedisCheckpointStore({ app: 'main', redis });
    const started = performance.now();
    await until(() => redis.status === 'reconnecting', 10_000, 'a first attempt has failed');
    expect((await rejection(store.read(0), 'REDIS_UNREACHABLE')).message).toContain(`127.0.0.1:${port}`);
    expect((await rejection(store.commit(commitOf('1:a', 1)), 'REDIS_UNREACHABLE')).message).toContain('ECONNREFUSED');
    expect((await rejection(untilRedisReady(redis, 50), 'REDIS_UNREACHABLE')).message).toContain('ECONNREFUSED');
    expect(performance.now() - started).toBeLessThan(10_000);

    const fake = await answering('-LOADING Redis is loading the dataset in memory', port);
    await untilRedisReady(redis, 20_000);
    expect((await rejection(store.read(0), 'REDIS_UNAVAILABLE')).message).toContain('LOADING');
    await closeRedis(redis);
    fake.close();
    // Once, not once per attempt.
    expect(lines.filter((line) => line.includes('redis.waiting') && line.includes(String(port)))).toHaveLength(1);
    expect(lines.some((line) => line.includes('redis.connected') && line.includes(String(port)))).toBe(true);
  });

  it('can be given up while it is tried', async () => {
    const redis = connectRedis({ url: `redis://127.0.0.1:${await freePort()}`, commandTimeoutMs: 1_000 });
    await until(() => redis.status === 'reconnecting', 10_000, 'a first attempt has failed');
    await closeRedis(redis);
    await rejection(new RedisCheckpointStore({ app: 'main', redis }).read(0), 'REDIS_UNREACHABLE');
  });
});

describe('what a server answers', () => {
  it.each<[string, ErrorCode]>([
    ['LOADING Redis is loading the dataset in memory', 'REDIS_UNAVAILABLE'],
    ['MASTERDOWN Link with MASTER is down', 'REDIS_UNAVAILABLE'],
    ['CLUSTERDOWN The cluster is down', 'REDIS_UNAVAILABLE'],
    ['MISCONF Errors writing to the AOF file: No space left on device', 'REDIS_UNAVAILABLE'],
    ['NOAUTH Authentication required.', 'REDIS_UNAVAILABLE'],
    ["NOPERM this user has no permissions to run the 'eval' command", 'REDIS_UNAVAILABLE'],
    ['ERR max number of clients reached', 'REDIS_UNAVAILABLE'],
    // As Redis 6 tells what a script met.
    ['ERR Error running script (call to f_0): @user_script:1: -READONLY You can not write', 'REDIS_UNAVAILABLE'],
    ['ERR Error running script (call to f_0): @user_script:1: WRONGTYPE Operation', 'CORRUPT_CHECKPOINT'],
    ['ERR user_script:1: attempt to call a nil value script: 0, on @user_script:1.', 'BUG'],
    ['MOVED 1234 10.0.0.1:6379', 'REDIS_UNSUITABLE'],
  ])('%s is %s', async (answer, code) => {
    const port = await freePort();
    const fake = await answering(`-${answer}`, port);
    const redis = connectRedis({ url: `redis://127.0.0.1:${port}`, commandTimeoutMs: 5_000 });
    const store = new RedisCheckpointStore({ app: 'main', redis });
    await untilRedisReady(redis, 10_000);
    const error = await rejection(store.commit(commitOf('1:a', 1, { record: 'a secret of a user' })), code);
    expect(error.message).toContain('commit of partition 7: Redis at 127.0.0.1');
    expect(inspect(error, { depth: 9, showHidden: true })).not.toContain('a secret of a user');
    await closeRedis(redis);
    fake.close();
  });
});

describe('credentials', () => {
  it('are not in any error or log line', async () => {
    const secret = 'p@ss/w:rd';
    await subject.admin.acl('SETUSER', 'alice', 'on', '>right', '~*', '+@all');
    const url = new URL(subject.server.url);
    const { host } = url;
    const redis = connectRedis({
      url: `redis://alice:${encodeURIComponent(secret)}@${host}`,
      commandTimeoutMs: 1_000,
      log,
    });
    await until(() => lines.join().includes('WRONGPASS'), 10_000, 'the password is refused');
    const error = await rejection(untilRedisReady(redis, 20), 'REDIS_UNREACHABLE');
    expect(error.message).toContain('WRONGPASS');
    const store = new RedisCheckpointStore({ app: 'main', redis });
    const errors = [error, await store.read(0).catch((reason: unknown) => reason)];
    expect(errors[1]).toMatchObject({ category: 'transient' });
    for (const text of [...lines, ...errors.map((each) => inspect(each, { depth: 9, showHidden: true }))]) {
      expect(text).not.toContain(secret);
      expect(text).not.toContain(encodeURIComponent(secret));
    }
    // F27: allowed again, it connects by itself.
    await subject.admin.acl('SETUSER', 'alice', `>${secret}`);
    await untilRedisReady(redis, 20_000);
    await closeRedis(redis);
  });

  it('are hidden where the server repeats them', async () => {
    const port = await freePort();
    const fake = await answering('-ERR unknown command `AUTH`, with args beginning with: `hunter2`', port);
    const redis = connectRedis({ url: `redis://:hunter2@127.0.0.1:${port}`, commandTimeoutMs: 1_000, log });
    await until(() => lines.join().includes('***'), 10_000, 'the password is repeated');
    const error = await rejection(untilRedisReady(redis, 20), 'REDIS_UNREACHABLE');
    expect(error.message).toContain('***');
    expect(error.message + lines.join()).not.toContain('hunter2');
    await closeRedis(redis);
    fake.close();
  });

  it.each([
    'hunter2',
    'http://u:hunter2@host',
    'redis://u:hunter2@ho st',
    'redis://u:%E0%A4hunter2@host',
    'redis://u:hunter2@host/x',
    'redis://u:hunter2@host?family=6',
  ])('are not repeated from a URL that cannot be read: %s', (url) => {
    let error: unknown;
    try {
      connectRedis({ url, commandTimeoutMs: 1_000 });
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toMatchObject({ code: 'OPTIONS_INVALID' });
    expect(inspect(error, { depth: 9 })).not.toContain('hunter2');
  });
});

describe('checkRedis', () => {
  it('tells version and policy', async () => {
    const facts = await check('default');
    expect(facts).toEqual({ version: expect.stringMatching(/^\d+\.\d+\.\d+/), maxmemoryPolicy: 'noeviction' });
  });

  it.each([
    ['default', []],
    ['no-info', ['-info']],
    ['no-config', ['-config']],
  ])('refuses any other policy, as user %s', async (user, rights) => {
    if (rights.length > 0) await subject.admin.acl('SETUSER', user, 'on', 'nopass', '~*', '+@all', ...rights);
    await subject.admin.config('SET', 'maxmemory-policy', 'allkeys-lru');
    const error = await rejection(check(user), 'REDIS_UNSUITABLE');
    expect(error.message).toContain('allkeys-lru');
    await subject.admin.config('SET', 'maxmemory-policy', 'noeviction');
    expect((await check(user)).maxmemoryPolicy).toBe('noeviction');
  });

  it('is content with a user that may use the store and ask nothing', async () => {
    const used = 'hgetall hget hmget hset hdel hlen hkeys exists unlink multi exec eval evalsha quit';
    const rights = used.split(' ').map((command) => `+${command}`);
    await subject.admin.acl('SETUSER', 'worker', 'reset', 'on', '>pw', '~millrace:*', ...rights);
    expect(await check('worker')).toEqual({ version: undefined, maxmemoryPolicy: undefined });

    const redis = connectRedis({ url: urlOf('worker'), commandTimeoutMs: 5_000, name: 'worker' });
    await untilRedisReady(redis, 10_000);
    const store = new RedisCheckpointStore({ app: 'acl', redis });
    const fields = { set: [['1', 'x'] as const], remove: ['2'] };
    expect(await store.claim({ partition: 7, owner: '1:a', seen: undefined, record: '' })).toBe('accept');
    expect(await store.commit(commitOf('1:a', 1, { state: fields, dead: fields, outbox: fields }))).toBe('accept');
    expect(await store.load(7)).toMatchObject({ empty: false });
    expect(await store.readState(7, '1')).toMatchObject({ state: 'x' });
    expect(await store.loadStates(7, ['1'])).toEqual(['x']);
    expect(await store.deadLetters(7, 0, 1)).toEqual(['x']);
    expect(await store.read(7)).toMatchObject({ number: 1 });
    await store.close();
  });

  it('is transient when Redis is away', async () => {
    const redis = connectRedis({ url: `redis://127.0.0.1:${await freePort()}`, commandTimeoutMs: 1_000 });
    await rejection(checkRedis(redis), 'REDIS_UNREACHABLE');
    await closeRedis(redis);
  });
});

function urlOf(user: string): string {
  const { host } = new URL(subject.server.url);
  return user === 'default' ? `redis://${host}` : `redis://${user}:pw@${host}`;
}

async function check(user: string) {
  const redis = connectRedis({ url: urlOf(user), commandTimeoutMs: 5_000 });
  await untilRedisReady(redis, 10_000);
  try {
    return await checkRedis(redis);
  } finally {
    await closeRedis(redis);
  }
}

/** A server that gives one answer to everything. */
async function answering(line: string, port: number): Promise<Server> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.on('data', () => socket.write(`${line}\r\n`));
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

async function rejection(promise: Promise<unknown>, code: ErrorCode): Promise<MillraceError> {
  const error = await promise.then(
    (value) => expect.unreachable(`resolved with ${inspect(value)}, wanted ${code}`),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(MillraceError);
  expect(error).toMatchObject({ code });
  return error as MillraceError;
}

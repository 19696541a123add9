/** Every command but `dev`, as processes against real servers. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { locateServers } from '../../src/services/binaries.js';
import { freePort } from '../../src/services/free-port.js';
import { startNatsServer } from '../../src/services/nats-server.js';
import { startRedisServer } from '../../src/services/redis-server.js';
import type { RunningServer } from '../../src/services/server-process.js';
import { until } from '../support/until.js';
import { killCommands, run, start } from './cli-process.js';

let root: string;
let nats: RunningServer;
let redis: RunningServer;
let env: NodeJS.ProcessEnv;
let tests = 0;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'millrace-cli-'));
  const binaries = await locateServers();
  nats = await startNatsServer({ binary: binaries.nats, dir: join(root, 'nats') });
  redis = await startRedisServer({ binary: binaries.redis, dir: join(root, 'redis') });
});

// Each test has an application, a stream and subjects of its own.
beforeEach(() => {
  const name = `t${++tests}`;
  env = {
    ...{ NATS_URL: nats.url, REDIS_URL: redis.url, MILLRACE_APP: name, MILLRACE_STREAM_NAME: name.toUpperCase() },
    ...{ MILLRACE_STREAM_SUBJECTS: `${name}.*`, MILLRACE_HTTP_PORT: '0', MILLRACE_PROBES_PORT: '0' },
    ...{
      MILLRACE_PARTITIONS: '8',
      MILLRACE_THREADS: '1',
      MILLRACE_ORDER_SETTLE: '100ms',
      MILLRACE_ORDER_IDLE: '200ms',
    },
    ...{ MILLRACE_CHECKPOINT_INTERVAL: '50ms', MILLRACE_HANDLER: 'ledger' },
  };
});

afterEach(() => killCommands());

afterAll(async () => {
  await Promise.all([nats?.stop(), redis?.stop()]);
  await rm(root, { recursive: true, force: true });
});

describe('a node and the commands around it', () => {
  it('provisions, runs, publishes, reads its own write, shows its status and drains', async () => {
    const missing = await run(['provision', '--check'], { env });
    expect(missing).toMatchObject({ code: 1, out: '' });
    expect(missing.err).toContain('STREAM_MISSING');
    const made = await run(['provision'], { env });
    expect(made.code).toBe(0);
    expect(made.out).toContain(', created, on nats-server');
    expect(made.out).toContain('maxmemory-policy noeviction');
    expect((await run(['provision', '--check'], { env })).out).toContain(', was there, on nats-server');

    const node = start(['run'], { env });
    const { url } = await node.event<{ url: string }>('node.ready');
    const deposit = ['publish', 'account-7', '--type', 'deposit', '--data', '{"amount":100}', '--id', 'd1'];
    const published = await run(deposit, { env });
    expect(published).toMatchObject({ code: 0, err: '' });
    const receipt = published.out.trim();
    expect(receipt).toMatch(/^T\d+:1:\d$/);
    const got = await run(['get', 'account-7', '--after', receipt, '--wait', '20s', '--json'], { env });
    expect(got.code).toBe(0);
    expect(JSON.parse(got.out)).toMatchObject({
      applied: 1,
      id: 'd1',
      sequence: 1,
      state: { balance: 100, deposits: 1 },
    });
    expect((await run(['get', 'account-7'], { env })).out).toMatch(/^state\s+\{"balance":100/m);

    const status = await run(['status', '--url', url], { env });
    expect(status.code).toBe(0);
    expect(status.out).toMatch(/^partitions\s+8 running$/m);
    expect(JSON.parse((await run(['status', '--url', url, '--json'], { env })).out).phases).toEqual({ running: 8 });

    node.child.kill('SIGTERM');
    expect((await node.ended()).code).toBe(0);
    expect(node.events().map(({ event }) => event)).toEqual(expect.arrayContaining(['node.stopping', 'node.stopped']));
    // Without a node, state is still there to be read.
    expect((await run(['get', 'account-7'], { env })).code).toBe(0);
    const unknown = await run(['get', 'account-8'], { env });
    expect(unknown).toMatchObject({ code: 1, err: '' });
    expect(unknown.out).toContain('no event of this key was applied');
  });

  it('refuses to run without the stream, or with one that it would read wrongly, and says what to do', async () => {
    const bare = await run(['run'], { env });
    expect(bare.code).toBe(1);
    expect(bare.err).toContain('STREAM_MISSING');
    expect(bare.err).toContain('`millrace provision`');

    const connection = await connect({ servers: nats.url });
    const jsm = await jetstreamManager(connection);
    const name = env.MILLRACE_STREAM_NAME!;
    await jsm.streams.add({ name, subjects: [env.MILLRACE_STREAM_SUBJECTS!], retention: 'workqueue' });
    await connection.close();
    const refused = await run(['provision', '--json'], { env });
    expect(refused).toMatchObject({ code: 1, out: '' });
    expect(JSON.parse(refused.err).error).toMatchObject({ code: 'STREAM_UNSUITABLE' });
    expect(refused.err).toContain('retention is workqueue');
  });

  it('waits for Redis, says so, and goes on when it comes', async () => {
    await run(['provision'], { env });
    const port = await freePort();
    const node = start(['run'], { env: { ...env, REDIS_URL: `redis://127.0.0.1:${port}` } });
    await node.event('redis.waiting');
    const { redis: binary } = await locateServers();
    const late = await startRedisServer({ binary, dir: join(root, 'late'), port });
    try {
      await node.event('node.ready');
      node.child.kill('SIGINT');
      expect((await node.ended()).code).toBe(0);
    } finally {
      await late.stop();
    }
  });

  it('shows a partition that stands still, with the reason, and exit code 1', async () => {
    await run(['provision'], { env });
    const node = start(['run'], { env });
    await node.event('node.ready');
    const first = await run(['publish', 'a', '--type', 'deposit', '--data', '{"amount":1}'], { env });
    await run(['get', 'a', '--after', first.out.trim(), '--wait', '20s'], { env });
    node.child.kill('SIGTERM');
    await node.ended();
    const lines = [1, 2, 3].map((amount) => JSON.stringify({ key: 'a', type: 'deposit', data: { amount } }));
    await run(['publish'], { env, input: lines.join('\n') });
    const connection = await connect({ servers: nats.url });
    await (await jetstreamManager(connection)).streams.purge(env.MILLRACE_STREAM_NAME!, { keep: 1 });
    await connection.close();

    const again = start(['run'], { env });
    const { url } = await again.event<{ url: string }>('node.ready');
    const status = await run(['status', '--url', url], { env });
    expect(status.code).toBe(1);
    expect(status.out).toMatch(/^halted: partition \d: GAP: .*sequences 2 to 3 are gone/m);
  });
});

describe('publish', () => {
  it('reads events line by line and prints their receipts in order', async () => {
    await run(['provision'], { env });
    const file = join(root, 'events.ndjson');
    const keys = Array.from({ length: 3_000 }, (_, i) => `k${i % 10}`);
    await writeFile(file, keys.map((key, i) => `${JSON.stringify({ key, id: `e${i}`, data: i })}\n`).join(''));
    const { code, out } = await run(['publish', '--file', file, '--json'], { env });
    expect(code).toBe(0);
    const receipts = out.trimEnd().split('\n');
    expect(receipts.map((line) => JSON.parse(line).sequence)).toEqual(keys.map((_, i) => i + 1));

    const repeated = await run(['publish'], { env, input: '{"key":"k0","id":"e0"}\n\n{"key":"k1","id":"new"}\n' });
    expect(
      repeated.out
        .trimEnd()
        .split('\n')
        .map((line) => line.split(':')[1]),
    ).toEqual(['1', '3001']);
    expect(repeated.err).toContain('was there already');
  });

  it('names the line and every problem of an event that is not valid, and publishes nothing after it', async () => {
    await run(['provision'], { env });
    const input = '{"key":"a","id":"1"}\n{"time":"x","kei":1}\n{"key":"a","id":"2"}\n';
    const { code, out, err } = await run(['publish'], { env, input });
    expect(code).toBe(2);
    expect(out).toMatch(/^T\d+:1:\d\n$/);
    expect(err).toContain('REQUEST_INVALID: line 2: the event cannot be published');
    for (const problem of ['no field "kei"', 'the key is missing', 'the time is neither'])
      expect(err).toContain(problem);
    expect((await run(['publish'], { env, input: '{"key":' })).err).toContain('line 1 is not JSON');
  });
});

describe('usage and reachability', () => {
  it('exits with 3 where no server answers, as text and as JSON', async () => {
    const away = { ...env, NATS_URL: 'nats://127.0.0.1:1', REDIS_URL: 'redis://127.0.0.1:1' };
    const commands = [['provision'], ['publish', 'a'], ['get', 'a'], ['status', '--url', 'http://127.0.0.1:1']];
    const results = await Promise.all(commands.map((args) => run([...args, '--json'], { env: away })));
    expect(results.map(({ code }) => code)).toEqual([3, 3, 3, 3]);
    const codes = results.map(({ err }) => JSON.parse(err.trimEnd().split('\n').at(-1)!).error.code);
    expect(codes).toEqual(['NATS_UNREACHABLE', 'NATS_UNREACHABLE', 'REDIS_UNREACHABLE', 'NODE_UNREACHABLE']);
  });

  it('exits with 2 on wrong usage, and suggests what was meant', async () => {
    const unknown = await run(['run', '--order-setle', '1s'], { env });
    expect(unknown.code).toBe(2);
    expect(unknown.err).toContain('--order-settle');
    const invalid = await run(['config', '--partitions', '0', '--order-settle', 'soon'], { env });
    expect(invalid.code).toBe(2);
    expect(invalid.err.match(/^ {2}- /gm)).toHaveLength(2);
    for (const args of [[], ['nope'], ['get'], ['get', 'a', '--after', 'x'], ['run', '--config', 'none.yaml']])
      expect((await run(args, { env })).code, args.join(' ')).toBe(2);
    expect((await run(['config'], { env: { ...env, MILLRACE_ORDER_SETLE: '1s' } })).err).toContain(
      'MILLRACE_ORDER_SETTLE',
    );
  });

  it('refuses to look for keys with another partition count than they were stored with', async () => {
    await run(['provision'], { env });
    const node = start(['run'], { env });
    await node.event('node.ready');
    const { code, err } = await run(['get', 'a', '--partitions', '16'], { env });
    expect(code).toBe(1);
    expect(err).toContain('LAYOUT_MISMATCH: application');
  });

  it('shows every option with its origin, flag before environment before file', async () => {
    const file = join(root, 'millrace.yaml');
    await writeFile(file, 'order:\n  settle: 3s\n  idle: 4s\nredis:\n  password: secret\n');
    const args = ['config', '--config', file, '--checkpoint-interval', '90ms', '--json'];
    const { code, out } = await run(args, { env });
    expect(code).toBe(0);
    const shown = JSON.parse(out) as Record<string, { value: string; origin: string }>;
    expect(shown['checkpoint.interval']).toEqual({ value: '90ms', origin: 'flag --checkpoint-interval' });
    expect(shown['order.settle']).toEqual({ value: '100ms', origin: 'env MILLRACE_ORDER_SETTLE' });
    const text = await run(['config'], { env: { MILLRACE_CONFIG: file } });
    expect(text.out).toMatch(/^order\.idle\s+4s\s+file .*millrace\.yaml:3$/m);
    expect(out + text.out).not.toContain('secret');
  });

  it('has help with an example for every command', async () => {
    const commands = ['dev', 'run', 'provision', 'publish', 'get', 'status', 'config'];
    for (const command of commands) {
      const { code, out } = await run([command, '--help']);
      expect(code).toBe(0);
      expect(out).toMatch(new RegExp(`Examples?:\\n {2}\\$ millrace ${command}`));
      expect(out).toContain('--json');
    }
    const { version } = (await import('node:module')).createRequire(import.meta.url)('../../../package.json');
    expect((await run(['--version'])).out.trim()).toBe(version);
  });
});

describe('signals', () => {
  it('takes an echo of the first one for the same, and drains', async () => {
    await run(['provision'], { env });
    const node = start(['run'], { env });
    await node.event('node.ready');
    node.child.kill('SIGINT');
    await node.event('node.stopping');
    node.child.kill('SIGINT');
    expect((await node.ended()).code).toBe(0);
    expect(node.events().at(-1)).toMatchObject({ event: 'node.stopped' });
  });

  it('ends at once at a second one', async () => {
    await run(['provision'], { env });
    const node = start(['run'], { env });
    await node.event('node.ready');
    redis.pause(); // the drain has to wait for it
    try {
      node.child.kill('SIGTERM');
      await until(() => !node.child.kill('SIGTERM') || node.child.exitCode !== null, 10_000, 'the end');
    } finally {
      redis.resume();
    }
    expect((await node.ended()).code).toBe(143);
  });
});

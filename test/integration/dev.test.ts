/** `millrace dev --services` as a developer meets it, with real servers of its own. */
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from '@nats-io/transport-node';
import { Redis } from 'ioredis';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { partitionOf } from '../../src/core/key/partition.js';
import { locateServers } from '../../src/services/binaries.js';
import { startNatsServer } from '../../src/services/nats-server.js';
import { startRedisServer } from '../../src/services/redis-server.js';
import { until } from '../support/until.js';
import { type CommandProcess, killCommands, run, start } from './cli-process.js';

interface Ready {
  readonly url: string;
  readonly probesUrl: string;
  readonly nats: string;
  readonly redis: string;
}

interface Verdict {
  readonly ok: boolean;
  readonly keys: number;
  readonly events: number;
  readonly duplicates: number;
  readonly dead: Record<string, number>;
  readonly problems: readonly string[];
}

let cwd: string;

beforeEach(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'millrace-dev-'));
});

afterEach(async () => {
  await killCommands();
  await rm(cwd, { recursive: true, force: true });
});

function startDev(...args: string[]): CommandProcess {
  return start(['dev', '--services', '--json', '--rate', '400', ...args], { cwd });
}

async function status(url: string): Promise<{ partitions: { counters?: { applied: number; duplicates: number } }[] }> {
  return (await fetch(`${url}/v1/status`)).json() as ReturnType<typeof status>;
}

async function sumOf(url: string, counter: 'applied' | 'duplicates'): Promise<number> {
  return (await status(url)).partitions.reduce((sum, { counters }) => sum + (counters?.[counter] ?? 0), 0);
}

async function pidOf(program: 'nats' | 'redis'): Promise<number> {
  const text = await readFile(join(cwd, '.millrace', program, `${program}-server.pid`), 'utf8');
  return Number(text.split(' ')[0]);
}

const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

describe('millrace dev --services', () => {
  it('shows a living demo, takes events by hand, and ends with a good verdict and nothing left behind', async () => {
    const dev = startDev();
    const { url, probesUrl, nats, redis } = await dev.event<Ready>('ready');
    const pids = await Promise.all([pidOf('nats'), pidOf('redis')]);
    await until(async () => (await sumOf(url, 'duplicates')) > 5, 30_000, 'repeats that reach Millrace');

    const deposit = ['publish', 'by-hand', '--type', 'deposit', '--data', '{"amount":100}', '--nats', nats];
    const receipt = (await run(deposit)).out.trim();
    const got = await run(['get', 'by-hand', '--redis', redis, '--after', receipt, '--wait', '30s', '--json']);
    expect(JSON.parse(got.out).state).toMatchObject({ balance: 100, deposits: 1 });
    const account = (await (await fetch(`${url}/v1/state/account-7`)).json()) as { applied: number };
    expect(account.applied).toBeGreaterThan(0);
    expect((await fetch(`${probesUrl}/readyz`)).status).toBe(200);
    expect((await run(['status', '--url', url])).code).toBe(0);

    dev.child.kill('SIGINT');
    const { code } = await dev.ended();
    const verdict = await dev.event<Verdict>('verdict');
    expect(verdict).toMatchObject({ ok: true, problems: [], dead: {} });
    expect(verdict.keys).toBeGreaterThan(150);
    expect(verdict.duplicates).toBeGreaterThan(5);
    expect(code).toBe(0);
    expect(existsSync(join(cwd, '.millrace'))).toBe(false);
    expect(pids.map(isAlive)).toEqual([false, false]);
  });

  it('spreads the events over several streams with its own server, which it tells how', async () => {
    const { code, out } = await run(['dev', '--services', '--streams', '4', '--seconds', '3', '--rate', '200'], {
      cwd,
    });
    expect(out).toMatch(/npx millrace publish account-7 .* --streams 4$/m);
    expect(out).toMatch(/^OK: \d+ keys, .* final state equals an independent fold$/m);
    expect(code).toBe(0);
  });

  it('prints for people where to look, status lines, and the verdict', async () => {
    const { code, out } = await run(['dev', '--services', '--seconds', '6', '--rate', '50', '--accounts', '10'], {
      cwd,
    });
    expect(code).toBe(0);
    expect(out).toMatch(/^Services mode: .*\nWithout any server.*npm start\n/);
    for (const text of [
      'Millrace is running',
      '/v1/state/account-7',
      'npx millrace get account-7',
      'redis-cli',
      'HGET',
    ])
      expect(out).toContain(text);
    expect(out).toContain('It stops by itself after 6 s');
    expect(out).toMatch(/^\d+\/s · applied \d+ · duplicates \d+ · late 0 · buffered \d+ · lag \d+ · checkpoint/m);
    expect(out).toMatch(
      /^OK: 10 keys, \d+ events published, \d+ duplicates? dropped, final state equals an independent fold$/m,
    );
  });

  it('goes on after both servers were killed', async () => {
    const dev = startDev();
    const { url } = await dev.event<Ready>('ready');
    for (const program of ['redis', 'nats'] as const) {
      const before = await sumOf(url, 'applied');
      await until(
        async () => (await sumOf(url, 'applied')) > before + 200,
        30_000,
        `events before ${program} is killed`,
      );
      process.kill(await pidOf(program), 'SIGKILL');
    }
    const after = await sumOf(url, 'applied');
    await until(async () => (await sumOf(url, 'applied')) > after + 400, 60_000, 'events after it');
    dev.child.kill('SIGTERM');
    expect((await dev.ended()).code).toBe(0);
    expect(await dev.event<Verdict>('verdict')).toMatchObject({ ok: true, problems: [] });
  });

  it('keeps the data with --keep, and the next verdict covers the whole stream, also after a kill', async () => {
    const first = startDev('--keep', '--seconds', '2');
    expect((await first.ended()).code).toBe(0);
    const { events } = await first.event<Verdict>('verdict');
    const second = startDev('--keep');
    const { url } = await second.event<Ready>('ready');
    await until(async () => (await sumOf(url, 'applied')) > events + 200, 30_000, 'more events');
    second.child.kill('SIGKILL');
    await second.ended();
    const third = startDev('--keep', '--seconds', '2');
    expect((await third.ended()).code).toBe(0);
    const verdict = await third.event<Verdict>('verdict');
    expect(verdict).toMatchObject({ ok: true, problems: [] });
    expect(verdict.events).toBeGreaterThan(events + 400);
    // Without --keep it begins anew.
    const fresh = startDev('--seconds', '1');
    expect((await fresh.ended()).code).toBe(0);
    expect((await fresh.event<Verdict>('verdict')).events).toBeLessThan(events + 400);
  });

  it('finds what is wrong in Redis, names it, and keeps the evidence', async () => {
    const dev = startDev();
    const ready = await dev.event<Ready>('ready');
    await until(async () => (await sumOf(ready.url, 'applied')) > 100, 30_000, 'events');
    const redis = new Redis(ready.redis);
    const ghost = JSON.stringify({ state: { balance: 1 }, time: 1, id: 'x', sequence: '1', applied: 1 });
    await redis.hset(`millrace:{main:${partitionOf('ghost', 64)}}:state`, 'ghost', ghost);
    redis.disconnect();
    dev.child.kill('SIGINT');
    expect((await dev.ended()).code).toBe(1);
    const { ok, problems } = await dev.event<Verdict>('verdict');
    expect(ok).toBe(false);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(/^ghost: Redis has \{.*\}, the fold has nothing$/);
    expect(existsSync(join(cwd, '.millrace', 'redis'))).toBe(true);
  });

  it('sets a bad event and a late one aside, and the verdict accounts for them', async () => {
    const dev = startDev();
    const { nats, url } = await dev.event<Ready>('ready');
    const connection = await connect({ servers: nats });
    connection.publish('events.account-7', 'not JSON');
    connection.publish('events.account-7', JSON.stringify({ id: 'bad', type: 'gift', data: { amount: 1 } }));
    await until(async () => (await sumOf(url, 'applied')) > 1_000, 60_000, 'newer events');
    const late = { id: 'late', time: Date.now() - 60_000, type: 'deposit', data: { amount: 1 } };
    connection.publish('events.account-7', JSON.stringify(late));
    connection.publish('events.account-7', JSON.stringify(late));
    await connection.flush();
    await connection.close();
    dev.child.kill('SIGINT');
    expect((await dev.ended()).code).toBe(0);
    expect(await dev.event<Verdict>('verdict')).toMatchObject({
      ok: true,
      dead: { EVENT_INVALID: 1, HANDLER_THREW: 1, EVENT_LATE: 1 },
    });
  });

  it('uses servers that run already, takes the next ports, and leaves the servers alone', async () => {
    const binaries = await locateServers();
    const nats = await startNatsServer({ binary: binaries.nats, dir: join(cwd, 'n') });
    const redis = await startRedisServer({ binary: binaries.redis, dir: join(cwd, 'r') });
    try {
      const [one, two] = ['one', 'two'].map((app) =>
        startDev(
          '--seconds',
          '3',
          '--nats',
          nats.url,
          '--redis',
          redis.url,
          '--app',
          app,
          '--stream-name',
          app,
          ...['--stream-subjects', `${app}.*`],
        ),
      ) as [CommandProcess, CommandProcess];
      const ready = await Promise.all([one.event<Ready>('ready'), two.event<Ready>('ready')]);
      expect(new Set(ready.flatMap(({ url, probesUrl }) => [url, probesUrl])).size).toBe(4);
      expect(ready[0].nats).toBe(nats.url);
      expect((await Promise.all([one.ended(), two.ended()])).map(({ code }) => code)).toEqual([0, 0]);
      expect(existsSync(join(cwd, '.millrace'))).toBe(false);
      expect([nats.pid, redis.pid].map(isAlive)).toEqual([true, true]);
    } finally {
      await Promise.all([nats.stop(), redis.stop()]);
    }
  });

  it('ends at once at the second signal, and its servers with it', async () => {
    const dev = startDev();
    await dev.event<Ready>('ready');
    const pids = await Promise.all([pidOf('nats'), pidOf('redis')]);
    process.kill(pids[1]!, 'SIGSTOP'); // nothing can be applied any more
    dev.child.kill('SIGINT');
    await until(() => !dev.child.kill('SIGINT') || dev.child.exitCode !== null, 10_000, 'the end');
    expect((await dev.ended()).code).toBe(130);
    await until(() => !pids.some(isAlive), 10_000, 'the end of the servers');
  });

  it('refuses a directory that another one uses, and names it', async () => {
    const dev = startDev();
    await dev.event<Ready>('ready');
    const second = await run(['dev', '--services', '--json'], { cwd });
    expect(second.code).toBe(1);
    expect(JSON.parse(second.err).error.code).toBe('PORT_IN_USE');
    expect(second.err).toContain('.millrace');
  });

  it('says what is missing where no servers can be had', async () => {
    const env = { PATH: join(cwd, 'empty'), MILLRACE_CACHE: join(cwd, 'cache') };
    const { code, err } = await run(['dev', '--services', '--seconds', '1'], { cwd, env });
    // Where servers lie outside the search path they are found all the same.
    if (code === 0) return;
    expect(code).toBe(1);
    expect(err).toContain('SERVERS_MISSING');
    expect(err).toContain('--nats and --redis');
  });
});

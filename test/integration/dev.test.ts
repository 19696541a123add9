/** `millrace dev --services` as a developer meets it, with real servers of its own. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { connect } from '@nats-io/transport-node';
import { Redis } from 'ioredis';
import { describe, expect, test } from 'vitest';
import { partitionOf } from '../../src/core/key/partition.js';
import { locateServers } from '../../src/services/binaries.js';
import { startNatsServer } from '../../src/services/nats-server.js';
import { startRedisServer } from '../../src/services/redis-server.js';
import { until } from '../support/until.js';
import { type CommandProcess, run } from './cli-process.js';
import {
  besideLate,
  DevPlace,
  expectEvidence,
  expectForPeople,
  expectLivingDemo,
  expectSecondSignal,
  type Ready,
  reasonFor,
  sumOf,
  type Verdict,
  withoutServers,
} from './dev-place.js';

interface ServicesReady extends Ready {
  readonly nats: string;
  readonly redis: string;
}

// Most of this is waiting for servers and for a demo at its own pace.
const it = test.concurrent;

async function pidOf({ cwd }: DevPlace, program: 'nats' | 'redis'): Promise<number> {
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
  it('shows a living demo, takes events by hand, and ends with a good verdict and nothing left behind', async (context) => {
    const place = await DevPlace.open(context, 'services');
    const dev = place.start();
    const ready = await dev.event<ServicesReady>('ready');
    const pids = await Promise.all([pidOf(place, 'nats'), pidOf(place, 'redis')]);
    await expectLivingDemo(dev, ready, { publish: ['--nats', ready.nats], get: ['--redis', ready.redis] });
    expect(existsSync(join(place.cwd, '.millrace'))).toBe(false);
    expect(pids.map(isAlive)).toEqual([false, false]);
  });

  it('spreads the events over several streams with its own server, which it tells how', async (context) => {
    const place = await DevPlace.open(context, 'services');
    const { code, out } = await place.run('--streams', '4', '--seconds', '3', '--rate', '200');
    expect(out).toMatch(/npx millrace publish account-7 .* --streams 4$/m);
    expect(out).toMatch(/^OK: \d+ keys, .* final state equals an independent fold$/m);
    expect(code).toBe(0);
  });

  it('prints for people where to look, status lines, and the verdict', async (context) => {
    const place = await DevPlace.open(context, 'services');
    const result = await place.run('--seconds', '6', '--rate', '50', '--accounts', '10');
    expect(result.out).toMatch(/^Services mode: .*\nWithout any server.*npm start\n/);
    expectForPeople(result, [
      ...['Millrace is running', '/v1/state/account-7', 'npx millrace get account-7', 'redis-cli', 'HGET'],
      'It stops by itself after 6 s',
    ]);
  });

  it('goes on after both servers were killed', async (context) => {
    const place = await DevPlace.open(context, 'services');
    const dev = place.start();
    const { url } = await dev.event<ServicesReady>('ready');
    for (const program of ['redis', 'nats'] as const) {
      const before = await sumOf(url, 'applied');
      await until(
        async () => (await sumOf(url, 'applied')) > before + 200,
        30_000,
        `events before ${program} is killed`,
      );
      process.kill(await pidOf(place, program), 'SIGKILL');
    }
    const after = await sumOf(url, 'applied');
    await until(async () => (await sumOf(url, 'applied')) > after + 400, 60_000, 'events after it');
    dev.child.kill('SIGTERM');
    expect((await dev.ended()).code).toBe(0);
    expect(await dev.event<Verdict>('verdict')).toMatchObject({ ok: true, problems: [] });
  });

  it('keeps the data with --keep, and the next verdict covers the whole stream, also after a kill', async (context) => {
    const place = await DevPlace.open(context, 'services');
    const first = place.start('--keep', '--seconds', '2');
    expect((await first.ended()).code).toBe(0);
    const { events } = await first.event<Verdict>('verdict');
    const second = place.start('--keep');
    const { url } = await second.event<ServicesReady>('ready');
    await until(async () => (await sumOf(url, 'applied')) > events + 200, 30_000, 'more events');
    second.child.kill('SIGKILL');
    await second.ended();
    const third = place.start('--keep', '--seconds', '2');
    expect((await third.ended()).code).toBe(0);
    const verdict = await third.event<Verdict>('verdict');
    expect(verdict).toMatchObject({ ok: true, problems: [] });
    expect(verdict.events).toBeGreaterThan(events + 400);
    // Without --keep it begins anew.
    const fresh = place.start('--seconds', '1');
    expect((await fresh.ended()).code).toBe(0);
    expect((await fresh.event<Verdict>('verdict')).events).toBeLessThan(events + 400);
  });

  it('finds what is wrong in Redis, names it, and keeps the evidence', async (context) => {
    const place = await DevPlace.open(context, 'services');
    const dev = place.start();
    const ready = await dev.event<ServicesReady>('ready');
    await until(async () => (await sumOf(ready.url, 'applied')) > 100, 30_000, 'events');
    const redis = new Redis(ready.redis);
    const ghost = JSON.stringify({ state: { balance: 1 }, time: 1, id: 'x', sequence: '1', applied: 1 });
    await redis.hset(`millrace:{main:${partitionOf('ghost', 64)}}:state`, 'ghost', ghost);
    redis.disconnect();
    await expectEvidence(dev, /^ghost: Redis has \{.*\}, the fold has nothing$/);
    expect(existsSync(join(place.cwd, '.millrace', 'redis'))).toBe(true);
  });

  it('sets a bad event and a late one aside, and the verdict accounts for them', async (context) => {
    const place = await DevPlace.open(context, 'services');
    const dev = place.start();
    const { nats, url } = await dev.event<ServicesReady>('ready');
    const connection = await connect({ servers: nats });
    connection.publish('events.account-7', 'not JSON');
    connection.publish('events.account-7', JSON.stringify({ id: 'bad', type: 'gift', data: { amount: 1 } }));
    await until(async () => (await sumOf(url, 'applied')) > 1_000, 60_000, 'newer events');
    const late = { id: 'late', time: Date.now() - 60_000, type: 'deposit', data: { amount: 1 } };
    connection.publish('events.account-7', JSON.stringify(late));
    connection.publish('events.account-7', JSON.stringify(late));
    await connection.flush();
    await connection.close();
    expect(await reasonFor(url, 'late')).toBe('EVENT_LATE');
    dev.child.kill('SIGINT');
    expect((await dev.ended()).code).toBe(0);
    const verdict = await dev.event<Verdict>('verdict');
    expect(verdict.ok).toBe(true);
    expect(besideLate(verdict)).toEqual({ EVENT_INVALID: 1, HANDLER_THREW: 1 });
  });

  it('uses servers that run already, takes the next ports, and leaves the servers alone', async (context) => {
    const place = await DevPlace.open(context, 'services');
    const binaries = await locateServers();
    const nats = await startNatsServer({ binary: binaries.nats, dir: join(place.cwd, 'n') });
    const redis = await startRedisServer({ binary: binaries.redis, dir: join(place.cwd, 'r') });
    try {
      const [one, two] = ['one', 'two'].map((app) =>
        place.start(
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
      const ready = await Promise.all([one.event<ServicesReady>('ready'), two.event<ServicesReady>('ready')]);
      expect(new Set(ready.flatMap(({ url, probesUrl }) => [url, probesUrl])).size).toBe(4);
      expect(ready[0].nats).toBe(nats.url);
      expect((await Promise.all([one.ended(), two.ended()])).map(({ code }) => code)).toEqual([0, 0]);
      expect(existsSync(join(place.cwd, '.millrace'))).toBe(false);
      expect([nats.pid, redis.pid].map(isAlive)).toEqual([true, true]);
    } finally {
      await Promise.all([nats.stop(), redis.stop()]);
    }
  });

  it('ends at once at the second signal, and its servers with it', async (context) => {
    const place = await DevPlace.open(context, 'services');
    const dev = place.start();
    await dev.event<ServicesReady>('ready');
    const pids = await Promise.all([pidOf(place, 'nats'), pidOf(place, 'redis')]);
    process.kill(pids[1]!, 'SIGSTOP'); // nothing can be applied any more
    dev.child.kill('SIGINT');
    await expectSecondSignal(dev);
    await until(() => !pids.some(isAlive), 10_000, 'the end of the servers');
  });

  it('refuses a directory that another one uses, and names it', async (context) => {
    const place = await DevPlace.open(context, 'services');
    const dev = place.start();
    await dev.event<ServicesReady>('ready');
    const second = await place.run('--json');
    expect(second.code).toBe(1);
    expect(JSON.parse(second.err).error.code).toBe('PORT_IN_USE');
    expect(second.err).toContain('.millrace');
  });

  it('says what is missing where no servers can be had', async (context) => {
    const place = await DevPlace.open(context, 'services');
    const { cwd } = place;
    const { code, err } = await run(['dev', '--services', '--seconds', '1'], { cwd, env: withoutServers(cwd) });
    // Where servers lie outside the search path they are found all the same.
    if (code === 0) return;
    expect(code).toBe(1);
    expect(err).toContain('SERVERS_MISSING');
    expect(err).toContain('--nats and --redis');
  });
});

/** `millrace load` against a node on real servers: what it measures, and that it finds what is planted. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { LoadResult } from '../../src/cli/load/load-result.js';
import { until } from '../support/until.js';
import { run, start } from './cli-process.js';
import { QuestionsWorld, type TestApp } from './questions-world.js';

let world: QuestionsWorld;

beforeAll(async () => {
  world = await QuestionsWorld.start();
});

afterAll(async () => {
  await world?.stop();
});

const load = (app: TestApp, ...flags: string[]) => [
  ...['load', '--config', app.config, '--url', app.url, '--keys', '50', '--json', ...flags],
];

const levels = ({ audit }: LoadResult) => Object.fromEntries(audit.map(({ check, level }) => [check, level]));

it('measures until events are durable and finds nothing wrong, over NATS and over HTTP', async () => {
  const app = await (await world.app({ order: { settle: '2s', idle: '2s' } })).run();
  const plot = join(world.dir, 'load.svg');
  const planted = ['--duplicates', '10', '--disorder', '100ms', '--plot', plot];
  const nats = await run(load(app, '--rate', '1000', '--duration', '2s', '--publishers', '2', ...planted));
  expect(nats.err).toBe('');
  const result = JSON.parse(nats.out) as LoadResult;
  expect(levels(result), nats.out).toEqual({
    ...{ published: 'ok', decided: 'ok', duplicates: 'ok', order: 'ok', applied: 'ok', keys: 'ok', states: 'ok' },
  });
  expect(nats.code).toBe(0);
  expect(result).toMatchObject({ scheduled: 2_000, sent: 2_000, acknowledged: 2_000, isInterrupted: false });
  expect(result.audit.find(({ check }) => check === 'duplicates')!.found).toMatch(
    /^[12]\d\d repeats published: 0 known/,
  );
  const { sent, acknowledged, applied, durable } = result.latencyMs;
  expect([sent!.count, acknowledged!.count]).toEqual([2_000, 2_000]);
  expect(applied!.count).toBeGreaterThan(5);
  expect(durable!.count).toBe(applied!.count);
  expect(applied!.p50).toBeGreaterThan(acknowledged!.p50);
  expect(durable!.p50).toBeGreaterThanOrEqual(applied!.p50);
  expect(await readFile(plot, 'utf8')).toMatch(/^<svg /);

  const http = await run(load(app, '--target', 'http', '--rate', '500', '--duration', '1s', '--duplicates', '10'));
  const second = JSON.parse(http.out) as LoadResult;
  expect(new Set(Object.values(levels(second))), http.out).toEqual(new Set(['ok']));
  expect(second).toMatchObject({ acknowledged: 500, target: app.url });
  await app.drain();
});

it('numbers the events of each key where order is by number: none is given up, whoever sends them', async () => {
  const app = await (await world.app({ order: { mode: 'sequence', gapTimeout: '60s' } })).run();
  const planted = ['--duplicates', '10', '--disorder', '100ms', '--publishers', '2', '--order-mode', 'sequence'];
  const { out } = await run(load(app, '--rate', '1000', '--duration', '1s', ...planted));
  const result = JSON.parse(out) as LoadResult;
  expect(levels(result), out).toEqual({
    ...{ published: 'ok', decided: 'ok', duplicates: 'ok', order: 'ok', applied: 'ok', keys: 'ok', states: 'ok' },
  });
  expect(result.acknowledged).toBe(1_000);
  await app.drain();
});

it('finds repeats that are applied twice, and events that came too late', async () => {
  const twice = await (await world.app({ dedupe: { idempotent: true }, order: { settle: '2s', idle: '2s' } })).run();
  const repeated = await run(load(twice, '--rate', '500', '--duration', '1s', '--duplicates', '20', '--no-verify'));
  expect(repeated.code).toBe(1);
  const found = levels(JSON.parse(repeated.out) as LoadResult);
  expect(found).toMatchObject({ published: 'ok', duplicates: 'finding', applied: 'finding', keys: 'finding' });
  await twice.drain();

  const late = await (await world.app({ order: { settle: '10ms', late: 'drop' } })).run();
  const disordered = await run(load(late, '--rate', '500', '--duration', '2s', '--disorder', '1s', '--no-verify'));
  expect(disordered.code).toBe(1);
  expect(levels(JSON.parse(disordered.out) as LoadResult)).toMatchObject({
    ...{ decided: 'ok', order: 'finding', samples: 'unknown' },
  });
  await late.drain();
});

it('ends with Ctrl-C and the results so far; tells wrong usage from an absent server', async () => {
  const app = await (await world.app()).run();
  const long = start(load(app, '--rate', '200', '--duration', '10m'));
  const unread = async () => ((await app.get('/v1/status')).body as { eventsRead: number }).eventsRead;
  await until(async () => (await unread()) > 100, 30_000, 'the first events');
  long.child.kill('SIGINT');
  const { code, out } = await long.ended();
  const result = JSON.parse(out) as LoadResult;
  expect(result).toMatchObject({ isInterrupted: true });
  expect(result.acknowledged).toBeGreaterThan(100);
  expect([code, levels(result)]).toEqual([0, { ...levels(result), published: 'ok', applied: 'ok', keys: 'ok' }]);
  await app.drain();

  const away = await run(['load', '--nats', 'nats://127.0.0.1:1', '--no-watch', '--duration', '1s']);
  expect([away.code, away.err]).toEqual([3, expect.stringContaining('NATS_UNREACHABLE')]);
  expect((await run(['load', '--target', 'http', '--url', 'http://127.0.0.1:1'])).code).toBe(3);
  const wrong = await run(['load', '--peak', '5']);
  expect([wrong.code, wrong.err]).toEqual([2, expect.stringContaining('--peak is for')]);
});

/** Traces, where a program has set tracing up: from a request into the stream, through the node, and out with outputs. */
import { AsyncLocalStorage } from 'node:async_hooks';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { jetstreamManager } from '@nats-io/jetstream';
import { headers } from '@nats-io/nats-core';
import { type Context, context, createContextKey, propagation, ROOT_CONTEXT } from '@opentelemetry/api';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { JetStreamSink } from '../../src/adapters/nats/jetstream-sink.js';
import { type Captured, capture } from '../support/capture.js';
import { Cluster } from '../support/cluster.js';
import type { RecordedSpan } from '../support/span-recorder.js';
import { until } from '../support/until.js';
import { killCommands, start } from './cli-process.js';
import { HttpWorld } from './http-world.js';

// Every wait inside has a deadline of its own; this one is for slow machines.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const RECORDER = new URL('../support/span-recorder.js', import.meta.url).href;
const TALLY = fileURLToPath(new URL('../support/tally-actor.js', import.meta.url));
const TRACE = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
const key = createContextKey('traceparent');
let cluster: Cluster;

/** What an OpenTelemetry SDK registers, as little of it as this needs. */
beforeAll(async () => {
  cluster = await Cluster.start();
  await cluster.addStream('EVENTS', ['events.*']);
  const storage = new AsyncLocalStorage<Context>();
  context.setGlobalContextManager({
    active: () => storage.getStore() ?? ROOT_CONTEXT,
    with: (active, work, self, ...args) => storage.run(active, () => work.call(self as never, ...args)),
    bind: (_, target) => target,
    enable() {
      return this;
    },
    disable() {
      return this;
    },
  });
  propagation.setGlobalPropagator({
    inject: (active, carrier, setter) => {
      const value = active.getValue(key);
      if (typeof value === 'string') setter.set(carrier, 'traceparent', value);
    },
    extract: (active, carrier, getter) => active.setValue(key, getter.get(carrier, 'traceparent')),
    fields: () => ['traceparent'],
  });
});

afterAll(async () => {
  await killCommands();
  context.disable();
  propagation.disable();
  await cluster.stop();
});

it('from an HTTP request through the sink to the message', async () => {
  const world = await HttpWorld.start({ sink: new JetStreamSink(cluster.nc) });
  const other = TRACE.replace('0af7', '1bf8');
  await Promise.all([
    world.post({ key: 'a', id: 'traced' }, { traceparent: TRACE }),
    world.post({ key: 'a', id: 'other' }, { traceparent: other }),
    world.post({ key: 'a', id: 'alone' }),
  ]);
  const { streams } = await jetstreamManager(cluster.nc);
  const found = new Map<string, string>();
  for (const seq of [1, 2, 3]) {
    const { header } = (await streams.getMessage('EVENTS', { seq }))!;
    found.set(header.get('Nats-Msg-Id'), header.get('traceparent'));
  }
  expect(Object.fromEntries(found)).toEqual({ traced: TRACE, other, alone: '' });
  await world.close();
});

/** What the nth of the events below carries. */
const traceOf = (n: number): string => TRACE.replace('0af7', String(1_000 + n));

async function outputs(count: number): Promise<Captured[]> {
  let found: Captured[] = [];
  await until(
    async () => {
      found = await capture(cluster.nc, 'OUT');
      return found.length >= count;
    },
    60_000,
    () => `${count} outputs; ${found.length} came`,
  );
  return found;
}

it('from events through the threads of a node: spans of batches are linked to them, and outputs carry them on', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'millrace-tracing-'));
  const file = join(dir, 'spans');
  await cluster.addStream('TRACED', ['traced.*']);
  await cluster.addStream('OUT', ['out.>']);
  const append = async (n: number, traceparent: string | undefined): Promise<void> => {
    const head = headers();
    if (traceparent !== undefined) head.set('traceparent', traceparent);
    if (traceparent !== undefined) head.set('tracestate', `vendor=${n}`);
    const body = JSON.stringify({ id: `t${n}`, time: Date.now(), data: { amount: 1_000 } });
    await cluster.nc.request(`traced.k${n % 7}`, body, { headers: head, timeout: 10_000 });
  };
  for (let n = 0; n < 100; n++) await append(n, traceOf(n));
  await append(100, undefined);
  await append(101, 'nonsense');
  const options = await cluster.newApp('traced', {
    handler: TALLY,
    stream: { name: 'TRACED', subjects: 'traced.*' },
    order: { mode: 'none' },
    checkpoint: { interval: '50ms' },
    http: { port: 0 },
    probes: { port: 0 },
  });
  const config = join(dir, 'millrace.yaml');
  await writeFile(config, JSON.stringify(options));
  const env = { NODE_OPTIONS: `--import ${RECORDER}`, SPANS_FILE: file };
  const node = start(['run', '--config', config], { env });
  const found = await outputs(102);
  node.child.kill('SIGTERM');
  expect((await node.ended()).code).toBe(0);

  const carried = found.map(({ body, headers: head }) => {
    const { id } = JSON.parse(body.toString()) as { id: string };
    return [id, head.get('traceparent'), head.get('tracestate')];
  });
  const wanted = Array.from({ length: 102 }, (_, n) =>
    n < 100 ? [`t${n}`, traceOf(n), `vendor=${n}`] : [`t${n}`, undefined, undefined],
  );
  expect(carried.sort()).toEqual(wanted.sort());

  const spans = (await readFile(file, 'utf8'))
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as RecordedSpan);
  const batches = spans.filter(({ name }) => name === 'process TRACED');
  const taken = batches.map(({ attributes }) => attributes['messaging.batch.message_count'] as number);
  expect(taken.reduce((sum, count) => sum + count, 0)).toBe(102);
  const links = batches.flatMap(({ links: of }) => of);
  const known = new Set(Array.from({ length: 100 }, (_, n) => traceOf(n)));
  expect(links.length).toBeGreaterThan(0);
  expect(links.filter((link) => !known.has(link))).toEqual([]);
  for (const [at, { links: of, isMainThread }] of batches.entries()) {
    expect(of.length).toBeLessThanOrEqual(64);
    expect(of.length).toBeGreaterThanOrEqual(Math.min(64, taken[at]! - 2));
    expect(isMainThread).toBe(false);
  }
  await rm(dir, { recursive: true, force: true });
});

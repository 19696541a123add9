/** The trace of a request goes with its event into the stream, where a program has set tracing up. */
import { AsyncLocalStorage } from 'node:async_hooks';
import { jetstreamManager } from '@nats-io/jetstream';
import { type Context, context, createContextKey, propagation, ROOT_CONTEXT } from '@opentelemetry/api';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { JetStreamSink } from '../../src/adapters/nats/jetstream-sink.js';
import { Cluster } from '../support/cluster.js';
import { HttpWorld } from './http-world.js';

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

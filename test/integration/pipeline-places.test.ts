/** Existing streams with places of their own for id, key, time and data work unchanged. */
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import type { OptionsInput } from '../../src/options/types.js';
import { type Captured, capture } from '../support/capture.js';
import { Cluster } from '../support/cluster.js';
import { ledgerRules, timeOf } from '../support/meanings.js';
import { type Expected, expected, type Meaning, type Rules } from '../support/oracle.js';
import { expectStored, untilDecided } from '../support/redis-state.js';
import { type Happening, type Message, makeWorkload, publishAll, tokenFor } from '../support/workload.js';

// Every wait inside has a deadline of its own; this one is for slow machines.
vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 });

const EVENTS = 20_000;

let cluster: Cluster;

beforeAll(async () => {
  cluster = await Cluster.start();
});

afterAll(() => cluster.stop());

/** Publishes the workload in a form, adds some messages to it, and compares what a node makes of them. */
async function comesOut<S>(
  app: string,
  input: OptionsInput & { stream: { name: string; subjects: string } },
  shape: (happening: Happening) => Message,
  more: readonly Message[],
  rules: Rules<S>,
): Promise<Expected> {
  await cluster.addStream(input.stream.name, [input.stream.subjects]);
  const from = Date.now() - EVENTS - 60_000;
  await publishAll(cluster.nc, makeWorkload({ seed: 5, events: EVENTS, keys: 1_000, from, shape }));
  await publishAll(cluster.nc, [more]);
  const wanted = expected(await capture(cluster.nc, input.stream.name), rules);
  const node = await cluster.node(await cluster.newApp(app, input)).ready();
  await untilDecided(cluster.db, app, wanted.events);
  await expectStored(cluster.db, app, wanted);
  await node.drain();
  await expectStored(cluster.db, app, wanted);
  return wanted;
}

const bodyOf = (message: Captured): Record<string, unknown> =>
  JSON.parse(message.body.toString()) as Record<string, unknown>;

it('key in the third token of the subject, id in a header, time deep in the body, the whole body as data', async () => {
  const shape = ({ id, key, time, type, amount }: Happening): Message => ({
    subject: `orders.${amount % 2 === 0 ? 'eu' : 'us'}.${tokenFor(key)}`,
    headers: { 'Order-Event-Id': id },
    body: JSON.stringify({ meta: { 'at/utc': new Date(time).toISOString() }, movement: type, amount }),
  });
  const meaning = (message: Captured): Meaning => {
    const token = message.subject.split('.')[2]!;
    const key = decodeURIComponent(token.replaceAll(/[^%\w-]/g, encodeURIComponent));
    const id = message.headers.get('order-event-id');
    const data = bodyOf(message);
    if (id === undefined) return { kind: 'dead', code: 'EVENT_INVALID', key, id: null, hashed: token };
    const time = timeOf((data.meta as { 'at/utc': string })['at/utc'])!;
    return { kind: 'event', id, key, time, type: undefined, data };
  };
  const now = new Date().toISOString();
  const nameless = {
    subject: 'orders.eu.account-7',
    body: JSON.stringify({ id: 'not here', meta: { 'at/utc': now } }),
  };
  const wanted = await comesOut(
    'orders',
    {
      handler: 'status',
      stream: { name: 'ORDERS', subjects: 'orders.*.*' },
      event: { key: 'subject:3', id: 'header:order-event-ID', time: 'json:/meta/at~1utc', data: 'body' },
    },
    shape,
    [nameless],
    {
      meaning,
      initial: () => null as unknown,
      fold: (_, { time, data }) => ({ type: null, at: time, data }),
    },
  );
  expect(wanted.dead).toBe(1);
  expect(wanted.duplicates).toBeGreaterThan(100);
});

it('key only in the body', async () => {
  const shape = ({ id, key, time, type, amount }: Happening): Message => ({
    subject: `feed.${amount % 3}`,
    body: JSON.stringify({ id, time, type, data: { amount }, account: { number: key } }),
  });
  const meaning = (message: Captured): Meaning => {
    const dead = (code: string): Meaning => ({ kind: 'dead', code, key: null, id: null, hashed: message.subject });
    if (message.body.length === 0) return dead('EVENT_INVALID');
    const { id, time, type, data, account } = bodyOf(message) as unknown as Happening & {
      data: unknown;
      account?: { number: string };
    };
    if (account === undefined) return dead('EVENT_KEY_INVALID');
    return { kind: 'event', id, key: account.number, time, type, data };
  };
  const keyless = {
    subject: 'feed.1',
    body: JSON.stringify({ id: 'k', time: 1, type: 'deposit', data: { amount: 1 } }),
  };
  const wanted = await comesOut(
    'feed',
    {
      handler: 'ledger',
      threads: 2,
      stream: { name: 'FEED', subjects: 'feed.*' },
      event: { key: 'json:/account/number' },
    },
    shape,
    [keyless, { subject: 'feed.2', body: '' }, keyless],
    { ...ledgerRules, meaning },
  );
  expect(wanted.dead).toBe(3);
});

it('key only in a header', async () => {
  const shape = ({ id, key, time, type, amount }: Happening): Message => ({
    subject: 'postings',
    headers: { Account: key, 'X-Time': String(time) },
    body: JSON.stringify({ id, type, data: { amount } }),
  });
  const meaning = (message: Captured): Meaning => {
    const key = message.headers.get('account');
    if (key === undefined)
      return { kind: 'dead', code: 'EVENT_KEY_INVALID', key: null, id: null, hashed: message.subject };
    const { id, type, data } = bodyOf(message) as unknown as Happening & { data: unknown };
    return { kind: 'event', id, key, time: Number(message.headers.get('x-time')), type, data };
  };
  const wanted = await comesOut(
    'postings',
    {
      handler: 'ledger',
      stream: { name: 'POSTINGS', subjects: 'postings' },
      event: { key: 'header:account', time: 'header:x-time' },
    },
    shape,
    [{ subject: 'postings', body: '{"id":"1"}' }],
    { ...ledgerRules, meaning },
  );
  expect(wanted.dead).toBe(1);
});

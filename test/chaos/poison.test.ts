/** F23: what strangers publish. Each is set aside with its bytes, the thread lives on, good events keep their order. */
import type { MsgHdrs } from '@nats-io/nats-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Captured, capture } from '../support/capture.js';
import { Cluster } from '../support/cluster.js';
import { expected, type FoldedEvent, type Meaning } from '../support/oracle.js';
import { Random } from '../support/random.js';
import { expectStored, untilDecided } from '../support/redis-state.js';
import { tokenFor } from '../support/workload.js';

let cluster: Cluster;

beforeAll(async () => {
  cluster = await Cluster.start();
});

afterAll(() => cluster.stop());

const base = Date.now() - 600_000;
const json = (fields: object): string => JSON.stringify({ id: 'p', time: base, data: {}, ...fields });
const nest = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth);
const latin1 = (text: string): Buffer => Buffer.from(text, 'latin1');

interface Poison {
  readonly body: string | Uint8Array;
  readonly code: string;
  readonly key?: string;
  /** As it is sent, if it is not the token of `key`. */
  readonly token?: string;
  readonly headers?: Uint8Array;
}

const corpus: readonly Poison[] = [
  { body: '', code: 'EVENT_INVALID' },
  { body: ' \n', code: 'EVENT_INVALID' },
  { body: '\0', code: 'EVENT_INVALID' },
  { body: 'null', code: 'EVENT_INVALID' },
  { body: '[]', code: 'EVENT_INVALID' },
  { body: '{"id":"p"', code: 'EVENT_INVALID' },
  { body: '{"id":"p","id":', code: 'EVENT_INVALID' },
  { body: `\ufeff${json({})}`, code: 'EVENT_INVALID' },
  { body: nest(100_000), code: 'EVENT_TOO_DEEP' },
  { body: `{"id":"p","time":1,"data":${'{"a":'.repeat(40_000)}1${'}'.repeat(40_000)}}`, code: 'EVENT_TOO_DEEP' },
  { body: '['.repeat(100_000), code: 'EVENT_TOO_DEEP' },
  { body: latin1('{"id":"\xff\xfe"}'), code: 'EVENT_NOT_UTF8' },
  { body: latin1('{"id":"\xed\xa0\x80"}'), code: 'EVENT_NOT_UTF8' },
  { body: latin1('{"id":"\xc0\x80"}'), code: 'EVENT_NOT_UTF8' },
  { body: Uint8Array.from({ length: 4_096 }, (_, i) => (i * 73) & 0xff), code: 'EVENT_NOT_UTF8' },
  { body: '{"id":"\\ud800","time":1}', code: 'EVENT_INVALID' },
  { body: '{"id":"a\\u0000b","time":1}', code: 'EVENT_INVALID' },
  { body: '{"id":" a","time":1}', code: 'EVENT_INVALID' },
  { body: '{"id":"","time":1}', code: 'EVENT_INVALID' },
  { body: json({ id: 'i'.repeat(257) }), code: 'EVENT_INVALID' },
  { body: json({ id: { toString: 'x' } }), code: 'EVENT_INVALID' },
  { body: '{"__proto__":{"id":"p"},"time":1}', code: 'EVENT_INVALID' },
  { body: json({ time: -1 }), code: 'EVENT_INVALID' },
  { body: '{"id":"p","time":1e999}', code: 'EVENT_INVALID' },
  { body: json({ time: 'yesterday' }), code: 'EVENT_INVALID' },
  { body: json({ key: 'another' }), code: 'EVENT_INVALID' },
  { body: json({ type: 7 }), code: 'EVENT_INVALID' },
  { body: json({ sequence: 1.5 }), code: 'EVENT_INVALID' },
  { body: json({ time: base + 7_200_000 }), code: 'EVENT_TIME_AHEAD' },
  { body: json({ data: 'x'.repeat(300_000) }), code: 'EVENT_TOO_LARGE' },
  { body: 'y'.repeat(900_000), code: 'EVENT_TOO_LARGE' },
  { body: Uint8Array.from({ length: 300_000 }, (_, i) => (i * 73) & 0xff), code: 'EVENT_TOO_LARGE' },
  { body: json({}), code: 'EVENT_TOO_LARGE', headers: latin1(`NATS/1.0\r\nx: ${'h'.repeat(20_000)}\r\n\r\n`) },
  { body: json({ id: undefined }), code: 'EVENT_INVALID', headers: latin1('NATS/1.0\r\n\r\n') },
  { body: json({ id: undefined }), code: 'EVENT_INVALID', headers: latin1('NATS/1.0\r\nce-id: \xff\xfe\r\n\r\n') },
  { body: json({ id: undefined }), code: 'EVENT_INVALID', headers: latin1('NATS/1.0\r\nno colon at all\r\n\r\n') },
  { body: json({}), code: 'EVENT_KEY_INVALID', token: 'a%41' },
  { body: json({}), code: 'EVENT_KEY_INVALID', token: '%00' },
  { body: json({}), code: 'EVENT_KEY_INVALID', token: 'half%' },
  { body: json({}), code: 'EVENT_KEY_INVALID', token: 'k'.repeat(257) },
];

const keys = ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'Ä口座🦊', 'a.b*c>d%e{f}:g', 'plain'];

/** Data that is legal JSON, and what a careless handler or store would break. */
const strange: readonly string[] = [
  '{"__proto__":{"a":1},"constructor":null}',
  '"\\ud800 alone, and \\udc00"',
  '"nul \\u0000 in the middle"',
  '{"":{"":[]}}',
  nest(60),
  '1e-7',
  'null',
  '"\\u2028\\u2029"',
];

it('F23: every poison becomes a dead letter with its bytes, between good events in their order', async () => {
  await cluster.addStream('EVENTS', ['events.*']);
  const options = await cluster.newApp('poison', {
    handler: 'status',
    order: { mode: 'none' },
    threads: 2,
    limits: { payloadBytes: '256KiB' },
    checkpoint: { interval: '50ms' },
  });
  const random = new Random(23);
  const meanings = new Map<number, Meaning>();
  const node = await cluster.node(options).ready();
  const send = async (token: string, body: string | Uint8Array, headers?: Uint8Array): Promise<number> => {
    const block = headers === undefined ? {} : { headers: { encode: () => headers } as unknown as MsgHdrs };
    const answer = await cluster.nc.request(`events.${token}`, body, { timeout: 10_000, ...block });
    const { seq, error } = answer.json<{ seq: number; error?: { description: string } }>();
    if (error !== undefined) throw new Error(`${token}: ${error.description}`);
    return seq;
  };
  let n = 0;
  for (let round = 0; round < 2; round++)
    for (const { body, code, token, headers } of random.shuffle([...corpus])) {
      const key = random.pick(keys);
      const at = token ?? tokenFor(key);
      const isKnown = token === undefined;
      const sequence = await send(at, body, headers);
      const id = code === 'EVENT_TIME_AHEAD' ? 'p' : null;
      meanings.set(sequence, { kind: 'dead', code, key: isKnown ? key : null, id, hashed: at });
      for (let good = 0; good < 2; good++) {
        const owner = random.pick(keys);
        const event = `{"id":${JSON.stringify(n === 5 ? '__proto__' : `e${n}`)},"time":${base + n},"data":${random.pick(strange)}}`;
        n++;
        const parsed = JSON.parse(event) as { id: string; time: number; data: unknown };
        meanings.set(await send(tokenFor(owner), event), { kind: 'event', key: owner, type: undefined, ...parsed });
      }
    }
  const stream = await capture(cluster.nc, 'EVENTS');
  const wanted = expected(stream.map(kept), {
    order: 'none',
    meaning: ({ sequence }) => meanings.get(sequence)!,
    initial: () => null as unknown,
    fold: (_, { type, time, data }: FoldedEvent) => ({ type: type ?? null, at: time, data }),
  });
  expect(wanted.dead).toBe(2 * corpus.length);
  await untilDecided(cluster.db, 'poison', wanted.events, 30_000);
  await expectStored(cluster.db, 'poison', wanted);
  const { threadRestarts, partitions } = await node.status();
  expect(threadRestarts).toBe(0);
  expect(partitions.filter(({ phase }) => phase !== 'running')).toEqual([]);
  await node.drain();
  await expectStored(cluster.db, 'poison', wanted);
});

/** A dead letter keeps the first 64 KiB of a body that is over the limit. */
function kept(message: Captured): Captured {
  return message.body.length > 256 * 1_024 ? { ...message, body: message.body.subarray(0, 65_536) } : message;
}

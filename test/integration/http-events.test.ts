/** `POST /v1/events` over a real socket: every way to write events, every reason to refuse them. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { partitionOf } from '../../src/core/key/partition.js';
import { MillraceError } from '../../src/errors.js';
import type { EventSink } from '../../src/ports/event-log.js';
import { HttpWorld, PARTITIONS } from './http-world.js';

let world: HttpWorld;
beforeAll(async () => {
  world = await HttpWorld.start({ input: { limits: { payloadBytes: '2KiB' } } });
});
afterAll(() => world.close());

const NDJSON = { 'content-type': 'application/x-ndjson' };

/** Expects that a request publishes nothing, and answers its error. */
async function refused(body: unknown, headers: Record<string, string> = {}) {
  const before = await world.stored();
  const answer = await world.post(body, headers);
  expect(await world.stored()).toBe(before);
  expect(answer.body.error).toMatchObject({ message: expect.any(String), next: expect.any(String) });
  return { status: answer.status, ...answer.body.error };
}

describe('publishing', () => {
  it('one event answers its receipt itself', async () => {
    const sequence = (await world.stored()) + 1;
    const { status, body } = await world.post({ key: 'account-1', id: 'one', data: { amount: 1 } });
    expect(status).toBe(202);
    expect(body).toEqual({
      stream: 'EVENTS',
      sequence,
      partition: partitionOf('account-1', PARTITIONS),
      duplicate: false,
    });
    const again = await world.post({ key: 'account-1', id: 'one', data: { amount: 1 } });
    expect(again.body).toMatchObject({ sequence, duplicate: true });
  });

  it('an array answers receipts in its order', async () => {
    const first = (await world.stored()) + 1;
    const { status, body } = await world.post(Array.from({ length: 500 }, (_, n) => ({ key: `k${n}` })));
    expect(status).toBe(202);
    expect(body.receipts.map((receipt: { sequence: number }) => receipt.sequence)).toEqual(
      Array.from({ length: 500 }, (_, n) => first + n),
    );
    expect((await world.post([])).body).toEqual({ receipts: [] });
  });

  it('NDJSON may have empty lines, CR LF and no line feed at its end', async () => {
    const { status, body } = await world.post('{"key":"a"}\r\n\n{"key":"é漢🎈"}\n   \n{"key":"c"}', NDJSON);
    expect(status).toBe(202);
    expect(body.receipts).toHaveLength(3);
    expect(body.receipts[1]?.partition).toBe(partitionOf('é漢🎈', PARTITIONS));
    expect((await world.post('', NDJSON)).body).toEqual({ receipts: [] });
  });

  it('NDJSON may arrive in pieces that cut lines and characters in two', async () => {
    const bytes = new TextEncoder().encode(Array.from({ length: 50 }, (_, n) => `{"key":"é漢${n}"}\n`).join(''));
    let at = 0;
    const pieces = new ReadableStream<Uint8Array>({
      pull(controller) {
        if (at >= bytes.length) return controller.close();
        controller.enqueue(bytes.subarray(at, at + 7));
        at += 7;
      },
    });
    const init = { method: 'POST', headers: NDJSON, body: pieces, duplex: 'half' };
    const response = await fetch(`${world.url}/v1/events`, init as RequestInit);
    expect(((await response.json()) as { receipts: unknown[] }).receipts).toHaveLength(50);
  });

  it('keeps the text of the body: id as given, key as given, nothing trimmed', async () => {
    const { body } = await world.post({ key: 'a b', id: 'x  y', time: 5, data: [1] });
    const seen: string[] = [];
    const reading = await world.log.read('EVENTS', body.sequence, {
      event: (_, __, ___, subject, ____, bytes) =>
        void seen.push(new TextDecoder().decode(subject), new TextDecoder().decode(bytes)),
      caughtUp: () => undefined,
      failed: () => undefined,
    });
    await expect.poll(() => seen).toEqual(['events.a%20b', '{"id":"x  y","time":5,"key":"a b","data":[1]}']);
    await reading.stop();
  });
});

describe('events that are not valid', () => {
  it('are all named, by index, and nothing is published', async () => {
    const { status, code, problems, events, message } = await refused([
      { key: 'good' },
      { key: ' bad', id: 1.5 },
      7,
      { key: 'k', dta: 1 },
    ]);
    expect(status).toBe(400);
    expect(code).toBe('REQUEST_INVALID');
    expect(message).toBe('3 of 4 events are not valid, nothing was published');
    expect(problems).toEqual([
      'event 1: the key begins or ends with white space',
      'event 1: the id is neither text nor a whole number',
      'event 2: the event is not a JSON object',
      'event 3: there is no field "dta" in an event',
    ]);
    expect(events.map(({ index, code: own }: { index: number; code: string }) => [index, own])).toEqual([
      [1, 'EVENT_INVALID'],
      [2, 'EVENT_INVALID'],
      [3, 'EVENT_INVALID'],
    ]);
  });

  it('are named without an index where there is one event only', async () => {
    expect((await refused({ id: 'e' })).problems).toEqual(['the key is missing']);
    expect((await refused(null)).problems).toEqual(['the event is not a JSON object']);
  });

  it('are named by line in NDJSON, what is no JSON and no UTF-8 included', async () => {
    const lines = Buffer.concat([
      Buffer.from('{"key":"a"}\n{"key":\n{"key":"'),
      Buffer.from([0xff]),
      Buffer.from('"}\n'),
    ]);
    const { status, problems } = await refused(new Uint8Array(lines), NDJSON);
    expect(status).toBe(400);
    expect(problems[0]).toMatch(/^event 1: the line is not JSON: /);
    expect(problems[1]).toBe('event 2: the line is not UTF-8');
  });

  it('are listed up to a bound, and counted beyond it', async () => {
    const { problems, message } = await refused(Array.from({ length: 3000 }, () => 0));
    expect(problems).toHaveLength(1000);
    expect(message).toContain('3000 of 3000');
  });

  it('do not get through as __proto__', async () => {
    expect((await refused('{"__proto__":{"key":"k"}}')).problems).toContain(
      'there is no field "__proto__" in an event',
    );
    expect((await refused('[{"key":"k","constructor":{"prototype":{}}}]')).status).toBe(400);
  });

  it('are refused before they are parsed where they nest too deep', async () => {
    const deep = (levels: number) => `{"key":"k","data":${'['.repeat(levels)}${']'.repeat(levels)}}`;
    expect(await refused(deep(64))).toMatchObject({ status: 400, code: 'EVENT_TOO_DEEP' });
    expect(await refused(`[${deep(64)}]`)).toMatchObject({ status: 400, code: 'EVENT_TOO_DEEP' });
    expect((await refused(`{"key":"a"}\n${deep(64)}`, NDJSON)).events).toEqual([
      { index: 1, code: 'EVENT_TOO_DEEP', problems: ['the event nests deeper than 64 levels'] },
    ]);
    expect((await world.post(`[${deep(63)}]`)).status).toBe(202);
    expect(await refused('['.repeat(1_000_000))).toMatchObject({ status: 400 });
  });
});

describe('requests that are refused as a whole', () => {
  it('have no JSON', async () => {
    for (const body of ['', '{', '{"key":"a"}{"key":"b"}', 'null,', new Uint8Array([0x22, 0xff, 0x22])])
      expect(await refused(body)).toMatchObject({ status: 400, code: 'REQUEST_INVALID' });
  });

  it('have a content type that nothing reads', async () => {
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'application/jsonx', 'constructor'])
      expect((await refused('{"key":"a"}', { 'content-type': type })).status).toBe(415);
    expect((await refused('{"key":"a"}', { 'content-type': 'application/json; charset=latin1' })).status).toBe(415);
    expect((await refused('{"key":"a"}', { 'content-encoding': 'gzip' })).status).toBe(415);
    expect((await world.post('{"key":"a"}', { 'content-type': 'Application/JSON; charset="UTF-8"' })).status).toBe(202);
  });

  it('have too much in one event, one line, one body, or too many events', async () => {
    const large = { key: 'k', data: 'x'.repeat(3000) };
    expect(await refused(large)).toMatchObject({ status: 413, code: 'EVENT_TOO_LARGE' });
    const line = await refused(`{"key":"a"}\n${JSON.stringify(large)}\n{"key":"b"}`, NDJSON);
    expect(line).toMatchObject({ status: 413, problems: ['event 1: the line has 3021 bytes, allowed are 2048'] });
    expect(await refused(' '.repeat(9 * 2 ** 20))).toMatchObject({ status: 413 });
    expect(await refused('\n'.repeat(9 * 2 ** 20), NDJSON)).toMatchObject({ status: 413 });
    expect(await refused(Array.from({ length: 10_001 }, () => ({ key: 'k' })))).toMatchObject({ status: 413 });
    expect(await refused(' \n'.repeat(20_001), NDJSON)).toMatchObject({ status: 413 });
    expect(await refused('{}\n'.repeat(10_001), NDJSON)).toMatchObject({ status: 413 });
  });
});

describe('CloudEvents', () => {
  const event = { specversion: '1.0', id: 'c1', source: '/s', type: 'order.paid', partitionkey: 'k', data: { n: 1 } };
  const STRUCTURED = { 'content-type': 'application/cloudevents+json; charset=utf-8' };
  const BATCH = { 'content-type': 'application/cloudevents-batch+json' };

  it('structured, single and in a batch', async () => {
    const one = await world.post(
      { ...event, time: '2023-11-14T22:13:20Z', sequence: '5', extension: true },
      STRUCTURED,
    );
    expect(one.status).toBe(202);
    expect(one.body.partition).toBe(partitionOf('k', PARTITIONS));
    const two = await world.post(
      [
        { ...event, id: 'c2' },
        { ...event, id: 'c3', data: undefined, data_base64: 'AAE=' },
      ],
      BATCH,
    );
    expect(two.body.receipts).toHaveLength(2);
    expect((await refused(event, BATCH)).status).toBe(400);
  });

  it('structured, with everything that is missing', async () => {
    const { problems } = await refused(
      { specversion: '0.3', id: null, type: 'x', data: 1, data_base64: 'AA==' },
      STRUCTURED,
    );
    expect(problems).toEqual([
      'the CloudEvent has both data and data_base64',
      'the specversion of the CloudEvent is not 1.0',
      'the CloudEvent has no id',
      'the CloudEvent has no source',
      'the CloudEvent has no partitionkey, which is its key',
      'the key is missing',
    ]);
  });

  it('binary, percent-encoded, byte for byte', async () => {
    const headers = {
      'ce-specversion': '1.0',
      'ce-id': '%C3%A9%25',
      'ce-source': '/s',
      'ce-type': 't',
      'ce-partitionkey': 'a%2Fb%20c',
    };
    const { status, body } = await world.post({ n: 1 }, headers);
    expect(status).toBe(202);
    expect(body.partition).toBe(partitionOf('a/b c', PARTITIONS));
    expect((await world.post({ n: 1 }, headers)).body.duplicate).toBe(true);
    expect((await world.post({ key: 'other', id: 'é%' })).body).toMatchObject({
      sequence: body.sequence,
      duplicate: true,
    });
  });

  it('binary, refused where the bytes of an attribute are open to doubt', async () => {
    const headers = { 'ce-specversion': '1.0', 'ce-id': 'c', 'ce-source': '/s', 'ce-type': 't' };
    for (const key of ['100%', '%FF', 'é'])
      expect((await refused({}, { ...headers, 'ce-partitionkey': key })).problems).toContain(
        'the header ce-partitionkey is not percent-encoded UTF-8',
      );
    expect((await refused({}, { ...headers, 'ce-partitionkey': '%20k' })).problems).toEqual([
      'the key begins or ends with white space',
    ]);
    expect((await refused('x', { ...headers, 'content-type': 'text/plain' })).status).toBe(415);
    const twice = await world.raw('/v1/events', { ...headers, 'ce-partitionkey': ['a', 'b'] }, 'POST');
    expect(twice).toMatchObject({
      status: 400,
      body: expect.stringContaining('given more than once: ce-partitionkey'),
    });
  });
});

describe('a log that fails', () => {
  async function withSink(answers: (id: string, n: number) => Promise<number>) {
    let n = 0;
    const sink: EventSink = {
      append: async ({ id }) => ({ stream: 'EVENTS', sequence: await answers(id, ++n), duplicate: false }),
    };
    return HttpWorld.start({ sink });
  }

  it('part-way answers 503 and says of every event whether it is stored', async () => {
    const failing = await withSink(async (_, n) => {
      if (n > 2) throw new MillraceError('NATS_UNREACHABLE', 'publishing at nats://user:pw@h: timeout');
      return n;
    });
    const ids = ['a', 'b', 'c', 'd'];
    const { status, body, headers } = await failing.post(ids.map((id) => ({ key: 'k', id })));
    expect(status).toBe(503);
    expect(headers.get('retry-after')).toBe('1');
    expect(body.error.code).toBe('NATS_UNREACHABLE');
    expect(body.error.message).toContain('2 of 4 events are stored');
    expect(body.results.slice(0, 3)).toEqual([
      {
        id: 'a',
        stored: 'yes',
        receipt: { stream: 'EVENTS', sequence: 1, partition: expect.any(Number), duplicate: false },
      },
      {
        id: 'b',
        stored: 'yes',
        receipt: { stream: 'EVENTS', sequence: 2, partition: expect.any(Number), duplicate: false },
      },
      { id: 'c', stored: 'unknown', code: 'NATS_UNREACHABLE' },
    ]);
    expect(JSON.stringify(body)).not.toContain('user:pw');
    await failing.close();
  });

  it('tells the id that a lone event was given, so that it can be sent again', async () => {
    const failing = await withSink(async () => {
      throw new MillraceError('STREAM_MISSING', 'no stream takes the subject');
    });
    const { status, body } = await failing.post({ key: 'k' });
    expect(status).toBe(503);
    expect(body.results).toEqual([
      { id: expect.stringMatching(/^[0-9a-f-]{36}$/), stored: 'no', code: 'STREAM_MISSING' },
    ]);
    await failing.close();
  });

  it('with a mistake of ours answers 500 without its words, which the log gets', async () => {
    const failing = await withSink(async () => {
      throw new TypeError('secret internals');
    });
    const { status, body } = await failing.post({ key: 'k' });
    expect(status).toBe(500);
    expect(JSON.stringify(body)).not.toContain('secret internals');
    expect(failing.lines).toEqual([
      {
        level: 'error',
        event: 'http.failed',
        fields: { request: 'POST /v1/events', code: 'BUG', error: 'secret internals' },
      },
    ]);
    await failing.close();
  });
});

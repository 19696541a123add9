/** Events given as JSON objects: what is refused, what is written, and what a call says when the log fails. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MemoryEventLog } from '../../src/adapters/memory/memory-event-log.js';
import { systemClock } from '../../src/adapters/system/system-clock.js';
import { decodeEvent } from '../../src/core/event/decode.js';
import { partitionOf } from '../../src/core/key/partition.js';
import { MillraceError } from '../../src/errors.js';
import type { Clock } from '../../src/ports/clock.js';
import type { Appended, EventSink, NewEvent } from '../../src/ports/event-log.js';
import type { CheckedEvent, IngestOptions, ReadyEvent } from '../../src/runtime/ingest.js';
import { Ingest } from '../../src/runtime/ingest.js';
import { formatOf, rawEvent, T0 } from './raw-events.js';

const clock: Clock = { ...systemClock, now: () => T0 };

/** Remembers what it was given and answers as told; by default everything is stored. */
class RecordingSink implements EventSink {
  readonly events: NewEvent[] = [];
  answer: (event: NewEvent) => Promise<Appended> = async () => ({
    stream: 'EVENTS',
    sequence: this.events.length,
    duplicate: false,
  });

  append(event: NewEvent): Promise<Appended> {
    this.events.push(event);
    return this.answer(event);
  }
}

function ingestOf(over: Partial<IngestOptions> = {}): Ingest {
  return new Ingest({
    sink: new RecordingSink(),
    clock,
    format: formatOf(),
    publishSubject: 'events.{key}',
    partitions: 64,
    limits: { payloadBytesMax: 1024, headerBytesMax: 1024 },
    idRequired: true,
    newId: () => 'new-id',
    ...over,
  });
}

function readyOf(checked: CheckedEvent): ReadyEvent {
  if (checked.kind === 'rejected') throw new Error(`rejected: ${checked.problems.join('; ')}`);
  return checked;
}

function rejectionOf(checked: CheckedEvent) {
  if (checked.kind === 'ready') throw new Error('not rejected');
  return { code: checked.code, problems: checked.problems };
}

const bodyOf = ({ event }: ReadyEvent): string => new TextDecoder().decode(event.body);
const problemsOf = (value: unknown, ingest = ingestOf()) => rejectionOf(ingest.check(value)).problems;

describe('an event that is written', () => {
  it('has its parts in the order id, time, key, sequence, type, data, and nothing else', () => {
    const given = { data: { b: 1, a: [2] }, type: 'deposit', sequence: 7, key: 'account-1', time: T0 + 5, id: 'e1' };
    const ready = readyOf(ingestOf().check(given));
    expect(bodyOf(ready)).toBe(
      `{"id":"e1","time":${T0 + 5},"key":"account-1","sequence":7,"type":"deposit","data":{"b":1,"a":[2]}}`,
    );
    expect(ready.event.subject).toBe('events.account-1');
    expect(ready.event.id).toBe('e1');
    expect(ready.partition).toBe(partitionOf('account-1', 64));
  });

  it('gets an id, the present time and null for data where these are missing', () => {
    const ready = readyOf(ingestOf().check({ key: 'k' }));
    expect(bodyOf(ready)).toBe(`{"id":"new-id","time":${T0},"key":"k","data":null}`);
    expect(ready.event.id).toBe('new-id');
  });

  it('gets a different random id each time by default', () => {
    const ingest = ingestOf({ newId: undefined });
    const [a, b] = [readyOf(ingest.check({ key: 'k' })), readyOf(ingest.check({ key: 'k' }))];
    expect(a.event.id).toMatch(/^[0-9a-f-]{36}$/);
    expect(a.event.id).not.toBe(b.event.id);
  });

  it('U1, U2: keeps keys and ids byte for byte, and the key as a token in the subject', () => {
    const key = 'a.b c*d>%é̂🎈\u00a0x';
    const ready = readyOf(ingestOf().check({ key, id: 'ﬁ — not normalised' }));
    expect(ready.event.subject).toBe('events.a%2Eb%20c%2Ad%3E%25é̂🎈\u00a0x');
    expect(JSON.parse(bodyOf(ready))).toMatchObject({ key, id: 'ﬁ — not normalised' });
  });

  it('writes RFC 3339 and fractional times as whole milliseconds, and numeric ids as text', () => {
    const body = bodyOf(readyOf(ingestOf().check({ key: 'k', id: 12, time: '2023-11-14T22:13:20.5Z' })));
    expect(body).toBe(`{"id":"12","time":${T0 + 500},"key":"k","data":null}`);
  });

  it('is not led astray by a key that looks like a replacement pattern, nor by __proto__ inside data', () => {
    const value = JSON.parse('{"key":"$&$1","id":"e","time":1,"data":{"__proto__":{"x":1}}}') as unknown;
    const ready = readyOf(ingestOf().check(value));
    expect(ready.event.subject).toBe('events.$&$1');
    expect(bodyOf(ready)).toBe('{"id":"e","time":1,"key":"$&$1","data":{"__proto__":{"x":1}}}');
    expect(({} as { x?: number }).x).toBeUndefined();
  });

  it('G1: is what the decoder reads back', () => {
    const given = { key: 'account-1', id: 'e1', time: T0, sequence: 3, type: 't', data: { amount: 1 } };
    const { event } = readyOf(ingestOf().check(given));
    const raw = rawEvent({ body: new TextDecoder().decode(event.body), subject: event.subject });
    expect(decodeEvent(raw, formatOf(), true)).toEqual({ kind: 'event', event: given });
  });
});

describe('an application that needs no ids', () => {
  it('gets events under ids of their own where it would read none, so that the log drops none of them', () => {
    let ids = 0;
    const format = formatOf({ id: 'json:/data/order' });
    const ingest = ingestOf({ format, idRequired: false, newId: () => `new-${++ids}` });
    const idOf = (data: object): string => readyOf(ingest.check({ key: 'k', data })).event.id;
    expect([idOf({}), idOf({}), idOf({ order: 'o-1' })]).toEqual(['new-1', 'new-2', 'o-1']);
  });
});

describe('any JSON value', () => {
  const part = fc.option(fc.oneof(fc.jsonValue(), fc.string({ unit: 'binary' }), fc.nat()), { nil: undefined });
  const key = fc.oneof(part, fc.string({ unit: 'grapheme', minLength: 1 }));
  const value = fc.record({ id: part, key, time: part, sequence: part, type: part, data: fc.jsonValue() });

  it('G1: is refused with a reason, or is read back as it was given', () => {
    const ingest = ingestOf({ limits: { payloadBytesMax: 1e6, headerBytesMax: 1024 } });
    fc.assert(
      fc.property(fc.oneof(value, fc.jsonValue()), (given) => {
        const checked = ingest.check(given);
        if (checked.kind === 'rejected') {
          expect(checked.problems.length).toBeGreaterThan(0);
          return;
        }
        const { event } = checked;
        const token = event.subject.slice('events.'.length);
        const raw = rawEvent({ body: new TextDecoder().decode(event.body), subject: event.subject, token });
        const decoded = decodeEvent(raw, formatOf(), true);
        const { key, data } = given as { key: string | number; data: unknown };
        expect(decoded).toMatchObject({ kind: 'event', event: { key: String(key), id: event.id } });
        expect(decoded.kind === 'event' && JSON.stringify(decoded.event.data)).toBe(JSON.stringify(data ?? null));
      }),
      { numRuns: 500 },
    );
  });
});

describe('an event that is refused', () => {
  it('names every problem at once', () => {
    const bad = { key: ' k', id: '', time: 'soon', sequence: -1, type: '', date: 1, constructor: 2 };
    expect(rejectionOf(ingestOf().check(bad))).toEqual({
      code: 'EVENT_INVALID',
      problems: [
        'there is no field "date" in an event',
        'there is no field "constructor" in an event',
        'the key begins or ends with white space',
        'the id is empty',
        'the time is neither epoch milliseconds nor RFC 3339',
        'the sequence is not a whole number from 0 on',
        'the type is not text of 1 to 256 characters',
      ],
    });
  });

  it('is anything but an object', () => {
    for (const value of [null, 1, 'text', [], undefined, true])
      expect(problemsOf(value)).toEqual(['the event is not a JSON object']);
  });

  it('has a field of its own called __proto__', () => {
    const value = JSON.parse('{"key":"k","__proto__":{"id":"inherited"}}') as unknown;
    expect(problemsOf(value)).toEqual(['there is no field "__proto__" in an event']);
    expect(problemsOf(Object.create({ key: 'inherited' }))).toEqual(['the key is missing']);
  });

  it('U1: has a key that could be taken for another one', () => {
    expect(rejectionOf(ingestOf().check({ id: 'e' }))).toEqual({
      code: 'EVENT_KEY_INVALID',
      problems: ['the key is missing'],
    });
    expect(problemsOf({ key: true })).toEqual(['the key is neither text nor a whole number']);
    expect(problemsOf({ key: 'a\u0000b' })).toEqual(['the key contains a control character']);
    expect(problemsOf({ key: 'a\ud800' })).toEqual(['the key is not well-formed Unicode']);
    expect(problemsOf({ key: 'é'.repeat(129) })).toEqual(['the key is longer than 256 bytes']);
    expect(problemsOf({ key: 'k', id: 'e\n' })).toEqual(['the id contains a control character']);
  });

  it('is larger than the limit, nests deeper than 64 levels, or is no JSON data', () => {
    expect(rejectionOf(ingestOf().check({ key: 'k', data: 'x'.repeat(1024) })).code).toBe('EVENT_TOO_LARGE');
    const deep = (levels: number): unknown => JSON.parse(`${'['.repeat(levels)}${']'.repeat(levels)}`);
    expect(rejectionOf(ingestOf().check({ key: 'k', data: deep(64) })).code).toBe('EVENT_TOO_DEEP');
    expect(rejectionOf(ingestOf().check({ key: 'k', data: deep(100_000) })).code).toBe('EVENT_TOO_DEEP');
    expect(ingestOf().check({ key: 'k', data: deep(63) }).kind).toBe('ready');
    expect(problemsOf({ key: 'k', data: 1n })[0]).toContain('the event is not JSON data');
  });
});

describe('an application that reads its events elsewhere (G1)', () => {
  it('takes what it will read back, under the id that it will read', () => {
    const format = formatOf({ key: 'json:/data/account', id: 'content:/data/account,/data/n' });
    const ingest = ingestOf({ format });
    const checked = ingest.check({ key: 'a', data: { account: 'a', n: 1 } });
    expect(readyOf(checked).event.id).toMatch(/^[0-9a-f]{32}$/);
  });

  it('refuses what it would not', () => {
    const format = formatOf({ key: 'json:/data/account', id: 'content:/data/n', time: 'header:Sent-At' });
    expect(problemsOf({ key: 'a', id: 'mine', time: T0, data: { account: 'b', n: 1 } }, ingestOf({ format }))).toEqual([
      'as this application reads its events, the key is elsewhere (event.key)',
      'as this application reads its events, the id is elsewhere (event.id)',
      'as this application reads its events, the time is elsewhere (event.time)',
    ]);
    const headerKey = ingestOf({ format: formatOf({ key: 'header:Account' }) });
    expect(problemsOf({ key: 'a' }, headerKey)).toEqual(['as this application reads its events, the key is missing']);
  });
});

describe('appending', () => {
  it('G2: stores events in their order and answers where each is', async () => {
    const log = new MemoryEventLog({ clock: systemClock });
    log.createStream('EVENTS');
    const ingest = ingestOf({ sink: log });
    const ready = Array.from({ length: 600 }, (_, n) => readyOf(ingest.check({ key: `k${n % 7}`, id: `e${n}` })));
    const results = await ingest.append([...ready, ready[0]!]);
    expect(results.map((result) => result.kind === 'stored' && result.receipt.sequence)).toEqual([
      ...ready.map((_, n) => n + 1),
      1,
    ]);
    expect(results[1]).toEqual({
      kind: 'stored',
      id: 'e1',
      receipt: { stream: 'EVENTS', sequence: 2, partition: partitionOf('k1', 64), duplicate: false },
    });
    expect(results.at(-1)).toMatchObject({ receipt: { sequence: 1, duplicate: true } });
  });

  it('G3: keeps at most 256 events on their way, over all callers', async () => {
    const sink = new RecordingSink();
    const open: (() => void)[] = [];
    sink.answer = (event) =>
      new Promise((resolve) => {
        open.push(() => resolve({ stream: 'S', sequence: Number(event.id), duplicate: false }));
      });
    const ingest = ingestOf({ sink });
    const events = Array.from({ length: 200 }, (_, n) => readyOf(ingest.check({ key: 'k', id: String(n) })));
    const calls = [ingest.append(events), ingest.append(events)];
    const settle = () => new Promise((resolve) => setImmediate(resolve));
    await settle();
    expect(open).toHaveLength(256);
    for (let done = 0; done < 400; done++) {
      open[done]!();
      await settle();
    }
    const results = await Promise.all(calls);
    expect(results.flat().every(({ kind }) => kind === 'stored')).toBe(true);
  });

  it('G2: sends nothing more after an outage, and says of every event whether it is stored', async () => {
    const sink = new RecordingSink();
    sink.answer = async ({ id }) => {
      if (id === 'e0') return { stream: 'S', sequence: 1, duplicate: false };
      throw new MillraceError('NATS_UNREACHABLE', 'no answer within 5000 ms');
    };
    const ingest = ingestOf({ sink });
    const ready = Array.from({ length: 1000 }, (_, n) => readyOf(ingest.check({ key: 'k', id: `e${n}` })));
    const results = await ingest.append(ready);
    expect(sink.events.length).toBeLessThanOrEqual(512);
    expect(results[0]).toMatchObject({ kind: 'stored' });
    expect(results[1]).toMatchObject({ kind: 'failed', id: 'e1', code: 'NATS_UNREACHABLE', stored: 'unknown' });
    expect(results[999]).toMatchObject({ kind: 'failed', id: 'e999', code: 'NATS_UNREACHABLE', stored: 'no' });
    expect(results).toHaveLength(1000);
    sink.answer = async () => ({ stream: 'S', sequence: 1, duplicate: false });
    expect((await ingest.append(ready)).every(({ kind }) => kind === 'stored')).toBe(true);
  });

  it('goes on after one event that the log refuses, and after an error is as good as before', async () => {
    const sink = new RecordingSink();
    sink.answer = async ({ id }) => {
      if (id === 'bad') throw new MillraceError('EVENT_TOO_LARGE', 'the server refuses 900 bytes');
      if (id === 'bug') throw new TypeError('x is not a function');
      return { stream: 'S', sequence: 1, duplicate: false };
    };
    const ingest = ingestOf({ sink });
    const send = (...ids: string[]) => ingest.append(ids.map((id) => readyOf(ingest.check({ key: 'k', id }))));
    const kinds = (await send('a', 'bad', 'b')).map((result) => (result.kind === 'failed' ? result.stored : 'yes'));
    expect(kinds).toEqual(['yes', 'no', 'yes']);
    expect((await send('bug'))[0]).toMatchObject({ code: 'BUG', stored: 'unknown' });
    expect((await send('c'))[0]).toMatchObject({ kind: 'stored' });
    expect(await send()).toEqual([]);
  });
});

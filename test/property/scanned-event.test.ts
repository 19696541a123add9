/** The short way of an ordinary event against the long one (G1, N1, N2): what it takes must come out the same. */
import { Buffer } from 'node:buffer';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bodyHash, murmur128, murmurWords } from '../../src/core/key/hash.js';
import type { DecodedRecord } from '../../src/host/event-decoder.js';
import { EventDecoder } from '../../src/host/event-decoder.js';
import { ScannedEvent } from '../../src/host/scanned-event.js';
import { BatchReader, BatchWriter } from '../../src/protocol/batch.js';
import { formatOf, T0 } from '../unit/raw-events.js';
import { runs } from './runs.js';

interface Given {
  readonly body: string | Uint8Array;
  readonly subject?: string;
  readonly headers?: string | Uint8Array | undefined;
}

const options = {
  format: formatOf(),
  limits: { payloadBytesMax: 2_000, headerBytesMax: 200 },
  idRequired: true,
  partitions: 64,
  checkPartition: false,
};
const decoder = new EventDecoder(options);
const scanned = new ScannedEvent(options);

/** Whether the record goes the short way; then everything about it is compared with the long one. */
function goesShort({ body, subject = 'events.a', headers }: Given, over = {}): boolean {
  const writer = new BatchWriter(new ArrayBuffer(64));
  const bytes = (text: string | Uint8Array): Uint8Array => Buffer.from(text as string);
  const block = headers === undefined ? undefined : bytes(headers);
  // Between two others, so that reading over an end would find something.
  for (const text of ['{"id":"before"}', body, '"after"}]'])
    writer.add(0, 7, T0, bytes(text === body ? subject : 'x.y'), text === body ? block : undefined, bytes(text));
  const { buffer, length } = writer.take();
  const reader = new BatchReader(buffer, length);
  reader.next();
  reader.next();
  const long = Object.keys(over).length === 0 ? decoder : new EventDecoder({ ...options, ...over });
  const short = Object.keys(over).length === 0 ? scanned : new ScannedEvent({ ...options, ...over });
  short.open(buffer, length);
  if (!short.read(reader)) return false;
  compare(short, long.decode(Buffer.from(buffer), reader));
  return true;
}

function compare(short: ScannedEvent, { raw, decoded }: DecodedRecord): void {
  expect(decoded.kind).toBe('event');
  if (decoded.kind !== 'event') return;
  const { event } = decoded;
  expect([short.id, short.key, short.time, short.sequence]).toEqual([event.id, event.key, event.time, event.sequence]);
  expect([short.streamSequence, short.streamTime]).toEqual([raw.streamSequence, raw.streamTime]);
  expect([short.size, short.hashBody()]).toEqual([raw.body.length, bodyHash(raw.body)]);
  short.hashId(5);
  const hashed = [...murmurWords];
  murmur128(event.id, 5);
  expect(hashed).toEqual([...murmurWords]);
  const asked: unknown[] = [];
  short.find({
    rowOf: () => -1,
    rowOfBytes: (b, from, to) => asked.push(Buffer.from(b).toString('latin1', from, to)),
  });
  expect(asked).toEqual([event.key]);
  expect(short.source.eventAt(short.place)).toStrictEqual(event);
  const { bodyHash: _, ...text } = raw;
  expect(short.source.rawAt(short.place)).toEqual(text);
}

const ordinary = {
  id: 'e-1',
  time: T0,
  type: 'deposit',
  data: { amount: 5, note: 'a (b)', tags: [1, -0.5e3, null, true] },
};

describe('ScannedEvent', () => {
  it.each([
    JSON.stringify(ordinary),
    JSON.stringify(ordinary, null, 2),
    '{"time":0,"id":"e"}',
    '{ "x" : {"id":7} , "id" : "e" , "time" : 12 , "sequence" : 0 , "key" : "a" }\n',
    '{"id":"e","time":1,"data":[]}',
    '{"id":"e","time":1,"data":{}}',
    '{"id":"e","time":1,"data":null}',
    '{"id":"e","time":1,"__proto__":{"data":1}}',
  ])('takes %j', (body) => {
    expect(goesShort({ body })).toBe(true);
    expect(
      goesShort({ body, headers: 'NATS/1.0\r\nNats-Msg-Id: other\r\nContent-Type: application/json\r\n\r\n' }),
    ).toBe(true);
    expect(goesShort({ body }, { checkPartition: true })).toBe(false);
  });

  it.each([
    '',
    '{}',
    '[]',
    '"e"',
    '{"id":"e"}',
    '{"id":"e","time":"1"}',
    '{"id":"e","time":1.5}',
    '{"id":"e","time":1e3}',
    '{"id":"e","time":-1}',
    '{"id":"e","time":01}',
    '{"id":"e","time":253402300800000}',
    '{"id":"e","time":9999999999999999}',
    '{"id":"e","time":1,"time":2}',
    '{"id":"e","id":"e","time":1}',
    '{"id":"","time":1}',
    '{"id":"e f","time":1}',
    '{"id":"\\u0065","time":1}',
    '{"\\u0069d":"e","time":1}',
    '{"id":7,"time":1}',
    '{"id":"e","time":1,"key":"b"}',
    '{"id":"e","time":1,"key":null}',
    '{"id":"e","time":1,"type":""}',
    '{"id":"e","time":1,"sequence":"1"}',
    '{"id":"e","time":1,"sequence":-1}',
    '{"id":"e","time":1,"specversion":"1.0"}',
    '{"id":"e","time":1,"data":"é"}',
    '{"id":"e","time":1,"data":"a\\nb"}',
    '{"id":"e","time":1,"data":01}',
    '{"id":"e","time":1,"data":1.}',
    '{"id":"e","time":1,"data":-}',
    '{"id":"e","time":1,"data":1e}',
    '{"id":"e","time":1,"data":tru}',
    '{"id":"e","time":1,"data":[1,]}',
    '{"id":"e","time":1,"data":{"a"}}',
    '{"id":"e","time":1,}',
    '{"id":"e","time":1}x',
    '{"id":"e","time":1',
    '{"id":"e","time":1,"data":',
    `{"id":"e","time":1,"data":${'['.repeat(17)}${']'.repeat(17)}}`,
    `{"id":"${'x'.repeat(257)}","time":1}`,
    `{"id":"e","time":1,"type":"${'x'.repeat(257)}"}`,
    `{"id":"e","time":1,"data":"${'x'.repeat(2_000)}"}`,
  ])('leaves %j to the long way', (body) => {
    expect(goesShort({ body })).toBe(false);
  });

  it('leaves keys, subjects and headers that are not plain to the long way', () => {
    const body = '{"id":"e","time":1}';
    for (const subject of ['events', 'events.', 'events.a%2Eb', 'events.é', 'é.a', `events.${'k'.repeat(257)}`])
      expect(goesShort({ body, subject }), subject).toBe(false);
    expect(goesShort({ body, subject: 'events.a.b' })).toBe(true);
    for (const headers of ['NATS/1.0\r\nce-specversion: 1.0\r\n', 'NATS/1.0\r\nCE-Id: x\r\n', 'x'.repeat(201)])
      expect(goesShort({ body, headers }), headers).toBe(false);
    expect(goesShort({ body, headers: Buffer.from('NATS/1.0\r\nX: \xff\r\n', 'latin1') })).toBe(true);
    expect(goesShort({ body }, { format: formatOf({ id: 'json:/id' }) })).toBe(false);
    expect(goesShort({ body }, { idRequired: false })).toBe(true);
  });

  const name = fc.constantFrom(
    'id',
    'time',
    'key',
    'type',
    'sequence',
    'data',
    'specversion',
    'source',
    'x',
    '__proto__',
  );
  const value = fc.oneof(
    fc.constantFrom(
      '"a"',
      '"e-1"',
      '""',
      '1',
      '1700000000000',
      '0',
      '-1',
      '1.5',
      '1e3',
      '01',
      'null',
      'true',
      '{}',
      '[]',
      '"\\""',
      '"é"',
      '',
    ),
    fc.jsonValue({ maxDepth: 3 }).map((json) => JSON.stringify(json)),
  );
  const space = fc.constantFrom('', '', '', ' ', '\n', '\t ', '\u00a0');
  const member = fc.tuple(name, space, value, space).map(([n, s, v, t]) => `"${n}"${s}:${t}${v}`);
  const body = fc
    .tuple(
      fc.constantFrom('"id":"e-1","time":1700000000000', '"time":5,"id":"x"', '"id":"e"'),
      fc.array(member, { maxLength: 5 }),
      space,
    )
    .map(([first, members, s]) => `${s}{${[first, ...members].join(`,${s}`)}}${s}`);

  it('gives what the long way gives, for bodies of all kinds', () => {
    fc.assert(
      fc.property(body, fc.constantFrom('events.a', 'events.e-1'), (text, subject) => {
        goesShort({ body: text, subject });
      }),
      runs(3_000),
    );
  });

  it('gives what the long way gives, whatever byte is wrong', () => {
    const edit = fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 }), fc.constantFrom('set', 'insert', 'cut', 'end'));
    fc.assert(
      fc.property(body, edit, (text, [place, byte, kind]) => {
        const bytes = Buffer.from(text);
        const at = place % bytes.length;
        const [before, after] = [bytes.subarray(0, at), bytes.subarray(at + (kind === 'insert' ? 0 : 1))];
        const middle = kind === 'cut' || kind === 'end' ? [] : [byte];
        goesShort({ body: Buffer.concat([before, Buffer.from(middle), kind === 'end' ? Buffer.alloc(0) : after]) });
      }),
      runs(3_000),
    );
  });
});

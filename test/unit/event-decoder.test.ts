/** From the bytes of a batch to events: sizes before anything is parsed, and every event in its key's partition (F23). */
import { Buffer } from 'node:buffer';
import { describe, expect, it } from 'vitest';
import { partitionOf } from '../../src/core/key/partition.js';
import type { DecodedRecord, DecoderOptions } from '../../src/host/event-decoder.js';
import { EventDecoder } from '../../src/host/event-decoder.js';
import { BatchReader, BatchWriter } from '../../src/protocol/batch.js';
import { formatOf, T0 } from './raw-events.js';

const options: DecoderOptions = {
  format: formatOf(),
  limits: { payloadBytesMax: 1_000, headerBytesMax: 200 },
  idRequired: true,
  partitions: 64,
  checkPartition: false,
};

interface Record {
  readonly body: string | Uint8Array;
  readonly subject?: string;
  readonly headers?: string;
  readonly partition?: number;
}

function decode({ body, subject = 'events.a', headers, partition = 0 }: Record, over = {}): DecodedRecord {
  const writer = new BatchWriter(new ArrayBuffer(64));
  const bytes = (text: string | Uint8Array): Uint8Array => Buffer.from(text as string);
  writer.add(partition, 7, T0, bytes(subject), headers === undefined ? undefined : bytes(headers), bytes(body));
  const { buffer, length } = writer.take();
  const reader = new BatchReader(buffer, length);
  expect(reader.next()).toBe(true);
  return new EventDecoder({ ...options, ...over }).decode(Buffer.from(buffer), reader);
}

const codeOf = ({ decoded }: DecodedRecord): string => (decoded.kind === 'event' ? 'event' : decoded.rejection.code);

describe('EventDecoder', () => {
  it('reads an event and keeps its text', () => {
    const { raw, decoded } = decode({ body: '{"id":"e1","data":{"n":1}}', headers: 'NATS/1.0\r\nA: b\r\n' });
    expect(decoded).toMatchObject({ kind: 'event', event: { id: 'e1', key: 'a', time: T0, data: { n: 1 } } });
    expect(raw).toMatchObject({ subject: 'events.a', token: 'a', streamSequence: 7, encoding: 'utf8' });
  });

  it('F23: a body or a header block that is too large is never parsed, whatever is in it', () => {
    const large = decode({ body: `{${'x'.repeat(1_000)}` });
    expect(codeOf(large)).toBe('EVENT_TOO_LARGE');
    expect(large.decoded).toMatchObject({ key: 'a' });
    expect(codeOf(decode({ body: '{', headers: `NATS/1.0\r\nA: ${'x'.repeat(200)}\r\n` }))).toBe('EVENT_TOO_LARGE');
    expect(codeOf(decode({ body: '{' }))).toBe('EVENT_INVALID');
  });

  it('F23: bytes that are not UTF-8 never become text, and are kept as they are', () => {
    const body = Uint8Array.of(0x7b, 0xff, 0x7d);
    const { raw, decoded } = decode({ body });
    expect(decoded).toMatchObject({ kind: 'rejected', rejection: { code: 'EVENT_NOT_UTF8' }, key: 'a' });
    expect([...Buffer.from(raw.body, 'base64')]).toEqual([...body]);
  });

  it('F23: of a body that is too large the beginning is kept byte for byte, with the length of the whole', () => {
    const keptOf = (body: string | Uint8Array) => {
      const { raw } = decode({ body });
      return { raw, kept: Buffer.from(raw.body, raw.encoding) };
    };
    const small = keptOf('x'.repeat(1_001));
    expect(small.raw).toMatchObject({ encoding: 'utf8', wholeBytes: undefined });
    expect(small.kept.length).toBe(1_001);

    const binary = new Uint8Array(100_000).map((_, i) => i * 7);
    const cut = keptOf(binary);
    expect(cut.raw).toMatchObject({ encoding: 'base64', wholeBytes: 100_000 });
    expect(cut.kept.equals(Buffer.from(binary.subarray(0, 65_536)))).toBe(true);

    for (const lead of ['', 'x', 'xx', 'xxx']) {
      const text = lead + '🦊'.repeat(20_000);
      const { raw, kept } = keptOf(text);
      expect(raw).toMatchObject({ encoding: 'utf8', wholeBytes: 80_000 + lead.length });
      expect(kept.length).toBeGreaterThan(65_532);
      expect(Buffer.from(text).subarray(0, kept.length).equals(kept)).toBe(true);
    }
    const { raw } = decode({ body: Uint8Array.of(0xff), headers: `NATS/1.0\r\nA: ${'x'.repeat(200)}\r\n` });
    expect(raw).toMatchObject({ encoding: 'base64', body: Buffer.of(0xff).toString('base64') });
  });

  it('F23: what was cut is not taken for the whole when it is decoded again', () => {
    const decoder = new EventDecoder(options);
    const stored = {
      subject: 'events.a',
      headers: null,
      body: '{"id":"e1"}',
      encoding: 'utf8',
      streamTime: T0,
    } as const;
    expect(codeOf(decoder.decodeStored(7, stored))).toBe('event');
    expect(codeOf(decoder.decodeStored(7, { ...stored, wholeBytes: 99_999 }))).toBe('EVENT_TOO_LARGE');
    const padded = { ...stored, body: JSON.stringify({ id: 'e1', data: 'x'.repeat(options.limits.payloadBytesMax) }) };
    expect(codeOf(decoder.decodeStored(7, padded))).toBe('EVENT_TOO_LARGE');
  });

  it('I7: an event that was sent to the partition of another key is refused', () => {
    const own = partitionOf('a', 64);
    const body = '{"id":"e1"}';
    expect(codeOf(decode({ body, partition: own }, { checkPartition: true }))).toBe('event');
    expect(codeOf(decode({ body, partition: (own + 1) % 64 }, { checkPartition: true }))).toBe('EVENT_KEY_INVALID');
  });
});

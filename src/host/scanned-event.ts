/**
 * The short way of an ordinary event: read where it lies in its batch, made to objects when it is applied.
 *
 * Owns the bytes of the batch at hand, as a copy, because the batch itself goes back to the router. What is kept of an
 * event holds on to that copy, until it is applied or parked.
 *
 * Invariants
 * G1. What comes this way has the same result as what `EventDecoder.decode` makes of the same record; whatever is not
 *     ordinary to its last byte is left to that.
 */
import { Buffer } from 'node:buffer';
import { BodyScan } from '../core/event/body-scan.js';
import type { Event, RawEvent } from '../core/event/event.js';
import type { EventFormat } from '../core/event/event-format.js';
import { isOwnConvention } from '../core/event/event-format.js';
import type { EventSource, KeyLookup, Offered } from '../core/event/offered.js';
import { bodyHashOf, fnv1a32Bytes, murmur128Bytes } from '../core/key/hash.js';
import { isAscii, isPlainByte, KEY_BYTES_MAX } from '../core/key/key.js';
import type { BatchReader } from '../protocol/batch.js';
import { NOTES_AT, SUBJECT_AT } from '../protocol/batch.js';
import type { DecoderOptions, SubjectMapping } from './event-decoder.js';
import { headerText, publishedSubject } from './event-decoder.js';

const DOT = 0x2e;
/** A start that is not there; bodies are shorter. */
const NONE = 0xffff;
const BODY_BYTES_MAX = NONE - 1;

/** One instance serves a host: it describes the record that was read last. */
export class ScannedEvent implements Offered {
  readonly #options: DecoderOptions;
  /** Subject token that holds the key; 0 if this way is closed. */
  readonly #keyToken: number;
  readonly #scan = new BodyScan();
  readonly #types = new TypeNames();
  #bytes = Buffer.alloc(0);
  #view = new DataView(new ArrayBuffer(0));
  #bodyAt = 0;
  #end = 0;
  #keyAt = 0;
  #keyEnd = 0;
  streamSequence = 0;
  streamTime = 0;
  place = 0;
  source: KeptBatch;

  constructor(options: DecoderOptions) {
    this.#options = options;
    this.#keyToken = keyToken(options.format);
    this.source = new KeptBatch(this.#bytes, this.#view, this.#types, options.mapping);
  }

  get time(): number {
    return this.#scan.time;
  }

  get sequence(): number | undefined {
    return this.#scan.sequence;
  }

  get size(): number {
    return this.#end - this.#bodyAt;
  }

  get id(): string {
    return this.#bytes.toString('latin1', this.#scan.idAt, this.#scan.idEnd);
  }

  get key(): string {
    return this.#bytes.toString('latin1', this.#keyAt, this.#keyEnd);
  }

  /** Takes a copy of the first `length` bytes of a batch; the records that are read next lie there. */
  open(batch: ArrayBuffer, length: number): void {
    const copy = batch.slice(0, length);
    this.#bytes = Buffer.from(copy);
    this.#view = new DataView(copy);
    this.source = new KeptBatch(this.#bytes, this.#view, this.#types, this.#options.mapping);
  }

  /** Reads the record that `reader` stands on; false if it is not an ordinary one. */
  read(reader: BatchReader): boolean {
    const { subjectAt, headersAt, bodyAt, end } = reader;
    const { limits, checkPartition, partitions } = this.#options;
    if (this.#keyToken === 0 || end - bodyAt > Math.min(limits.payloadBytesMax, BODY_BYTES_MAX)) return false;
    if (bodyAt > headersAt && !this.#areQuiet(headersAt, bodyAt)) return false;
    if (!this.#findKey(subjectAt, headersAt)) return false;
    if (!this.#scan.read(this.#bytes, bodyAt, end, this.#keyAt, this.#keyEnd)) return false;
    if (checkPartition && fnv1a32Bytes(this.#bytes, this.#keyAt, this.#keyEnd) % partitions !== reader.partition)
      return false;
    this.source.note(reader.recordAt, bodyAt, this.#scan, this.#keyAt - subjectAt, this.#keyEnd - subjectAt);
    this.place = reader.recordAt;
    this.#bodyAt = bodyAt;
    this.#end = end;
    this.streamSequence = reader.sequence;
    this.streamTime = reader.timeMs;
    return true;
  }

  find(keys: KeyLookup): number {
    return keys.rowOfBytes(this.#bytes, this.#keyAt, this.#keyEnd);
  }

  hashId(seed: number): void {
    const { idAt, idEnd } = this.#scan;
    murmur128Bytes(this.#view, idAt, idEnd - idAt, seed);
  }

  hashBody(): number {
    return bodyHashOf(this.#view, this.#bodyAt, this.#end);
  }

  /** Whether a header block is within its limit and cannot hold CloudEvents attributes: no `ce-` in it. */
  #areQuiet(from: number, to: number): boolean {
    if (to - from > this.#options.limits.headerBytesMax) return false;
    const bytes = this.#bytes;
    for (let at = from; at + 2 < to; at++)
      if (bytes[at + 2] === 0x2d && (bytes[at]! | 0x20) === 0x63 && (bytes[at + 1]! | 0x20) === 0x65) return false;
    return true;
  }

  /** Finds the token of the key in a subject of plain bytes; false if there is none or one of another kind. */
  #findKey(from: number, to: number): boolean {
    const bytes = this.#bytes;
    const keyToken = this.#keyTokenOf(from, to);
    let token = 1;
    let start = from;
    let keyEnd = -1;
    for (let at = from; at < to; at++) {
      const byte = bytes[at]!;
      if (byte === DOT) {
        if (token === keyToken) {
          this.#keyAt = start;
          keyEnd = at;
        }
        token++;
        start = at + 1;
      } else if (!isPlainByte(byte)) return false;
    }
    if (token === keyToken) {
      this.#keyAt = start;
      keyEnd = to;
    }
    this.#keyEnd = keyEnd;
    const length = keyEnd - this.#keyAt;
    return keyEnd >= 0 && length > 0 && length <= KEY_BYTES_MAX;
  }

  /** A mapped subject has one token more before the key. */
  #keyTokenOf(from: number, to: number): number {
    const { mapping } = this.#options;
    if (mapping === undefined) return this.#keyToken;
    let tokens = 1;
    for (let at = from; at < to; at++) if (this.#bytes[at] === DOT) tokens++;
    return tokens === mapping.tokens ? this.#keyToken + 1 : this.#keyToken;
  }
}

function keyToken(format: EventFormat): number {
  return isOwnConvention(format) && format.key.kind === 'token' ? format.key.index : 0;
}

/**
 * A batch that stays. What was found out about a record is noted in it, so nothing else has to be kept of an event.
 *
 * Notes of a record, little endian: u16 offsets into the body of id, type and data, start and end of each, a start of
 * `NONE` where there is none; f64 sequence, NaN where there is none; f64 event time; u16 start and end of the key in the subject.
 */
class KeptBatch implements EventSource {
  readonly #bytes: Buffer;
  readonly #view: DataView;
  readonly #types: TypeNames;
  readonly #mapping: SubjectMapping | undefined;

  constructor(bytes: Buffer, view: DataView, types: TypeNames, mapping: SubjectMapping | undefined) {
    this.#bytes = bytes;
    this.#view = view;
    this.#types = types;
    this.#mapping = mapping;
  }

  note(recordAt: number, bodyAt: number, scan: BodyScan, keyFrom: number, keyTo: number): void {
    const view = this.#view;
    const at = recordAt + NOTES_AT;
    view.setUint16(at, scan.idAt - bodyAt, true);
    view.setUint16(at + 2, scan.idEnd - bodyAt, true);
    view.setUint16(at + 4, scan.typeAt < 0 ? NONE : scan.typeAt - bodyAt, true);
    view.setUint16(at + 6, scan.typeEnd - bodyAt, true);
    view.setUint16(at + 8, scan.dataAt < 0 ? NONE : scan.dataAt - bodyAt, true);
    view.setUint16(at + 10, scan.dataEnd - bodyAt, true);
    view.setFloat64(at + 12, scan.sequence ?? Number.NaN, true);
    view.setFloat64(at + 20, scan.time, true);
    view.setUint16(at + 28, keyFrom, true);
    view.setUint16(at + 30, keyTo, true);
  }

  eventAt(recordAt: number): Event {
    const view = this.#view;
    const at = recordAt + NOTES_AT;
    const bodyAt = this.#bodyAt(recordAt);
    const typeAt = view.getUint16(at + 4, true);
    const dataAt = view.getUint16(at + 8, true);
    const sequence = view.getFloat64(at + 12, true);
    const typeEnd = bodyAt + view.getUint16(at + 6, true);
    const dataEnd = bodyAt + view.getUint16(at + 10, true);
    return {
      id: this.#text(bodyAt + view.getUint16(at, true), bodyAt + view.getUint16(at + 2, true)),
      key: this.#keyOf(recordAt),
      time: view.getFloat64(at + 20, true),
      sequence: Number.isNaN(sequence) ? undefined : sequence,
      type: typeAt === NONE ? undefined : this.#types.read(this.#bytes, bodyAt + typeAt, typeEnd),
      data: dataAt === NONE ? null : JSON.parse(this.#text(bodyAt + dataAt, dataEnd)),
    };
  }

  rawAt(recordAt: number): RawEvent {
    const view = this.#view;
    const headersAt = this.#headersAt(recordAt);
    const bodyAt = this.#bodyAt(recordAt);
    const headers = this.#bytes.subarray(headersAt, bodyAt);
    return {
      subject: publishedSubject(this.#text(recordAt + SUBJECT_AT, headersAt), this.#mapping),
      token: this.#keyOf(recordAt),
      headers: headers.length === 0 ? undefined : headerText(headers),
      body: this.#text(bodyAt, bodyAt + view.getUint32(recordAt + 8, true)),
      encoding: 'utf8',
      streamSequence: view.getFloat64(recordAt + 12, true),
      streamTime: view.getFloat64(recordAt + 20, true),
    };
  }

  #keyOf(recordAt: number): string {
    const at = recordAt + NOTES_AT + 28;
    const subjectAt = recordAt + SUBJECT_AT;
    return this.#text(subjectAt + this.#view.getUint16(at, true), subjectAt + this.#view.getUint16(at + 2, true));
  }

  #headersAt(recordAt: number): number {
    return recordAt + SUBJECT_AT + this.#view.getUint16(recordAt + 2, true);
  }

  #bodyAt(recordAt: number): number {
    return this.#headersAt(recordAt) + this.#view.getUint32(recordAt + 4, true);
  }

  /** What is read this way is ASCII throughout. */
  #text(from: number, to: number): string {
    return this.#bytes.toString('latin1', from, to);
  }
}

/** Types repeat: the last ones are kept, so that no string is made for each event. */
class TypeNames {
  readonly #names = new Array<string>(64).fill('');

  read(bytes: Buffer, from: number, to: number): string {
    const slot = ((to - from) * 7 + bytes[from]! * 3 + bytes[to - 1]!) & 63;
    const known = this.#names[slot]!;
    if (isAscii(known, bytes, from, to)) return known;
    const name = bytes.toString('latin1', from, to);
    this.#names[slot] = name;
    return name;
  }
}

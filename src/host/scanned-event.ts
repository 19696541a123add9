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
import type { DecoderOptions, SubjectMapping } from './event-decoder.js';
import { headerText, publishedSubject } from './event-decoder.js';

const DOT = 0x2e;

/** One instance serves a host: it describes the record that was read last. */
export class ScannedEvent implements Offered {
  readonly #options: DecoderOptions;
  /** Subject token that holds the key; 0 if this way is closed. */
  readonly #keyToken: number;
  readonly #scan = new BodyScan();
  readonly #types = new TypeNames();
  #bytes = Buffer.alloc(0);
  #view = new DataView(new ArrayBuffer(0));
  #subjectAt = 0;
  #headersAt = 0;
  #bodyAt = 0;
  #end = 0;
  #keyAt = 0;
  #keyEnd = 0;
  streamSequence = 0;
  streamTime = 0;

  constructor(options: DecoderOptions) {
    this.#options = options;
    this.#keyToken = keyToken(options.format);
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
  }

  /** Reads the record that `reader` stands on; false if it is not an ordinary one. */
  read(reader: BatchReader): boolean {
    const { subjectAt, headersAt, bodyAt, end } = reader;
    const { limits, checkPartition, partitions } = this.#options;
    if (this.#keyToken === 0 || end - bodyAt > limits.payloadBytesMax) return false;
    if (bodyAt > headersAt && !this.#areQuiet(headersAt, bodyAt)) return false;
    if (!this.#findKey(subjectAt, headersAt)) return false;
    if (!this.#scan.read(this.#bytes, bodyAt, end, this.#keyAt, this.#keyEnd)) return false;
    if (checkPartition && fnv1a32Bytes(this.#bytes, this.#keyAt, this.#keyEnd) % partitions !== reader.partition)
      return false;
    this.#subjectAt = subjectAt;
    this.#headersAt = headersAt;
    this.#bodyAt = bodyAt;
    this.#end = end;
    this.streamSequence = reader.sequence;
    this.streamTime = reader.timeMs;
    return true;
  }

  find<E>(keys: KeyLookup<E>): E | undefined {
    return keys.getBytes(this.#bytes, this.#keyAt, this.#keyEnd);
  }

  hashId(seed: number): void {
    const { idAt, idEnd } = this.#scan;
    murmur128Bytes(this.#view, idAt, idEnd - idAt, seed);
  }

  hashBody(): number {
    return bodyHashOf(this.#view, this.#bodyAt, this.#end);
  }

  keep(key: string): EventSource {
    const { typeAt, typeEnd } = this.#scan;
    const type = typeAt < 0 ? undefined : this.#types.read(this.#bytes, typeAt, typeEnd);
    const subjectAt = this.#subjectAt;
    const headersAt = this.#headersAt;
    const { mapping } = this.#options;
    return new KeptEvent(
      this.#bytes,
      key,
      type,
      this.#scan,
      this,
      subjectAt,
      headersAt,
      this.#bodyAt,
      this.#end,
      mapping,
    );
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

/** What is kept of an event: offsets into the bytes of its batch. */
class KeptEvent implements EventSource {
  readonly #bytes: Buffer;
  readonly #key: string;
  readonly #type: string | undefined;
  readonly #time: number;
  readonly #sequence: number | undefined;
  readonly #idAt: number;
  readonly #idEnd: number;
  readonly #dataAt: number;
  readonly #dataEnd: number;
  readonly #streamSequence: number;
  readonly #streamTime: number;
  readonly #subjectAt: number;
  readonly #headersAt: number;
  readonly #bodyAt: number;
  readonly #end: number;
  readonly #mapping: SubjectMapping | undefined;
  #event: Event | undefined;

  constructor(
    bytes: Buffer,
    key: string,
    type: string | undefined,
    scan: BodyScan,
    { streamSequence, streamTime }: ScannedEvent,
    subjectAt: number,
    headersAt: number,
    bodyAt: number,
    end: number,
    mapping: SubjectMapping | undefined,
  ) {
    this.#bytes = bytes;
    this.#key = key;
    this.#type = type;
    this.#time = scan.time;
    this.#sequence = scan.sequence;
    this.#idAt = scan.idAt;
    this.#idEnd = scan.idEnd;
    this.#dataAt = scan.dataAt;
    this.#dataEnd = scan.dataEnd;
    this.#streamSequence = streamSequence;
    this.#streamTime = streamTime;
    this.#subjectAt = subjectAt;
    this.#headersAt = headersAt;
    this.#bodyAt = bodyAt;
    this.#end = end;
    this.#mapping = mapping;
  }

  get event(): Event {
    this.#event ??= {
      id: this.#text(this.#idAt, this.#idEnd),
      key: this.#key,
      time: this.#time,
      sequence: this.#sequence,
      type: this.#type,
      data: this.#dataAt < 0 ? null : JSON.parse(this.#text(this.#dataAt, this.#dataEnd)),
    };
    return this.#event;
  }

  get raw(): RawEvent {
    const headers = this.#bytes.subarray(this.#headersAt, this.#bodyAt);
    return {
      subject: publishedSubject(this.#text(this.#subjectAt, this.#headersAt), this.#mapping),
      token: this.#key,
      headers: headers.length === 0 ? undefined : headerText(headers),
      body: this.#text(this.#bodyAt, this.#end),
      encoding: 'utf8',
      streamSequence: this.#streamSequence,
      streamTime: this.#streamTime,
    };
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

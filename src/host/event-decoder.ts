/**
 * From the bytes of a batch record to a decoded event. Sizes are checked before anything is parsed, and bytes that
 * are not UTF-8 never become text: they are kept as they are, in base64, for the dead letter.
 */
import { Buffer, isUtf8 } from 'node:buffer';
import type { Decoded } from '../core/event/decode.js';
import { decodeEvent } from '../core/event/decode.js';
import type { EventLimits, RawEvent } from '../core/event/event.js';
import type { EventFormat } from '../core/event/event-format.js';
import type { Rejection } from '../core/event/reject.js';
import { bodyHashOf } from '../core/key/hash.js';
import { keyOfToken } from '../core/key/key.js';
import { partitionOf } from '../core/key/partition.js';
import type { BatchReader } from '../protocol/batch.js';

/** The server's mapping adds the partition to the subject: token `index` of `tokens`, before that of the key. */
export interface SubjectMapping {
  readonly index: number;
  readonly tokens: number;
}

export interface DecoderOptions {
  readonly format: EventFormat;
  readonly limits: EventLimits;
  /** False where dedupe is off: an event then needs no id. */
  readonly idRequired: boolean;
  readonly partitions: number;
  readonly mapping?: SubjectMapping | undefined;
  /** The partition was not computed from the subject token that holds the key, so it must be checked. */
  readonly checkPartition: boolean;
}

/** An event as it is stored outside the stream. */
export type StoredText = Pick<RawEvent, 'subject' | 'body' | 'encoding' | 'wholeBytes' | 'streamTime'> & {
  readonly headers: string | null | undefined;
};

export interface DecodedRecord {
  readonly raw: RawEvent;
  readonly decoded: Decoded;
}

/** How much of an oversized body its dead letter keeps; the stream has the rest. */
const OVERSIZE_KEPT_BYTES = 65_536;

export class EventDecoder {
  readonly #options: DecoderOptions;
  readonly #keyToken: number;

  constructor(options: DecoderOptions) {
    this.#options = options;
    this.#keyToken = options.format.key.kind === 'token' ? options.format.key.index : 0;
  }

  /** Decodes the record that `reader` stands on; `bytes` is the batch. */
  decode(bytes: Buffer, reader: BatchReader): DecodedRecord {
    const { limits } = this.#options;
    const { subjectAt, headersAt, bodyAt, end } = reader;
    const subject = publishedSubject(bytes.toString('utf8', subjectAt, headersAt), this.#options.mapping);
    const bodyBytes = end - bodyAt;
    const rejection = this.#checkBytes(bytes, reader, subject);
    const kept = bodyBytes > limits.payloadBytesMax ? keptUpTo(bytes, bodyAt, end) : end;
    // What was refused for its size was never looked at.
    const encoding = rejection === undefined || isUtf8(bytes.subarray(bodyAt, kept)) ? 'utf8' : 'base64';
    const raw: RawEvent = {
      subject,
      token: this.#keyToken === 0 ? undefined : tokenAt(subject, this.#keyToken),
      headers:
        bodyAt > headersAt && bodyAt - headersAt <= limits.headerBytesMax
          ? headerText(bytes.subarray(headersAt, bodyAt))
          : undefined,
      body: bytes.toString(encoding, bodyAt, kept),
      encoding,
      wholeBytes: kept < end ? bodyBytes : undefined,
      // Only dedupe asks for it, and that is what makes ids required.
      bodyHash: this.#options.idRequired ? bodyHashOf(reader.view, bodyAt, kept) : undefined,
      streamSequence: reader.sequence,
      streamTime: reader.timeMs,
    };
    if (rejection !== undefined) {
      // The subject still says whose event it is, unless its own bytes are the problem.
      const key = raw.token === undefined || rejection.code === 'EVENT_KEY_INVALID' ? undefined : keyOfToken(raw.token);
      return { raw, decoded: { kind: 'rejected', rejection, key } };
    }
    const decoded = decodeEvent(raw, this.#options.format, this.#options.idRequired);
    return { raw, decoded: this.#options.checkPartition ? this.#checkPartition(decoded, reader.partition) : decoded };
  }

  /** Decodes the text that was stored of an event: a parked one, or a dead letter. */
  decodeStored(streamSequence: number, stored: StoredText): DecodedRecord {
    const { subject, headers, body, encoding, wholeBytes, streamTime } = stored;
    const token = this.#keyToken === 0 ? undefined : tokenAt(subject, this.#keyToken);
    const place = { token, streamSequence, streamTime };
    const raw: RawEvent = { subject, headers: headers ?? undefined, body, encoding, wholeBytes, ...place };
    const rejection = this.#rejectionOfStored(raw);
    if (rejection === undefined)
      return { raw, decoded: decodeEvent(raw, this.#options.format, this.#options.idRequired) };
    return { raw, decoded: { kind: 'rejected', rejection, key: token === undefined ? undefined : keyOfToken(token) } };
  }

  #checkBytes(bytes: Buffer, reader: BatchReader, subject: string): Rejection | undefined {
    const { subjectAt, headersAt, bodyAt, end } = reader;
    const tooLarge = this.#checkSizes(end - bodyAt, bodyAt - headersAt);
    if (tooLarge !== undefined) return tooLarge;
    if (!isUtf8(bytes.subarray(bodyAt, end))) return { code: 'EVENT_NOT_UTF8', problems: ['the body is not UTF-8'] };
    // A replacement character may be the publisher's own, or may stand for bytes that are not UTF-8.
    if (subject.includes('\ufffd') && !isUtf8(bytes.subarray(subjectAt, headersAt)))
      return { code: 'EVENT_KEY_INVALID', problems: ['the subject is not UTF-8'] };
    return undefined;
  }

  /** What was refused for its bytes is refused again, however often it is decoded. */
  #rejectionOfStored({ body, encoding, headers, wholeBytes }: RawEvent): Rejection | undefined {
    if (wholeBytes !== undefined)
      return { code: 'EVENT_TOO_LARGE', problems: [`only the beginning of its ${wholeBytes} bytes is kept`] };
    const tooLarge = this.#checkSizes(Buffer.byteLength(body, encoding), headers?.length ?? 0);
    if (tooLarge !== undefined || encoding === 'utf8') return tooLarge;
    return { code: 'EVENT_NOT_UTF8', problems: ['the body is not UTF-8'] };
  }

  #checkSizes(bodyBytes: number, headerBytes: number): Rejection | undefined {
    const { payloadBytesMax, headerBytesMax } = this.#options.limits;
    if (bodyBytes > payloadBytesMax) {
      const problem = `the body has ${bodyBytes} bytes, allowed are ${payloadBytesMax}`;
      return { code: 'EVENT_TOO_LARGE', problems: [problem] };
    }
    if (headerBytes > headerBytesMax) {
      const problem = `the headers have ${headerBytes} bytes, allowed are ${headerBytesMax}`;
      return { code: 'EVENT_TOO_LARGE', problems: [problem] };
    }
    return undefined;
  }

  #checkPartition(decoded: Decoded, partition: number): Decoded {
    if (decoded.kind !== 'event') return decoded;
    const expected = partitionOf(decoded.event.key, this.#options.partitions);
    if (expected === partition) return decoded;
    const problems = [`the subject names partition ${partition}, but the key belongs to ${expected}`];
    return { kind: 'rejected', rejection: { code: 'EVENT_KEY_INVALID', problems }, key: decoded.event.key };
  }
}

/** Where the kept part of an oversized body ends: not inside a character, if it is UTF-8. */
function keptUpTo(bytes: Buffer, bodyAt: number, end: number): number {
  const most = Math.min(end, bodyAt + OVERSIZE_KEPT_BYTES);
  if (most === end) return end;
  let at = most;
  while (at > most - 4 && (bytes[at]! & 0xc0) === 0x80) at--;
  return (bytes[at]! & 0xc0) === 0x80 ? most : at;
}

/** The subject before the server mapped it; one that it did not map, since it was stored earlier, as it is. */
export function publishedSubject(subject: string, mapping: SubjectMapping | undefined): string {
  if (mapping === undefined) return subject;
  const tokens = subject.split('.');
  return tokens.length === mapping.tokens ? tokens.toSpliced(mapping.index - 1, 1).join('.') : subject;
}

/**
 * Headers as text. Bytes that are not UTF-8 do no harm in a header that nobody reads, but in an id two different ones
 * would become the same replacement character: they become half a character, which no id or key may contain.
 */
export function headerText(bytes: Buffer): string {
  const text = bytes.toString('utf8');
  return isUtf8(bytes) ? text : text.replaceAll('\ufffd', '\udcff');
}

/** The `index`th token of a subject, from 1; '' if there is none. */
function tokenAt(subject: string, index: number): string {
  let from = 0;
  for (let i = 1; i < index; i++) {
    const dot = subject.indexOf('.', from);
    if (dot < 0) return '';
    from = dot + 1;
  }
  const end = subject.indexOf('.', from);
  return end < 0 ? subject.slice(from) : subject.slice(from, end);
}

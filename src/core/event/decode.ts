/**
 * From text of the log to an event, or to the reasons why it is not one. Every problem is named, not only the first.
 *
 * Accepted without configuration: Millrace's JSON body, CloudEvents 1.0 structured (a body with `specversion`) and
 * binary (`ce-` headers). Source: CloudEvents 1.0.2 specification and its NATS protocol binding.
 */
import { murmur128, murmurWords } from '../key/hash.js';
import { isPlainKey, isPlainName, keyOfToken, nameOf, problemOfName } from '../key/key.js';
import type { Event, RawEvent } from './event.js';
import { TIME_MAX } from './event.js';
import type { EventFormat, EventPart, Place } from './event-format.js';
import { isOwnConvention } from './event-format.js';
import { headerOf, mentionsCloudEvents } from './header-block.js';
import { atPointer, canonicalJson, isObject, isTooDeep } from './json.js';
import type { Rejection } from './reject.js';

export type Decoded =
  | { readonly kind: 'event'; readonly event: Event }
  | { readonly kind: 'rejected'; readonly rejection: Rejection; readonly key: string | undefined };

/** `idRequired` is false where dedupe is off: an event without an id is then named by its stream sequence. */
export function decodeEvent(raw: RawEvent, format: EventFormat, idRequired: boolean): Decoded {
  if (isTooDeep(raw.body))
    return rejected('EVENT_TOO_DEEP', ['the body nests deeper than 64 levels'], keyOfSubject(raw).key);
  let body: unknown;
  try {
    body = JSON.parse(raw.body);
  } catch (error) {
    return rejected('EVENT_INVALID', [`the body is not JSON: ${(error as Error).message}`], keyOfSubject(raw).key);
  }
  const event = ordinaryEvent(raw, body, format);
  return event === undefined ? decodeParts(raw, body, format, idRequired) : { kind: 'event', event };
}

/**
 * The event of Millrace's own body, plain to its last part, or undefined: then `decodeParts` says what it is or what is
 * wrong with it. Nearly every event comes this way, which costs half as much and has the same result.
 */
function ordinaryEvent(raw: RawEvent, body: unknown, format: EventFormat): Event | undefined {
  const { token } = raw;
  if (token === undefined || raw.headers !== undefined || !isPlainKey(token)) return undefined;
  if (!isObject(body) || !isOwnConvention(format)) return undefined;
  // Not own properties only: what JSON.parse makes inherits none of these names.
  const { id, key, time, sequence, type, data, specversion } = body;
  if (specversion !== undefined || (sequence !== undefined && !isSequence(sequence))) return undefined;
  if (key !== undefined && key !== token) return undefined;
  if (typeof id !== 'string' || !isPlainName(id)) return undefined;
  if (typeof time !== 'number' || !(time >= 0 && time <= TIME_MAX)) return undefined;
  if (type !== undefined && !isType(type)) return undefined;
  return { id, key: token, time: Math.floor(time), sequence, type, data: data ?? null };
}

function decodeParts(raw: RawEvent, body: unknown, format: EventFormat, idRequired: boolean): Decoded {
  const problems: string[] = [];
  const token = keyOfSubject(raw);
  const parts = partsOf(raw, body, format);

  const said = nameOf(parts.key);
  const key = raw.token === undefined ? said : token.key;
  if (token.problem !== undefined) return rejected('EVENT_KEY_INVALID', [token.problem], undefined);
  if (key === undefined) {
    const problem = parts.key === undefined ? 'the key is missing' : 'the key is neither text nor a whole number';
    return rejected('EVENT_KEY_INVALID', [problem], undefined);
  }
  const keyProblem = problemOfName(key);
  if (keyProblem !== undefined) return rejected('EVENT_KEY_INVALID', [`the key ${keyProblem}`], undefined);
  if (raw.token !== undefined && parts.key !== undefined && said !== key)
    problems.push('the key in the body is not the key of the subject');

  const id = readId(parts.id, problems, idRequired ? undefined : `#${raw.streamSequence}`);
  const time = parts.time === undefined ? Math.floor(raw.streamTime) : readTime(parts.time, problems);
  const sequence = parts.sequence === undefined ? undefined : readSequence(parts.sequence, problems);
  const type = parts.type === undefined ? undefined : readType(parts.type, problems);
  if (problems.length > 0) return rejected('EVENT_INVALID', problems, key);
  return { kind: 'event', event: { id, key, time, sequence, type, data: parts.data ?? null } };
}

function rejected(code: Rejection['code'], problems: readonly string[], key: string | undefined): Decoded {
  return { kind: 'rejected', rejection: { code, problems }, key };
}

/** The key of the subject token, if the key is there. */
function keyOfSubject(raw: RawEvent): { key: string | undefined; problem?: string } {
  if (raw.token === undefined) return { key: undefined };
  const key = keyOfToken(raw.token);
  return key === undefined
    ? { key, problem: 'the subject token is not a percent-encoded key (see tokenOfKey)' }
    : { key };
}

type Parts = { -readonly [part in EventPart]: unknown };

/** The parts as found, unchecked: what the format names, else what the event's own convention says. */
function partsOf(raw: RawEvent, body: unknown, format: EventFormat): Parts {
  const parts = conventionalParts(raw, body);
  for (const part of ['id', 'key', 'time', 'sequence', 'type', 'data'] as const) {
    const place = format[part];
    if (place.kind !== 'auto' && !(part === 'key' && place.kind === 'token')) parts[part] = at(place, raw, body);
  }
  if (parts.id === undefined && format.id.kind === 'auto')
    parts.id = headerOf(raw.headers, 'nats-msg-id') ?? headerOf(raw.headers, 'ce-id');
  return parts;
}

function conventionalParts(raw: RawEvent, body: unknown): Parts {
  const headers = raw.headers !== undefined && mentionsCloudEvents(raw.headers) ? raw.headers : undefined;
  if (headerOf(headers, 'ce-specversion') !== undefined) return binaryCloudEvent(headers, body);
  if (!isObject(body))
    return { id: undefined, key: undefined, time: undefined, sequence: undefined, type: undefined, data: body };
  const own = (name: string): unknown => (Object.hasOwn(body, name) ? body[name] : undefined);
  const cloudEvent = typeof own('specversion') === 'string' && typeof own('source') === 'string';
  return {
    id: own('id'),
    key: cloudEvent ? own('partitionkey') : own('key'),
    time: own('time'),
    sequence: own('sequence'),
    type: own('type'),
    data: cloudEvent ? (own('data') ?? own('data_base64')) : own('data'),
  };
}

function binaryCloudEvent(headers: string | undefined, body: unknown): Parts {
  const attribute = (name: string): string | undefined => {
    const value = headerOf(headers, `ce-${name}`);
    try {
      return value === undefined ? undefined : decodeURIComponent(value);
    } catch {
      return value;
    }
  };
  return {
    id: attribute('id'),
    key: attribute('partitionkey'),
    time: attribute('time'),
    sequence: attribute('sequence'),
    type: attribute('type'),
    data: body,
  };
}

function at(place: Place, raw: RawEvent, body: unknown): unknown {
  switch (place.kind) {
    case 'header':
      return headerOf(raw.headers, place.name);
    case 'pointer':
      return atPointer(body, place.path);
    case 'token':
      return raw.subject.split('.')[place.index - 1];
    case 'content':
      return contentId(place.paths.map((path) => atPointer(body, path)));
    case 'auto':
      return undefined;
  }
}

/** Id derived from the content: equal for equal values of the named fields, 128 bits as hexadecimal. */
function contentId(values: readonly unknown[]): string | undefined {
  if (values.every((value) => value === undefined)) return undefined;
  murmur128(canonicalJson(values.map((value) => value ?? null)), 0);
  return Array.from(murmurWords, (word) => word.toString(16).padStart(8, '0')).join('');
}

function readId(value: unknown, problems: string[], fallback: string | undefined): string {
  if (value === undefined && fallback !== undefined) return fallback;
  if (value === undefined) problems.push('there is no id: not in the body, nor in Nats-Msg-Id or ce-id');
  const id = nameOf(value);
  if (id === undefined) {
    if (value !== undefined) problems.push('the id is neither text nor a whole number');
    return '';
  }
  const problem = problemOfName(id);
  if (problem === undefined) return id;
  problems.push(`the id ${problem}`);
  return '';
}

const RFC3339 = /^(\d{4})-(\d\d)-(\d\d)[Tt](?:[01]\d|2[0-3]):\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)$/;

function readTime(value: unknown, problems: string[]): number {
  let time = Number.NaN;
  if (typeof value === 'number') time = Math.floor(value);
  else if (typeof value === 'string') {
    const date = RFC3339.exec(value);
    if (date !== null) time = isDay(date) ? Date.parse(value.toUpperCase()) : Number.NaN;
    else if (/^\d{1,15}$/.test(value)) time = Number(value);
  }
  if (time >= 0 && time <= TIME_MAX) return time;
  problems.push('the time is neither epoch milliseconds nor RFC 3339');
  return 0;
}

/** Whether the month has that day: Date.parse would read February 30 as March 1. */
function isDay([, year, month, day]: RegExpExecArray): boolean {
  return Number(day) <= new Date(Date.UTC(Number(year), Number(month), 0)).getUTCDate();
}

function readSequence(value: unknown, problems: string[]): number {
  const sequence = typeof value === 'string' && /^\d{1,16}$/.test(value) ? Number(value) : value;
  if (isSequence(sequence)) return sequence;
  problems.push('the sequence is not a whole number from 0 on');
  return 0;
}

function readType(value: unknown, problems: string[]): string {
  if (isType(value)) return value;
  problems.push('the type is not text of 1 to 256 characters');
  return '';
}

function isType(value: unknown): value is string {
  return typeof value === 'string' && value.length > 0 && value.length <= 256;
}

function isSequence(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

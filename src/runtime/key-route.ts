/**
 * Which partition an event of the log belongs to, from its bytes. The hot path reads a subject token and hashes it;
 * the other places cost a parse on the main thread, which is the price of leaving the key out of the subject.
 *
 * Total: every event has a partition, also one whose key cannot be found. Its thread then says what is wrong with
 * it, and some partition must be the one that decides it.
 */
import type { EventFormat } from '../core/event/event-format.js';
import { headerOf } from '../core/event/header-block.js';
import { atPointer } from '../core/event/json.js';
import { fnv1a32Bytes } from '../core/key/hash.js';
import { nameOf } from '../core/key/key.js';
import { partitionOf } from '../core/key/partition.js';

/** 0 to partitions − 1. */
export type KeyRoute = (subject: Uint8Array, headers: Uint8Array | undefined, body: Uint8Array) => number;

/** The same, for the event at a position: it may have been stored before its partition moved to this stream. */
export type StreamRoute = (
  subject: Uint8Array,
  headers: Uint8Array | undefined,
  body: Uint8Array,
  position: number,
) => number;

export interface KeyRouteOptions {
  readonly key: EventFormat['key'];
  /** `key`: the hash of the key decides. A token: it is the partition's number, as the server's mapping wrote it. */
  readonly partition: { readonly kind: 'key' } | { readonly kind: 'token'; readonly index: number };
  readonly partitions: number;
}

const DOT = 0x2e;

export function keyRoute({ key, partition, partitions }: KeyRouteOptions): KeyRoute {
  if (partition.kind === 'token') return byNumber(partition.index, partitions);
  switch (key.kind) {
    case 'token':
      return byToken(key.index, partitions);
    case 'header':
      return (subject, headers) =>
        byText(headers === undefined ? undefined : headerOf(text(headers), key.name), subject, partitions);
    case 'pointer':
      return (subject, _, body) => byText(keyInBody(body, key.path), subject, partitions);
    default:
      throw new RangeError(`a key cannot come from ${key.kind}`);
  }
}

export interface MappedRouteOptions {
  /** For what was stored before the partitions moved to this stream, in a stream of other subjects. */
  readonly earlier: StreamRoute;
  /** Position of the event before the first of this stream. */
  readonly base: number;
  /** The token that the server's mapping wrote. */
  readonly index: number;
  /** The partitions of the stream. */
  readonly first: number;
  readonly last: number;
}

/**
 * For one of several streams: the server has written the partition into the subject. A number that does not belong to
 * the stream, which only a mistaken configuration can bring, goes to the stream's first partition: it says what is
 * wrong with the event, where nobody would otherwise.
 */
export function mappedRoute({ earlier, base, index, first, last }: MappedRouteOptions): StreamRoute {
  const number = byNumber(index, last + 1);
  return (subject, headers, body, position) => {
    if (position <= base) return earlier(subject, headers, body, position);
    return Math.max(first, number(subject, headers, body));
  };
}

function byToken(index: number, partitions: number): KeyRoute {
  return (subject) => {
    const from = tokenStart(subject, index);
    if (from < 0) return fnv1a32Bytes(subject, 0, subject.length) % partitions;
    const dot = subject.indexOf(DOT, from);
    return fnv1a32Bytes(subject, from, dot < 0 ? subject.length : dot) % partitions;
  };
}

function byNumber(index: number, partitions: number): KeyRoute {
  return (subject) => {
    let number = 0;
    const from = tokenStart(subject, index);
    for (let at = from; at >= 0 && at < subject.length && subject[at] !== DOT; at++) {
      const digit = subject[at]! - 0x30;
      if (digit < 0 || digit > 9) return 0;
      number = number * 10 + digit;
    }
    return number < partitions ? number : 0;
  };
}

function byText(key: unknown, subject: Uint8Array, partitions: number): number {
  const name = nameOf(key);
  if (name !== undefined) return partitionOf(name, partitions);
  return fnv1a32Bytes(subject, 0, subject.length) % partitions;
}

function keyInBody(body: Uint8Array, path: readonly string[]): unknown {
  try {
    return atPointer(JSON.parse(text(body)), path);
  } catch {
    return undefined;
  }
}

function tokenStart(subject: Uint8Array, index: number): number {
  let from = 0;
  for (let i = 1; i < index; i++) {
    const dot = subject.indexOf(DOT, from);
    if (dot < 0) return -1;
    from = dot + 1;
  }
  return from;
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
}

/**
 * What must be in Redis, from an independent capture of the stream. Written from the documentation, without the
 * engine's code but for the hash of bodies: sort each key's events by (time, stream sequence), keep the first of each
 * id, fold.
 *
 * The sort is right only if every event could wait for the earlier ones. The oracle checks that on the stream itself
 * and refuses a workload that is not so (see `checkQuiet`): a test must not pass or fail by a stall of its publisher.
 * With `late: 'dead-letter'` it follows the settle window event by event instead (see `dueOrder`).
 */
import { isSameBody } from '../../src/core/dedupe/dedupe-index.js';
import { bodyHashOf } from '../../src/core/key/hash.js';
import type { Captured } from './capture.js';
import { type Arrived, checkQuiet, dueOrder } from './due-order.js';

/** What one captured message means, before order and duplicates. */
export type Meaning =
  | {
      readonly kind: 'event';
      readonly id: string;
      readonly key: string;
      readonly time: number;
      /** Place in its key's own numbering; needed for order `sequence`. */
      readonly number?: number | undefined;
      readonly type: string | undefined;
      readonly data: unknown;
    }
  /** Not an event. `hashed` decides its partition. */
  | {
      readonly kind: 'dead';
      readonly code: string;
      readonly key: string | null;
      readonly id: string | null;
      readonly hashed: string;
    };

export interface Rules<S = unknown> {
  readonly partitions?: number;
  /** `sequence` is for streams in which no number is missing. */
  readonly order?: 'time' | 'none' | 'sequence';
  readonly settleMs?: number;
  readonly idleMs?: number;
  readonly aheadMsMax?: number;
  /**
   * `never`: the oracle refuses a stream in which an event is late. `dead-letter`: late ones are set aside, as an
   * undisturbed run does. A set of stream sequences: these and no others were late.
   */
  readonly late?: 'never' | 'dead-letter' | ReadonlySet<number>;
  readonly meaning: (message: Captured) => Meaning;
  readonly initial: (key: string) => S;
  /** Throws what a handler would throw. */
  readonly fold: (state: S, event: FoldedEvent) => S;
  /** Events that an operator has given up: they never happened. */
  readonly isGone?: (partition: number, sequence: number) => boolean;
}

export interface FoldedEvent {
  readonly id: string;
  readonly key: string;
  readonly time: number;
  readonly number?: number | undefined;
  readonly type: string | undefined;
  readonly data: unknown;
  readonly sequence: number;
}

/** As `redis-cli HGET` shows it. */
export interface ExpectedState {
  readonly state: unknown;
  readonly time: number;
  readonly id: string;
  readonly sequence: string;
  readonly applied: number;
  /** With order `sequence`: the newest number of the key that is decided. */
  readonly keySequence?: number;
}

export interface ExpectedDead {
  readonly code: string;
  readonly key: string | null;
  readonly id: string | null;
  readonly message: Captured;
}

export interface ExpectedPartition {
  readonly states: Map<string, ExpectedState>;
  readonly dead: Map<number, ExpectedDead>;
  events: number;
  applied: number;
  duplicates: number;
  conflicts: number;
  /** Ids that the index must hold. */
  ids: number;
  lastSequence: number;
}

export interface Expected {
  readonly partitions: readonly ExpectedPartition[];
  readonly events: number;
  readonly applied: number;
  readonly duplicates: number;
  readonly dead: number;
}

/** FNV-1a 32 of the key's token, modulo the partitions: what nats-server's `partition()` answers. */
export function partitionFor(token: string, partitions: number): number {
  let hash = 2_166_136_261;
  for (const byte of Buffer.from(token, 'utf8')) hash = Math.imul(hash ^ byte, 16_777_619);
  return (hash >>> 0) % partitions;
}

export function tokenOf(key: string): string {
  return [...Buffer.from(key, 'utf8')]
    .map((byte) => (byte <= 0x20 || byte === 0x7f || '.*>%'.includes(String.fromCharCode(byte)) ? percent(byte) : byte))
    .reduce(
      (bytes, part) => Buffer.concat([bytes, typeof part === 'number' ? Buffer.of(part) : Buffer.from(part)]),
      Buffer.alloc(0),
    )
    .toString('utf8');
}

const percent = (byte: number): string => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;

/** The expected content of Redis after every captured message is decided. */
export function expected<S>(captured: readonly Captured[], rules: Rules<S>): Expected {
  const { partitions: count = 64, aheadMsMax = 60_000 } = rules;
  const partitions = Array.from({ length: count }, emptyPartition);
  const arrivals = Array.from({ length: count }, (): Arrival[] => []);
  const firsts = new Map<string, Captured>();
  for (const message of captured) {
    const { sequence, timeMs } = message;
    const meaning = rules.meaning(message);
    const number = partitionFor(meaning.kind === 'event' ? tokenOf(meaning.key) : meaning.hashed, count);
    if (rules.isGone?.(number, sequence) === true) continue;
    const partition = partitions[number]!;
    partition.events++;
    partition.lastSequence = sequence;
    if (meaning.kind === 'dead') {
      partition.dead.set(sequence, { ...meaning, message });
      continue;
    }
    const { id, key, time } = meaning;
    if (time > timeMs + aheadMsMax) {
      partition.dead.set(sequence, { code: 'EVENT_TIME_AHEAD', key, id, message });
      continue;
    }
    if (rules.order === 'sequence' && meaning.number === undefined) {
      partition.dead.set(sequence, { code: 'EVENT_UNNUMBERED', key, id, message });
      continue;
    }
    const name = JSON.stringify([id, key]);
    const first = firsts.get(name);
    if (first !== undefined) {
      partition.duplicates++;
      if (!isSameBody(hashOf(first.body), hashOf(message.body))) partition.conflicts++;
      continue;
    }
    firsts.set(name, message);
    partition.ids++;
    if (typeof rules.late === 'object' && rules.late.has(sequence)) {
      partition.dead.set(sequence, { code: 'EVENT_LATE', key, id, message });
      continue;
    }
    arrivals[number]!.push({ time, sequence, streamMs: timeMs, event: { ...meaning, sequence }, message });
  }
  for (const [p, partition] of partitions.entries()) foldAll(partition, inOrder(arrivals[p]!, rules), rules);
  const sum = (of: (partition: ExpectedPartition) => number): number =>
    partitions.reduce((total, p) => total + of(p), 0);
  return {
    partitions,
    events: sum((p) => p.events),
    applied: sum((p) => p.applied),
    duplicates: sum((p) => p.duplicates),
    dead: sum((p) => p.dead.size),
  };
}

interface Arrival extends Arrived {
  readonly event: FoldedEvent;
  readonly message: Captured;
}

function inOrder(arrivals: Arrival[], rules: Pick<Rules, 'order' | 'late' | 'settleMs' | 'idleMs'>): Arrival[] {
  const { order = 'time', late = 'never', settleMs = 2_000, idleMs = 1_000 } = rules;
  if (order === 'none') return arrivals;
  if (order === 'sequence') return arrivals.sort((a, b) => a.event.number! - b.event.number!);
  if (late === 'dead-letter') return dueOrder(arrivals, settleMs, idleMs);
  if (late === 'never') checkQuiet(arrivals, settleMs, idleMs);
  return arrivals.sort((a, b) => a.time - b.time || a.sequence - b.sequence);
}

/** Applies the events of a partition, which are in the order in which they are due. */
function foldAll<S>(partition: ExpectedPartition, due: readonly Arrival[], { order, initial, fold }: Rules<S>): void {
  for (const { event, message } of due) {
    const { id, key, time, sequence } = event;
    const before = partition.states.get(key);
    // A number that is decided is used up, whatever became of its event.
    const numbering = order === 'sequence' ? { keySequence: event.number! } : {};
    if ((order ?? 'time') === 'time' && before !== undefined && time < before.time) {
      partition.dead.set(sequence, { code: 'EVENT_LATE', key, id, message });
      continue;
    }
    let state: S;
    try {
      state = fold(before === undefined ? initial(key) : (before.state as S), event);
    } catch {
      partition.dead.set(sequence, { code: 'HANDLER_THREW', key, id, message });
      if (before !== undefined) partition.states.set(key, { ...before, ...numbering });
      continue;
    }
    const newest = Math.max(before?.time ?? time, time);
    partition.states.set(key, {
      state,
      time: newest,
      id,
      sequence: String(sequence),
      applied: (before?.applied ?? 0) + 1,
      ...numbering,
    });
    partition.applied++;
  }
}

function emptyPartition(): ExpectedPartition {
  return {
    states: new Map(),
    dead: new Map(),
    events: 0,
    applied: 0,
    duplicates: 0,
    conflicts: 0,
    ids: 0,
    lastSequence: 0,
  };
}

function hashOf(body: Uint8Array): number {
  return bodyHashOf(new DataView(body.buffer, body.byteOffset, body.length), 0, body.length);
}

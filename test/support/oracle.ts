/**
 * What must be in Redis, from an independent capture of the stream. Written from the documentation, without the
 * engine's code: sort each key's events by (time, stream sequence), keep the first of each id, fold.
 *
 * The sort is right only if every event could wait for the earlier ones. The oracle checks that on the stream itself
 * and refuses a workload that is not so (see `Quiet`): a test must not pass or fail by a stall of its publisher.
 */
import type { Captured } from './capture.js';

/** What one captured message means, before order and duplicates. */
export type Meaning =
  | {
      readonly kind: 'event';
      readonly id: string;
      readonly key: string;
      readonly time: number;
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
  readonly order?: 'time' | 'none';
  readonly settleMs?: number;
  readonly idleMs?: number;
  readonly aheadMsMax?: number;
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
  const quiet = Array.from({ length: count }, () => new Quiet(rules));
  const firsts = new Map<string, Captured>();
  const events = new Map<string, FoldedEvent[]>();
  const messages = new Map<number, Captured>();
  for (const message of captured) {
    const meaning = rules.meaning(message);
    const number = partitionFor(meaning.kind === 'event' ? tokenOf(meaning.key) : meaning.hashed, count);
    if (rules.isGone?.(number, message.sequence) === true) continue;
    const partition = partitions[number]!;
    partition.events++;
    partition.lastSequence = message.sequence;
    if (meaning.kind === 'dead') {
      partition.dead.set(message.sequence, { ...meaning, message });
      continue;
    }
    const { id, key, time } = meaning;
    if (time > message.timeMs + aheadMsMax) {
      partition.dead.set(message.sequence, { code: 'EVENT_TIME_AHEAD', key, id, message });
      continue;
    }
    const name = JSON.stringify([id, key]);
    const first = firsts.get(name);
    if (first !== undefined) {
      partition.duplicates++;
      if (!first.body.equals(message.body)) partition.conflicts++;
      continue;
    }
    firsts.set(name, message);
    messages.set(message.sequence, message);
    partition.ids++;
    quiet[number]!.check(time, message);
    const list = events.get(key);
    const event = { ...meaning, sequence: message.sequence };
    if (list === undefined) events.set(key, [event]);
    else list.push(event);
  }
  for (const [key, list] of events) foldKey(key, list, partitions[partitionFor(tokenOf(key), count)]!, rules, messages);
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

function foldKey<S>(
  key: string,
  list: FoldedEvent[],
  partition: ExpectedPartition,
  { order = 'time', initial, fold }: Rules<S>,
  messages: ReadonlyMap<number, Captured>,
): void {
  if (order === 'time') list.sort((a, b) => a.time - b.time || a.sequence - b.sequence);
  let state = initial(key);
  let last: FoldedEvent | undefined;
  let time = Number.NEGATIVE_INFINITY;
  let applied = 0;
  for (const event of list) {
    try {
      state = fold(state, event);
    } catch {
      const message = messages.get(event.sequence)!;
      partition.dead.set(event.sequence, { code: 'HANDLER_THREW', key, id: event.id, message });
      continue;
    }
    last = event;
    time = Math.max(time, event.time);
    applied++;
  }
  partition.applied += applied;
  if (last === undefined) return;
  partition.states.set(key, { state, time, id: last.id, sequence: String(last.sequence), applied });
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

/** Whether every event of a partition was in time for its place in the order, settle window and idle release included. */
class Quiet {
  readonly #settleMs: number;
  readonly #idleMs: number;
  readonly #isOrdered: boolean;
  #released = Number.NEGATIVE_INFINITY;
  #newest = Number.NEGATIVE_INFINITY;
  #arrival = Number.NEGATIVE_INFINITY;

  constructor({ order = 'time', settleMs = 2_000, idleMs = 1_000 }: Omit<Rules, 'initial' | 'fold'>) {
    this.#settleMs = settleMs;
    // A node that follows the stream live measures quietness with a clock of its own, a little more coarsely.
    this.#idleMs = idleMs * 0.9;
    this.#isOrdered = order === 'time';
  }

  check(time: number, { timeMs, sequence }: Captured): void {
    if (!this.#isOrdered) return;
    if (timeMs - this.#arrival >= this.#idleMs) this.#released = this.#newest;
    const due = Math.max(this.#released, this.#newest - this.#settleMs);
    if (time < due)
      throw new Error(`event ${sequence} is ${due - time} ms late in the stream itself: its publisher stalled`);
    this.#arrival = timeMs;
    this.#newest = Math.max(this.#newest, time);
  }
}

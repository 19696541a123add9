/**
 * Reads of durable state. What is shown was committed: it is never retracted without a logged rollback of the store.
 * Any node, or a command without a node, can answer, because only the store is asked.
 */
import { readEnvelope } from '../core/actor/state-envelope.js';
import type { PartitionRecord } from '../core/checkpoint/record.js';
import { decodeRecord } from '../core/checkpoint/record.js';
import { problemOfName } from '../core/key/key.js';
import { PARTITION_HASH, partitionOf } from '../core/key/partition.js';
import { isDecided } from '../core/position/position-window.js';
import { placeOf, positionAt } from '../core/position/stream-chain.js';
import { MillraceError } from '../errors.js';
import type { CheckpointStore, StateReading } from '../ports/checkpoint-store.js';
import type { Clock } from '../ports/clock.js';
import { pause } from '../retrying.js';

/** Where an event went: what a publisher gets, and what a reader may wait for. */
export interface Receipt {
  readonly stream: string;
  readonly sequence: number;
  readonly partition: number;
}

/** A key's durable state and the checkpoint that it belongs to. */
export interface KeyState {
  readonly key: string;
  readonly partition: number;
  /** The handler's state, or null if no event of the key was applied. */
  readonly state: unknown;
  /** Newest event time applied (epoch ms), id and stream sequence of the event applied last, count of events applied. */
  readonly time: number | null;
  readonly id: string | null;
  readonly sequence: number | null;
  readonly applied: number;
  readonly position: { readonly stream: string; readonly floor: number; readonly checkpoint: number };
  /** Age of the checkpoint, ms. */
  readonly checkpointAgeMs: number;
}

const POLL_MS_MIN = 10;
const POLL_MS_MAX = 100;

export class StateReader {
  readonly #store: CheckpointStore;
  readonly #clock: Clock;
  readonly #partitions: number;

  constructor(store: CheckpointStore, clock: Clock, partitions: number) {
    this.#store = store;
    this.#clock = clock;
    this.#partitions = partitions;
  }

  /**
   * State of `key`. With `after`, waits until that event is decided and stored, at most `waitMs`. A repetition is decided when
   * it comes, which may be before the event that it repeats.
   * Throws REQUEST_INVALID (bad key or receipt), NOT_FOUND (the partition has no checkpoint yet), NOT_REFLECTED
   * (deadline passed, or `signal` aborted), LAYOUT_MISMATCH (stored under another partitioning, where the key may lie
   * elsewhere) and the store's errors.
   */
  async get(key: string, after?: Receipt, waitMs = 5_000, signal?: AbortSignal): Promise<KeyState> {
    const partition = this.#partitionOf(key, after);
    const deadline = this.#clock.elapsed() + waitMs;
    for (let pollMs = POLL_MS_MIN; ; pollMs = Math.min(pollMs * 2, POLL_MS_MAX)) {
      if (signal?.aborted === true) throw new MillraceError('NOT_REFLECTED', 'the wait was given up by its caller');
      const reading = await this.#store.readState(partition, key);
      const record = reading === undefined ? undefined : this.#recordOf(reading, partition);
      if (reading !== undefined && record !== undefined && reflects(record, after))
        return this.#keyState(key, reading, record);
      if (after === undefined)
        throw new MillraceError(
          'NOT_FOUND',
          `partition ${partition} of key ${JSON.stringify(key)} has no checkpoint yet`,
        );
      if (this.#clock.elapsed() + pollMs > deadline)
        throw new MillraceError('NOT_REFLECTED', `event ${after.sequence} is not durable after ${waitMs} ms`);
      await this.#pause(pollMs, signal);
    }
  }

  async #pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
    if (signal?.aborted === true) return;
    let leave = (): void => undefined;
    const left = new Promise<void>((resolve) => {
      leave = resolve;
    });
    signal?.addEventListener('abort', leave);
    await Promise.race([pause(this.#clock, ms), left]);
    signal?.removeEventListener('abort', leave);
  }

  #recordOf(reading: StateReading, partition: number): PartitionRecord {
    const decoded = decodeRecord(reading.stored.record);
    if (decoded.kind === 'corrupt')
      throw new MillraceError('CORRUPT_CHECKPOINT', `partition ${partition}: ${decoded.problem}`);
    if (decoded.kind === 'format')
      throw new MillraceError('CHECKPOINT_FORMAT', `partition ${partition}: format ${String(decoded.format)}`);
    const { record } = decoded;
    const { partitions, hash } = record.layout;
    if (record.partition !== partition)
      throw new MillraceError('CORRUPT_CHECKPOINT', `partition ${partition}: the record is of ${record.partition}`);
    if (partitions !== this.#partitions || hash !== PARTITION_HASH)
      throw new MillraceError(
        'LAYOUT_MISMATCH',
        `application ${record.layout.app} is stored with ${partitions} partitions by ${hash}, not ${this.#partitions} by ${PARTITION_HASH}`,
      );
    return record;
  }

  #partitionOf(key: string, after: Receipt | undefined): number {
    const problem = problemOfName(key);
    if (problem !== undefined) throw new MillraceError('REQUEST_INVALID', `the key ${problem}`);
    const partition = partitionOf(key, this.#partitions);
    if (after !== undefined && after.partition !== partition)
      throw new MillraceError(
        'REQUEST_INVALID',
        `the receipt is of partition ${after.partition}, the key belongs to ${partition}`,
      );
    return partition;
  }

  #keyState(key: string, reading: StateReading, record: PartitionRecord): KeyState {
    const envelope = reading.state === undefined ? undefined : readEnvelope(reading.state);
    if (reading.state !== undefined && envelope === undefined)
      throw new MillraceError('CORRUPT_CHECKPOINT', `the state of key ${JSON.stringify(key)} cannot be read`);
    const { stream, sequence } = placeOf(record.chain, record.position.floor);
    return {
      key,
      partition: record.partition,
      state: envelope?.state ?? null,
      time: envelope?.time ?? null,
      id: envelope?.id ?? null,
      sequence: envelope === undefined ? null : Number(envelope.sequence),
      applied: envelope?.applied ?? 0,
      position: { stream, floor: sequence, checkpoint: reading.stored.number },
      checkpointAgeMs: Math.max(0, this.#clock.now() - record.savedAt),
    };
  }
}

function reflects(record: PartitionRecord, after: Receipt | undefined): boolean {
  if (after === undefined) return true;
  const position = positionAt(record.chain, after);
  if (position !== undefined) return isDecided(record.position, position);
  const streams = record.chain.map(({ stream }) => stream).join(' and ');
  throw new MillraceError(
    'REQUEST_INVALID',
    `the receipt is of stream ${after.stream}, the partition reads ${streams}`,
  );
}

/** Reads `stream:sequence:partition`, the text form of a receipt. Throws REQUEST_INVALID. */
export function parseReceipt(text: string): Receipt {
  const match = /^([^\s.*>:]+):([1-9]\d{0,15}):(\d{1,4})$/.exec(text);
  if (match === null)
    throw new MillraceError(
      'REQUEST_INVALID',
      `a receipt is stream:sequence:partition, not ${JSON.stringify(text.slice(0, 100))}`,
    );
  return { stream: match[1]!, sequence: Number(match[2]), partition: Number(match[3]) };
}

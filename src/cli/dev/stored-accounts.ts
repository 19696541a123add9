/** What the store holds at the end, read with plain commands as an operator would. */
import type { Redis } from 'ioredis';
import { decodeRecord } from '../../core/checkpoint/record.js';
import { partitionOf } from '../../core/key/partition.js';
import { streamIndexOf } from '../../core/key/stream-share.js';
import type { Position } from '../../core/position/position-window.js';
import { isDecided } from '../../core/position/position-window.js';
import { MillraceError } from '../../errors.js';
import type { Options } from '../../options/types.js';
import type { Decisions } from './ledger-oracle.js';
import type { CapturedEvent } from './stream-capture.js';

/** A key's state as stored. */
export interface StoredAccount {
  readonly state: unknown;
  readonly applied: number;
  readonly id: string;
}

export interface StoredAccounts extends Decisions {
  readonly accounts: ReadonlyMap<string, StoredAccount>;
  /** Keys that are stored in a partition that is not theirs. */
  readonly misplaced: readonly string[];
}

/** Puts together what is found, piece by piece. */
export class AccountsReading implements StoredAccounts {
  readonly accounts = new Map<string, StoredAccount>();
  readonly misplaced: string[] = [];
  readonly #positions = new Map<number, Position>();
  /** By stream and sequence: one stream's numbers mean nothing in another. */
  readonly #dead = new Map<string, string>();
  readonly #partitions: number;
  readonly #streams: number;

  constructor(partitions: number, streams = 1) {
    this.#partitions = partitions;
    this.#streams = streams;
  }

  reasonOf({ stream = 0, sequence }: Pick<CapturedEvent, 'stream' | 'sequence'>): string | undefined {
    return this.#dead.get(`${stream}:${sequence}`);
  }

  isDecided(key: string, sequence: number): boolean {
    const position = this.#positions.get(partitionOf(key, this.#partitions));
    return position !== undefined && isDecided(position, sequence);
  }

  addRecord(partition: number, text: string): void {
    const decoded = decodeRecord(text);
    if (decoded.kind !== 'record')
      throw new MillraceError('CORRUPT_CHECKPOINT', `partition ${partition}: the stored record cannot be read`);
    this.#positions.set(partition, decoded.record.position);
  }

  addAccount(partition: number, key: string, account: StoredAccount): void {
    if (partitionOf(key, this.#partitions) !== partition) this.misplaced.push(key);
    this.accounts.set(key, account);
  }

  /** `letter`: the JSON of a dead letter. */
  addLetter(partition: number, sequence: number, letter: string): void {
    const stream = streamIndexOf(partition, this.#partitions, this.#streams);
    this.#dead.set(`${stream}:${sequence}`, (JSON.parse(letter) as { code: string }).code);
  }
}

/** Reads the state of every key, the dead letters, and which events are decided. */
export async function readRedisAccounts(
  redis: Redis,
  { app, partitions, stream }: Pick<Options, 'app' | 'partitions' | 'stream'>,
): Promise<StoredAccounts> {
  const reading = new AccountsReading(partitions, stream.count);
  for (let partition = 0; partition < partitions; partition++) {
    const prefix = `millrace:{${app}:${partition}}:`;
    const record = await redis.hget(`${prefix}meta`, 'record');
    if (record !== null) reading.addRecord(partition, record);
    for (const [key, text] of Object.entries(await redis.hgetall(`${prefix}state`)))
      reading.addAccount(partition, key, JSON.parse(text) as StoredAccount);
    for (const [sequence, text] of Object.entries(await redis.hgetall(`${prefix}dead`)))
      reading.addLetter(partition, Number(sequence), text);
  }
  return reading;
}

/** What Redis holds at the end, read with plain commands as an operator would. */
import type { Redis } from 'ioredis';
import { decodeRecord } from '../../core/checkpoint/record.js';
import { partitionOf } from '../../core/key/partition.js';
import type { Position } from '../../core/position/position-window.js';
import { isDecided } from '../../core/position/position-window.js';
import { MillraceError } from '../../errors.js';
import type { Decisions } from './ledger-oracle.js';

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

/** Reads the state of every key, the dead letters, and which events are decided. */
export async function readAccounts(redis: Redis, app: string, partitions: number): Promise<StoredAccounts> {
  const accounts = new Map<string, StoredAccount>();
  const dead = new Map<number, string>();
  const misplaced: string[] = [];
  const positions = new Map<number, Position>();
  for (let partition = 0; partition < partitions; partition++) {
    const prefix = `millrace:{${app}:${partition}}:`;
    const record = await redis.hget(`${prefix}meta`, 'record');
    if (record !== null) positions.set(partition, positionOf(partition, record));
    for (const [key, text] of Object.entries(await redis.hgetall(`${prefix}state`))) {
      if (partitionOf(key, partitions) !== partition) misplaced.push(key);
      accounts.set(key, JSON.parse(text) as StoredAccount);
    }
    for (const [sequence, text] of Object.entries(await redis.hgetall(`${prefix}dead`)))
      dead.set(Number(sequence), (JSON.parse(text) as { code: string }).code);
  }
  return {
    accounts,
    dead,
    misplaced,
    isDecided: (key, sequence) => {
      const position = positions.get(partitionOf(key, partitions));
      return position !== undefined && isDecided(position, sequence);
    },
  };
}

function positionOf(partition: number, text: string): Position {
  const decoded = decodeRecord(text);
  if (decoded.kind === 'record') return decoded.record.position;
  throw new MillraceError('CORRUPT_CHECKPOINT', `partition ${partition}: the record in Redis cannot be read`);
}

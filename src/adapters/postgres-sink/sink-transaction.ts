/** The parts of the sink's transaction, in their order: lock, read what is stored, write states, write positions. */
import { readEnvelope } from '../../core/actor/state-envelope.js';
import { MillraceError } from '../../errors.js';
import type { StateSource } from '../../ports/status-sink.js';
import type { Query } from './sink-connection.js';
import type { SinkPartition, SinkPosition, SinkWork } from './sink-partition.js';
import { ADD_POSITIONS, DELETE_STATES, LOCK_POSITIONS, storedKey, UPSERT_STATES, WRITE_POSITIONS } from './sink-sql.js';

/** A partition and what of its work this transaction does. */
export interface Item {
  readonly partition: SinkPartition;
  readonly work: SinkWork;
}

/** An item with what the store says: the states of its keys, and the one checkpoint they are of, if it is one. */
export interface Reading extends Item {
  readonly states: readonly (string | undefined)[];
  readonly checkpoint: number | undefined;
}

/** A position row as it is to be. */
interface NewPosition {
  readonly partition: SinkPartition;
  readonly checkpoint: number | null;
  readonly writes: number;
}

type PositionRow = { partition: number; owner: string; checkpoint: string | null; writes: string };

/** Rows by partition, locked until the transaction ends; those that are missing are made. */
export async function lockPositions(
  query: Query,
  app: string,
  items: readonly Item[],
): Promise<ReadonlyMap<number, SinkPosition>> {
  const wanted = [app, items.map(({ partition }) => partition.partition)];
  let rows = await query<PositionRow>(LOCK_POSITIONS, wanted);
  if (rows.length < items.length) {
    await query(ADD_POSITIONS, wanted);
    rows = await query<PositionRow>(LOCK_POSITIONS, wanted);
  }
  return new Map(
    rows.map(({ partition, owner, checkpoint, writes }) => [
      partition,
      { owner, checkpoint: checkpoint === null ? undefined : Number(checkpoint), writes: Number(writes) },
    ]),
  );
}

/**
 * States of an item's keys as they are stored now. The record is read before and after: if it is the same, they are of
 * its checkpoint. Undefined if the partition is no longer its owner's, went back, or cannot be read.
 */
export async function readStored(source: StateSource, { partition, work }: Item): Promise<Reading | undefined> {
  const { partition: number, owner } = partition;
  const noted = partition.number;
  try {
    const before = await source.read(number);
    const states = work.keys.length === 0 ? [] : await source.loadStates(number, work.keys);
    const after = work.keys.length === 0 ? before : await source.read(number);
    if (before?.owner !== owner || after?.owner !== owner) return undefined;
    if (before.number < noted || after.number < before.number) return undefined;
    return { partition, work, states, checkpoint: before.number === after.number ? before.number : undefined };
  } catch (error) {
    if (error instanceof MillraceError && error.category === 'corrupt') return undefined;
    throw error;
  }
}

/** Answers how many rows were written or removed. */
export async function writeStates(query: Query, app: string, readings: readonly Reading[]): Promise<number> {
  const rows: unknown[][] = [];
  const gone: unknown[][] = [];
  for (const { partition, work, states } of readings) {
    work.keys.forEach((key, i) => {
      const text = states[i];
      const envelope = text === undefined ? undefined : readEnvelope(text);
      // A key that was numbered but never applied has no state to show.
      if (envelope === undefined || envelope.applied === 0) {
        gone.push([storedKey(key), partition.partition]);
        return;
      }
      const { state, time, id, sequence, keySequence, applied } = envelope;
      const place = [storedKey(key), partition.partition, JSON.stringify(state)];
      rows.push([...place, time, storedKey(id), sequence, keySequence ?? null, applied]);
    });
  }
  if (rows.length > 0) await query(UPSERT_STATES, [app, ...columnsOf(rows)]);
  if (gone.length > 0) await query(DELETE_STATES, [app, ...columnsOf(gone)]);
  return rows.length + gone.length;
}

export async function writePositions(query: Query, app: string, positions: readonly NewPosition[]): Promise<void> {
  const rows = positions.map(({ partition, checkpoint, writes }) => [
    partition.partition,
    partition.owner,
    checkpoint,
    writes,
  ]);
  if (rows.length > 0) await query(WRITE_POSITIONS, [app, ...columnsOf(rows)]);
}

const columnsOf = (rows: readonly unknown[][]): unknown[][] => rows[0]!.map((_, at) => rows.map((row) => row[at]));

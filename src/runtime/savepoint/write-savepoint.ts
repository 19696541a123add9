/**
 * Writes a savepoint: every partition as of one of its checkpoints.
 *
 * A partition is read page by page while its owner goes on. If it was committed meanwhile, what was read is of two
 * moments and is read again; where that goes on for ever, a person has to stop the node or try a quieter hour.
 */

import { decodeRecord } from '../../core/checkpoint/record.js';
import type { SavepointHead, SavepointLine } from '../../core/savepoint/savepoint-line.js';
import { MillraceError } from '../../errors.js';
import type { CheckpointStore, StoredRecord } from '../../ports/checkpoint-store.js';
import type { StateSource } from '../../ports/status-sink.js';
import type { SavepointSink } from './savepoint-file.js';

export type SavepointStore = Pick<CheckpointStore, 'load' | 'deadLetters'> & StateSource;

export interface SavepointProgress {
  readonly partitions: number;
  readonly keys: number;
}

const ATTEMPTS_MAX = 20;
const LETTERS_PAGE = 200;

/** Throws PARTITION_BUSY if a partition never holds still, and the store's errors. */
export async function writeSavepoint(
  store: SavepointStore,
  head: SavepointHead,
  sink: SavepointSink,
  told: (progress: SavepointProgress) => void,
): Promise<SavepointProgress> {
  await sink.write([{ kind: 'head', head }]);
  let keys = 0;
  let partitions = 0;
  for (let partition = 0; partition < head.partitions; partition++) {
    const lines = await settled(store, partition);
    if (lines.length > 0) partitions++;
    keys += lines.filter((line) => line.kind === 'entry' && line.part === 'state').length;
    await sink.write(lines);
    told({ partitions: partition + 1, keys });
  }
  await sink.end();
  return { partitions, keys };
}

async function settled(store: SavepointStore, partition: number): Promise<SavepointLine[]> {
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    const before = await store.read(partition);
    if (before === undefined) return [];
    checkRecord(before, partition);
    const lines = await linesOf(store, partition, before);
    const after = await store.read(partition);
    if (lines !== undefined && after?.owner === before.owner && after.number === before.number) return lines;
  }
  const message = `partition ${partition} was committed ${ATTEMPTS_MAX} times while it was read`;
  throw new MillraceError('PARTITION_BUSY', message);
}

function checkRecord({ record }: StoredRecord, partition: number): void {
  const decoded = decodeRecord(record);
  if (decoded.kind === 'record') return;
  const what = decoded.kind === 'corrupt' ? decoded.problem : `format ${String(decoded.format)}`;
  throw new MillraceError('CORRUPT_CHECKPOINT', `partition ${partition}: ${what}`);
}

/** Undefined if the record changed on the way. */
async function linesOf(
  store: SavepointStore,
  partition: number,
  seen: StoredRecord,
): Promise<SavepointLine[] | undefined> {
  const loaded = await store.load(partition);
  if (loaded?.stored.owner !== seen.owner || loaded.stored.number !== seen.number) return undefined;
  const { number, record } = seen;
  const lines: SavepointLine[] = [{ kind: 'partition', partition, number, record }];
  const entry = (part: 'state' | 'dedupe' | 'dead' | 'parked' | 'outbox', field: string, value: string): void => {
    lines.push({ kind: 'entry', part, partition, field, value });
  };
  for (const segment of loaded.segments)
    entry('dedupe', String(segment.number), Buffer.from(segment.bytes).toString('base64'));
  for (const [field, value] of loaded.parked) entry('parked', field, value);
  for (const [field, value] of loaded.outbox) entry('outbox', field, value);
  for (let after = 0; ; ) {
    const texts = await store.deadLetters(partition, after, LETTERS_PAGE);
    for (const text of texts) {
      after = (JSON.parse(text) as { sequence: number }).sequence;
      entry('dead', String(after), text);
    }
    if (texts.length < LETTERS_PAGE) break;
  }
  for (const [key, value] of await statesOf(store, partition)) entry('state', key, value);
  return lines;
}

/** By key, so that two savepoints can be compared line by line. */
async function statesOf(store: SavepointStore, partition: number): Promise<[string, string][]> {
  const states = new Map<string, string>();
  for await (const keys of store.stateKeys(partition)) {
    const values = await store.loadStates(partition, keys);
    for (const [at, key] of keys.entries()) if (values[at] !== undefined) states.set(key, values[at]);
  }
  return [...states].sort(([a], [b]) => (a < b ? -1 : 1));
}

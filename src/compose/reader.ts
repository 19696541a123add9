/** Durable state without a node. Part of the composition root. */
import { systemClock } from '../adapters/system/system-clock.js';
import { decodeRecord } from '../core/checkpoint/record.js';
import { MillraceError } from '../errors.js';
import type { Options } from '../options/types.js';
import type { CheckpointStore } from '../ports/checkpoint-store.js';
import type { LogLine } from '../ports/log.js';
import { StateReader } from '../runtime/state-reader.js';
import { openStore, storeSettings } from './store.js';

/** Reads of durable state without a node. */
export interface OpenReader {
  readonly reader: StateReader;
  readonly store: Pick<CheckpointStore, 'deadLetters'>;
  close(): Promise<void>;
}

/** How long a command waits for Redis, ms. */
const WAIT_MS = 3_000;

/**
 * Connects to Redis, or to the SQL database, alone. Throws `REDIS_UNREACHABLE` after a few seconds, `SQL_…`, and
 * `LAYOUT_MISMATCH` if the application was stored with another partition count, because every key would be looked for
 * in the wrong place.
 */
export async function openReader(options: Options, line: LogLine): Promise<OpenReader> {
  const { app, partitions } = options;
  const { store, untilReady } = await openStore(storeSettings(options), app, `millrace-${app}-reader`, line);
  try {
    await untilReady(WAIT_MS);
    const first = await store.read(0);
    const decoded = first === undefined ? undefined : decodeRecord(first.record);
    const stored = decoded?.kind === 'record' ? decoded.record.layout.partitions : partitions;
    if (stored !== partitions)
      throw new MillraceError(
        'LAYOUT_MISMATCH',
        `application ${app} is stored with ${stored} partitions, not ${partitions}`,
      );
    return { reader: new StateReader(store, systemClock, partitions), store, close: () => store.close() };
  } catch (error) {
    await store.close();
    throw error;
  }
}

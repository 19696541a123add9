/**
 * The keys at which a table and a partition may differ, page by page: first all that the table has and the store has
 * not, then all that the store has. Whoever asks writes them like changed keys.
 */
import type { StateSource } from '../../ports/status-sink.js';
import type { SinkConnection } from './sink-connection.js';
import { LIST_KEYS, readKey } from './sink-sql.js';

const PAGE = 1_000;

export class Resync {
  readonly #pages: AsyncGenerator<readonly string[], void>;
  #isFresh = true;

  constructor(app: string, partition: number, connection: SinkConnection, source: StateSource) {
    this.#pages = pages(app, partition, connection, source);
  }

  /** Nothing was looked at yet. */
  get isFresh(): boolean {
    return this.#isFresh;
  }

  /** The next keys, possibly none; undefined after the last. After an error another one has to begin. */
  async next(): Promise<readonly string[] | undefined> {
    this.#isFresh = false;
    const { value, done } = await this.#pages.next();
    return done === true ? undefined : (value as readonly string[]);
  }

  async close(): Promise<void> {
    await this.#pages.return().catch(() => undefined); // what was read is thrown away in any case
  }
}

async function* pages(
  app: string,
  partition: number,
  connection: SinkConnection,
  source: StateSource,
): AsyncGenerator<readonly string[], void> {
  for (let after: string | undefined = ''; after !== undefined; ) {
    const rows: { key: string }[] = await connection.query<{ key: string }>(LIST_KEYS, [app, partition, after, PAGE]);
    const keys = rows.map(({ key }) => readKey(key));
    const states = keys.length === 0 ? [] : await source.loadStates(partition, keys);
    yield keys.filter((_, i) => states[i] === undefined);
    after = rows.at(-1)?.key;
  }
  yield* source.stateKeys(partition);
}

/**
 * The status sink on a real Postgres, over a store that the test holds in its hands: who may write what when. The same
 * with whole nodes and faults is in test/chaos/status-sink.test.ts.
 */
import type { Client } from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { MemoryCheckpointStore } from '../../src/adapters/memory/memory-checkpoint-store.js';
import { PostgresStatusSink } from '../../src/adapters/postgres-sink/postgres-status-sink.js';
import { SinkConnection } from '../../src/adapters/postgres-sink/sink-connection.js';
import { systemClock } from '../../src/adapters/system/system-clock.js';
import type { GuardedRecord } from '../../src/core/checkpoint/guard.js';
import { SinkingStore } from '../../src/host/sinking-store.js';
import type { StateSource } from '../../src/ports/status-sink.js';
import { PostgresServer } from '../support/postgres-server.js';
import { until } from '../support/until.js';

let postgres: PostgresServer;
let sql: Client;
let memory: MemoryCheckpointStore;
let app: string;
let apps = 0;
const open: SinkingStore[] = [];

beforeAll(async () => {
  postgres = await PostgresServer.start();
  sql = await postgres.client();
});

afterAll(async () => {
  await sql.end().catch(() => undefined);
  await postgres.stop();
});

beforeEach(() => {
  memory = new MemoryCheckpointStore();
  app = `a${++apps}`;
});

afterEach(async () => {
  await Promise.all(open.splice(0).map((store) => store.close()));
});

interface Process {
  readonly store: SinkingStore;
  readonly sink: PostgresStatusSink;
  readonly logs: string[];
}

/** A process of its own, as far as the sink is concerned. */
function aProcess(options: { keysMax?: number; source?: StateSource; url?: string } = {}): Process {
  const { keysMax, source = memory, url = postgres.url } = options;
  const logs: string[] = [];
  const log = (_level: string, event: string, fields: object) => logs.push(`${event} ${JSON.stringify(fields)}`);
  const connection = new SinkConnection({ url, name: app, log, statementMs: 1_000 });
  const sink = new PostgresStatusSink({ app, connection, source, clock: systemClock, log, keysMax });
  const store = new SinkingStore(memory, sink);
  open.push(store);
  return { store, sink, logs };
}

/** One incarnation of a partition: it claims what is there and commits changes of keys. */
class Incarnation {
  readonly owner: string;
  readonly #store: SinkingStore;
  readonly #partition: number;
  #number = 0;

  constructor({ store }: Process, owner: string, partition = 0) {
    this.#store = store;
    this.owner = owner;
    this.#partition = partition;
  }

  async claim(): Promise<this> {
    const seen: GuardedRecord | undefined = await memory.read(this.#partition);
    this.#number = seen?.number ?? 0;
    const claim = { partition: this.#partition, owner: this.owner, seen, record: '{}' };
    expect(await this.#store.claim(claim)).toBe('accept');
    return this;
  }

  commit(changes: Readonly<Record<string, number>>, remove: readonly string[] = []): Promise<string> {
    const none = { set: [], remove: [] };
    const set = Object.entries(changes).map(([key, value]): [string, string] => [key, envelope(value)]);
    const hashes = { state: { set, remove }, dead: none, parked: none, outbox: none };
    const { owner } = this;
    const record = '{}';
    return this.#store.commit({
      ...{ partition: this.#partition, owner, number: ++this.#number, record },
      ...{ ...hashes, dedupePut: [], dedupeDrop: [] },
    });
  }
}

const envelope = (value: number): string =>
  JSON.stringify({ state: { value }, time: 1_000 + value, id: `e${value}`, sequence: `${value}`, applied: value });

async function table(): Promise<Record<string, number>> {
  const { rows } = await sql.query<{ key: string; state: string }>(
    'SELECT key, state FROM status WHERE app = $1 ORDER BY key',
    [app],
  );
  return Object.fromEntries(rows.map(({ key, state }) => [key, JSON.parse(state).value]));
}

async function position(): Promise<{ owner: string; checkpoint: string | null; writes: string }> {
  return (await sql.query('SELECT owner, checkpoint, writes FROM status_position WHERE app = $1', [app])).rows[0];
}

const settled = async ({ sink }: Process): Promise<void> => {
  await sink.settle(15_000);
  expect(sink.report()).toMatchObject({ lagMs: 0, waitingKeys: 0 });
};

it('writes what was committed, and the checkpoint that the table shows', async () => {
  const one = aProcess();
  const owner = await new Incarnation(one, '1:a').claim();
  await owner.commit({ a: 1, b: 2 });
  await owner.commit({ b: 3, '100%': 4 });
  await settled(one);
  expect(await table()).toEqual({ a: 1, b: 3, '100%25': 4 });
  expect(await position()).toMatchObject({ owner: '1:a', checkpoint: '2' });
  expect((await sql.query('SELECT * FROM status WHERE app = $1 AND key = $2', [app, 'b'])).rows).toEqual([
    {
      ...{ app, key: 'b', partition: 0, state: '{"value":3}', event_time_ms: '1003', event_id: 'e3', sequence: '3' },
      ...{ key_sequence: null, applied: '3' },
    },
  ]);
});

it('goes on where the last owner had written everything, without a look at every key', async () => {
  const one = aProcess();
  await (await new Incarnation(one, '1:a').claim()).commit({ a: 1 });
  await settled(one);
  const two = aProcess();
  const owner = await new Incarnation(two, '2:b').claim();
  await settled(two);
  expect(await position()).toMatchObject({ owner: '2:b', checkpoint: '1' });
  await owner.commit({ b: 2 });
  await settled(two);
  expect(two.sink.report().resyncs).toBe(0);
  expect(await table()).toEqual({ a: 1, b: 2 });
});

it('compares everything after a death between commit and table', async () => {
  const one = aProcess();
  const dying = await new Incarnation(one, '1:a').claim();
  await dying.commit({ a: 1, b: 1 });
  await settled(one);
  await dying.commit({ b: 2, c: 2 });
  await one.sink.close(); // at once, before anything of it is written
  expect(await table()).toEqual({ a: 1, b: 1 });
  const two = aProcess();
  await new Incarnation(two, '2:b').claim();
  await settled(two);
  expect(await table()).toEqual({ a: 1, b: 2, c: 2 });
  expect(two.sink.report().resyncs).toBe(1);
});

it('fills a table that is turned on late', async () => {
  const { store } = aProcess();
  await new Incarnation({ store: new SinkingStore(memory, silent), sink: undefined as never, logs: [] }, '1:a')
    .claim()
    .then((owner) => owner.commit(Object.fromEntries(Array.from({ length: 5_000 }, (_, n) => [`k${n}`, n + 1]))));
  const one = aProcess();
  await new Incarnation(one, '2:b').claim();
  await settled(one);
  expect(Object.keys(await table())).toHaveLength(5_000);
  await store.close();
});

const silent = {
  claimed: () => undefined,
  committed: () => undefined,
  report: () => ({ lagMs: 0, waitingKeys: 0, rows: 0, resyncs: 0 }),
  settle: async () => undefined,
  close: async () => undefined,
};

it('lets a zombie write nothing: neither what it noted before nor what it commits', async () => {
  const gate = gated();
  const zombie = aProcess({ source: gate.source });
  const old = await new Incarnation(zombie, '1:a').claim();
  await old.commit({ a: 1 });
  await settled(zombie);
  gate.close(); // the zombie stops in the middle of its next transaction, before it has read
  await old.commit({ a: 2, b: 2 });
  await gate.reached();
  const next = aProcess();
  const owner = await new Incarnation(next, '2:b').claim();
  await owner.commit({ a: 3 });
  await settled(next); // the database has ended the transaction that stood still
  gate.open();
  expect(await old.commit({ a: 4 })).toBe('fenced');
  await settled(zombie);
  expect(await table()).toEqual({ a: 3, b: 2 });
  expect(await position()).toMatchObject({ owner: '2:b', checkpoint: '3' });
});

it('follows a store that fell back, and takes away rows of keys that are gone', async () => {
  const one = aProcess();
  const first = await new Incarnation(one, '1:a').claim();
  await first.commit({ a: 1 });
  const kept = memory.snapshot();
  await first.commit({ a: 2, b: 2 });
  await first.commit({ c: 3 });
  await settled(one);
  memory.rollback(kept);
  const two = aProcess();
  const second = await new Incarnation(two, '2:b').claim();
  await settled(two);
  expect(await table()).toEqual({ a: 1 });
  await second.commit({ b: 5 });
  await second.commit({ d: 6 }); // now its number is that of the lost checkpoint
  await settled(two);
  expect(await table()).toEqual({ a: 1, b: 5, d: 6 });
});

it('keeps the row of a key that another partition has now, as after a restore under another count', async () => {
  const one = aProcess();
  await (await new Incarnation(one, '1:a').claim()).commit({ a: 1, b: 1 });
  await settled(one);
  memory = new MemoryCheckpointStore();
  const two = aProcess();
  const gate = gated();
  const three = aProcess({ source: gate.source });
  gate.close(1); // partition 0 stands still between finding that `a` is no longer its own and taking it away
  await new Incarnation(three, '2:b').claim();
  await gate.reached();
  await (await new Incarnation(two, '2:c', 1).claim()).commit({ a: 2 });
  await settled(two);
  gate.open();
  await settled(three);
  expect(await table()).toEqual({ a: 2 });
});

it('forgets keys past its bound, and still writes all of them', async () => {
  await postgres.pause();
  const one = aProcess({ keysMax: 100 });
  const owner = await new Incarnation(one, '1:a').claim();
  for (let n = 1; n <= 20; n++)
    await owner.commit(Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`k${n}-${i}`, n])));
  expect(one.sink.report().waitingKeys).toBeLessThanOrEqual(100);
  await until(() => one.sink.report().lagMs > 500, 10_000, 'a lag');
  await postgres.resume();
  await settled(one);
  expect(Object.keys(await table())).toHaveLength(600);
  expect(one.sink.report().resyncs).toBeGreaterThan(0);
});

it('waits for a database that was killed, and says so once', async () => {
  const one = aProcess();
  const owner = await new Incarnation(one, '1:a').claim();
  await owner.commit({ a: 1 });
  await settled(one);
  await postgres.kill();
  await owner.commit({ a: 2 });
  await until(() => one.logs.some((line) => line.startsWith('sink.waiting')), 10_000, 'a line');
  await owner.commit({ b: 2 });
  await postgres.restart();
  sql = await postgres.client();
  await settled(one);
  expect(await table()).toEqual({ a: 2, b: 2 });
  expect(one.logs.filter((line) => line.startsWith('sink.waiting'))).toHaveLength(1);
  expect(one.logs.filter((line) => line.startsWith('sink.recovered'))).toHaveLength(1);
});

it('notices a database that lost its tail, by its own count of writes', async () => {
  const one = aProcess();
  const owner = await new Incarnation(one, '1:a').claim();
  await owner.commit({ a: 1 });
  await settled(one);
  const before = await position();
  await owner.commit({ a: 2, b: 2 });
  await settled(one);
  await sql.query('UPDATE status_position SET writes = $2, checkpoint = 1 WHERE app = $1', [app, before.writes]);
  await sql.query('DELETE FROM status WHERE app = $1', [app]);
  await owner.commit({ c: 3 });
  await settled(one);
  expect(await table()).toEqual({ a: 2, b: 2, c: 3 });
});

it('is told why by a database that refuses, and the commits do not notice', async () => {
  const one = aProcess({ url: postgres.url.replace('millrace@', 'nobody-at-all@') });
  const owner = await new Incarnation(one, '1:a').claim();
  expect(await owner.commit({ a: 1 })).toBe('accept');
  await until(() => one.logs.some((line) => /^sink\.waiting .*nobody-at-all/.test(line)), 10_000, 'the reason');
  expect(one.logs[0]).toContain('SINK_UNAVAILABLE');
  await one.sink.settle(10);
  expect(one.sink.report().lagMs).toBeGreaterThan(0);
});

it('keeps two applications apart in one database', async () => {
  const one = aProcess();
  await (await new Incarnation(one, '1:a').claim()).commit({ a: 1 });
  await settled(one);
  const first = app;
  app = `${first}-other`;
  memory = new MemoryCheckpointStore();
  const two = aProcess();
  await (await new Incarnation(two, '1:b').claim()).commit({ a: 2 });
  await settled(two);
  expect(await table()).toEqual({ a: 2 });
  app = first;
  expect(await table()).toEqual({ a: 1 });
});

/** The store as a source that stands still while it is closed. */
function gated() {
  let opened = Promise.resolve();
  let free = 0;
  let release = (): void => undefined;
  let waiting = 0;
  const pass = async (): Promise<void> => {
    if (free-- > 0) return;
    waiting++;
    await opened;
    waiting--;
  };
  const source: StateSource = {
    read: async (partition) => {
      await pass();
      return memory.read(partition);
    },
    loadStates: (partition, keys) => memory.loadStates(partition, keys),
    stateKeys: (partition) => memory.stateKeys(partition),
  };
  return {
    source,
    /** So many reads still pass. */
    close(reads = 0) {
      free = reads;
      opened = new Promise((resolve) => {
        release = resolve;
      });
    },
    open: () => release(),
    reached: () => until(() => waiting > 0, 5_000, 'a reader at the gate'),
  };
}

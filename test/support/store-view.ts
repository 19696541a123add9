/** What a store holds, as the comparisons with the oracle need it: of Redis or of a SQL database, by plain reads. */
import type { Redis } from 'ioredis';
import type { SqlDatabase, SqlRow } from '../../src/adapters/sql/sql-database.js';

/** Parts of a partition, by their names in Redis. */
const parts = ['meta', 'state', 'dead', 'dedupe', 'parked', 'outbox'] as const;

export type Part = (typeof parts)[number];

export interface StoreView {
  readonly name: string;
  /** Guarded numbers and texts of all records; undefined where none is stored. */
  records(app: string, partitions: number): Promise<({ number: number; text: string } | undefined)[]>;
  /** Everything of the application that is not empty. */
  held(app: string): Promise<readonly { readonly partition: number; readonly part: string }[]>;
  /** Texts by key, or by stream sequence. */
  texts(app: string, partition: number, part: 'state' | 'dead'): Promise<Map<string, string>>;
  /** Segments of the dedupe index. */
  segments(app: string, partition: number): Promise<readonly Buffer[]>;
}

/** A plain connection stands for what is behind it. */
export type Stored = Redis | StoreView;

export function viewOf(stored: Stored): StoreView {
  return 'segments' in stored ? stored : redisView(stored);
}

const nameOf = (app: string, partition: number, part: Part): string => `millrace:{${app}:${partition}}:${part}`;

function redisView(db: Redis): StoreView {
  return {
    name: 'Redis',
    async records(app, partitions) {
      const reads = db.pipeline();
      for (let p = 0; p < partitions; p++) reads.hmget(nameOf(app, p, 'meta'), 'number', 'record');
      return ((await reads.exec()) ?? []).map(([error, fields]) => {
        if (error !== null) throw error;
        const [number, text] = fields as [string | null, string | null];
        return number === null || text === null ? undefined : { number: Number(number), text };
      });
    },
    async held(app) {
      const names = (await db.keys('*')).filter((name) => name.startsWith(`millrace:{${app}:`));
      return names.map((name) => {
        const [, partition, part] = /:(\d+)\}:(.*)$/.exec(name) ?? [];
        return { partition: Number(partition), part: part ?? name };
      });
    },
    /** Never as an object, which would lose a key like `__proto__`. */
    async texts(app, partition, part) {
      const name = nameOf(app, partition, part);
      const results = (await db.multi().hkeys(name).hvals(name).exec()) ?? [];
      const [fields, values] = results.map(([, reply]) => reply as string[]);
      return new Map(fields!.map((field, i) => [field, values![i]!]));
    },
    segments: (app, partition) => db.hvalsBuffer(nameOf(app, partition, 'dedupe')),
  };
}

const tableOf: Readonly<Record<Part, string>> = {
  ...{ meta: 'oplog', state: 'status', dead: 'dead_letters' },
  ...{ dedupe: 'dedupe', parked: 'parked', outbox: 'outbox' },
};

export function sqlView(database: SqlDatabase): StoreView {
  const ask = (text: string, ...values: readonly (string | number)[]): Promise<readonly SqlRow[]> =>
    database.each('a look of the test', (session) => session.query(text, values));
  return {
    name: database.dialect,
    async records(app, partitions) {
      const records: ({ number: number; text: string } | undefined)[] = Array.from({ length: partitions });
      for (const [partition, number, text] of await ask(
        'SELECT partition, number, record FROM oplog WHERE app = ?',
        app,
      ))
        records[partition as number] = { number: number as number, text: text as string };
      return records;
    },
    async held(app) {
      const found = parts.map(async (part) => {
        const rows = await ask(`SELECT DISTINCT partition FROM ${tableOf[part]} WHERE app = ?`, app);
        return rows.map(([partition]) => ({ partition: partition as number, part }));
      });
      return (await Promise.all(found)).flat();
    },
    async texts(app, partition, part) {
      if (part === 'dead') {
        const letters = 'SELECT sequence, letter FROM dead_letters WHERE app = ? AND partition = ?';
        return new Map((await ask(letters, app, partition)).map(([at, letter]) => [String(at), letter as string]));
      }
      const columns = 'key, state, event_time_ms, event_id, sequence, key_sequence, applied';
      const rows = await ask(`SELECT ${columns} FROM status WHERE app = ? AND partition = ?`, app, partition);
      return new Map(rows.map((row) => [readText(row[0] as string), envelopeOf(row)]));
    },
    segments: async (app, partition) => {
      const rows = await ask('SELECT ids FROM dedupe WHERE app = ? AND partition = ?', app, partition);
      return rows.map(([ids]) => Buffer.from(ids as Uint8Array));
    },
  };
}

/** As Redis holds it. */
function envelopeOf([, state, time, id, sequence, keySequence, applied]: SqlRow): string {
  const number = keySequence === null ? '' : `,"keySequence":${keySequence}`;
  const idText = JSON.stringify(readText(id as string));
  return `{"state":${state},"time":${time},"id":${idText},"sequence":"${sequence}","applied":${applied}${number}}`;
}

/** Keys and ids have `%` as `%25` and NUL as `%00`. */
const readText = (text: string): string => text.replaceAll('%00', '\0').replaceAll('%25', '%');

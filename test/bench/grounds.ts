/** Where a bench runs: a log to append to and a store to look into, with a node's options that lead there. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { JetStreamSink } from '../../src/adapters/nats/jetstream-sink.js';
import { SqlEventSink } from '../../src/adapters/sql/sql-event-sink.js';
import { provision } from '../../src/compose/provision.js';
import { openDatabase } from '../../src/compose/sql-backend.js';
import { defaultOptions } from '../../src/options/resolve.js';
import type { OptionsInput } from '../../src/options/types.js';
import type { EventSink } from '../../src/ports/event-log.js';
import { Cluster } from '../support/cluster.js';
import { PostgresServer } from '../support/postgres-server.js';

export interface Ground {
  readonly name: string;
  /** Options of a node of an application here; everything that it needs is there. */
  app(name: string, input: OptionsInput): Promise<OptionsInput>;
  readonly sink: EventSink;
  /** Texts of the records of an application's partitions, one query. */
  records(app: string, partitions: number): Promise<readonly (string | undefined)[]>;
  close(): Promise<void>;
}

const node = { http: { port: 0 }, probes: { host: '127.0.0.1', port: 0 } } as const;

export async function openSqliteGround(): Promise<Ground> {
  const dir = await mkdtemp(join(tmpdir(), 'millrace-bench-'));
  const ground = openSqlGround('SQLite', `sqlite:${join(dir, 'millrace.db')}`);
  return {
    ...ground,
    close: async () => {
      await ground.close();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

export async function openPostgresGround(): Promise<Ground> {
  const server = await PostgresServer.start();
  const ground = openSqlGround('Postgres', server.url);
  return {
    ...ground,
    close: async () => {
      await ground.close();
      await server.stop();
    },
  };
}

/** A database of any dialect, which somebody else ends. */
function openSqlGround(name: string, url: string): Ground {
  const [writing, reading] = [openDatabase(url, 'bench'), openDatabase(url, 'bench')];
  return {
    name,
    app: async (app, input) => {
      const options = { ...node, ...input, app, sql: { url, keep: 0 } };
      await provision(defaultOptions(options), () => undefined, { create: true, move: false });
      return options;
    },
    sink: new SqlEventSink({ database: writing }),
    records: (app, partitions) =>
      reading.each('reading the records', async (session) => {
        const records: (string | undefined)[] = Array.from({ length: partitions });
        const rows = await session.query('SELECT partition, record FROM oplog WHERE app = ?', [app]);
        for (const [partition, record] of rows) records[partition as number] = record as string;
        return records;
      }),
    close: async () => {
      await Promise.all([writing.close(), reading.close()]);
    },
  };
}

export async function openServicesGround(): Promise<Ground> {
  const cluster = await Cluster.start();
  await cluster.addStream('EVENTS', ['events.*']);
  return {
    name: 'JetStream + Redis',
    app: (app, input) => cluster.newApp(app, input),
    sink: new JetStreamSink(cluster.nc),
    async records(app, partitions) {
      const reads = cluster.db.pipeline();
      for (let p = 0; p < partitions; p++) reads.hget(`millrace:{${app}:${p}}:meta`, 'record');
      return ((await reads.exec()) ?? []).map(([, record]) => (record as string | null) ?? undefined);
    },
    close: () => cluster.stop(),
  };
}

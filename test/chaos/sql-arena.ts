/** A faulted run on one SQL database: a SQLite file, or a Postgres server behind a proxy. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SqlDatabase } from '../../src/adapters/sql/sql-database.js';
import { openSqlite } from '../../src/adapters/sql/sqlite-connection.js';
import { provision } from '../../src/compose/provision.js';
import { openDatabase } from '../../src/compose/sql-backend.js';
import { defaultOptions } from '../../src/options/resolve.js';
import type { OptionsInput } from '../../src/options/types.js';
import { NodeProcess } from '../support/node-process.js';
import { PostgresServer } from '../support/postgres-server.js';
import type { Random } from '../support/random.js';
import { captureTable, insertBatch } from '../support/sql-stream.js';
import { sqlView } from '../support/store-view.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { until } from '../support/until.js';
import type { Arena, Exclusively, Faults } from './arena.js';

const DEADLINE_MS = 30_000;

/** A database and the faults that only it has. */
interface Place {
  /** For tests and publishers, and for the node under faults. */
  readonly url: string;
  readonly nodeUrl: string;
  readonly faults: Readonly<Record<string, (strike: Strike) => Promise<void>>>;
  close(): Promise<void>;
}

interface Strike {
  readonly node: NodeProcess;
  readonly options: OptionsInput;
  readonly soon: (maxMs: number) => Promise<void>;
  readonly exclusively: Exclusively;
}

export async function openSqliteArena(): Promise<Arena> {
  const dir = await mkdtemp(join(tmpdir(), 'millrace-arena-'));
  const path = join(dir, 'millrace.db');
  const url = `sqlite:${path}`;
  return openArena({
    url,
    nodeUrl: url,
    faults: {
      async 'database-lock'({ soon }) {
        const connection = openSqlite(path);
        connection.exec('PRAGMA busy_timeout = 10000');
        connection.exec('BEGIN IMMEDIATE');
        await soon(2_000);
        connection.exec('ROLLBACK');
        connection.close();
      },
      async 'second-node'({ node, options }) {
        await node.ready();
        const second = new NodeProcess(options);
        await second.ended(1);
        if (second.failure?.code !== 'SQL_IN_USE') throw new Error(`a second node: ${second.failure?.code}`);
      },
    },
    close: () => rm(dir, { recursive: true, force: true }),
  });
}

export async function openPostgresArena(): Promise<Arena> {
  const server = await PostgresServer.start();
  const proxy = await TcpProxy.start(Number(new URL(server.url).port));
  const nodeUrl = new URL(server.url);
  nodeUrl.port = String(proxy.port);
  return openArena({
    url: server.url,
    nodeUrl: nodeUrl.href,
    faults: {
      'database-kill': ({ soon, exclusively }) =>
        exclusively(async () => {
          await server.kill();
          await soon(500);
          await server.restart();
        }),
      'database-freeze': ({ soon, exclusively }) =>
        exclusively(async () => {
          await server.pause();
          await soon(2_000);
          await server.resume();
        }),
      async 'database-cut'() {
        proxy.cut();
      },
      async 'database-mute'({ soon }) {
        proxy.swallow('answers');
        await soon(1_500);
        proxy.heal();
      },
    },
    close: async () => {
      await proxy.close();
      await server.stop();
    },
  });
}

function openArena(place: Place): Arena {
  const nodes = new Set<NodeProcess>();
  const database = openDatabase(place.url, 'arena');
  const node = (options: OptionsInput): NodeProcess => {
    const started = new NodeProcess(options);
    nodes.add(started);
    return started;
  };
  return {
    stored: sqlView(database),
    async app(name, input) {
      const ports = { http: { port: 0 }, probes: { host: '127.0.0.1', port: 0 } };
      const options = { ...ports, ...input, app: name, sql: { url: place.url, keep: 0 } };
      await provision(defaultOptions(options), () => undefined, { create: true, move: false });
      return options;
    },
    node,
    publish: (batch) => publishWhenThere(database, batch),
    capture: () => captureTable(database, 'EVENTS'),
    faults: async (random, options, exclusively) =>
      new SqlFaults(
        place,
        { ...options, sql: { url: place.nodeUrl, keep: 0 } },
        { random, exclusively, node, database },
      ),
    async stop() {
      await Promise.all([...nodes].map((one) => one.kill()));
      await database.close();
      await place.close();
    },
  };
}

/** Nothing is done to the database during a batch, but a connection may be one to a server that was killed before. */
async function publishWhenThere(database: SqlDatabase, batch: Parameters<Arena['publish']>[0]): Promise<void> {
  await until(
    () =>
      database
        .each('a test', (session) => session.query('SELECT 1'))
        .then(
          () => true,
          () => false,
        ),
    DEADLINE_MS,
    'the database',
  );
  await insertBatch(database, 'EVENTS', batch);
}

interface Means {
  readonly random: Random;
  readonly exclusively: Exclusively;
  readonly node: (options: OptionsInput) => NodeProcess;
  readonly database: SqlDatabase;
}

class SqlFaults implements Faults {
  readonly #place: Place;
  readonly #options: OptionsInput;
  readonly #means: Means;
  #node: NodeProcess;

  constructor(place: Place, options: OptionsInput, means: Means) {
    this.#place = place;
    this.#options = options;
    this.#means = means;
    this.#node = means.node(options);
  }

  async node(): Promise<NodeProcess> {
    if (!this.#node.hasEnded) return this.#node;
    // As if its lease had run out: to wait for that each time would only make the run longer.
    const { database, node } = this.#means;
    if (database.dialect === 'postgres')
      await database.each('ending the lease', (session) => session.change('UPDATE leases SET until_ms = 0'));
    this.#node = node(this.#options);
    return this.#node;
  }

  async strike(): Promise<string> {
    const { random, exclusively } = this.#means;
    const own = Object.keys(this.#place.faults);
    const kind = random.pick(['node-kill', 'node-kill', 'node-freeze', 'thread-kill', ...own]);
    const node = await this.node();
    const soon = (maxMs: number): Promise<void> => this.#soon(maxMs);
    switch (kind) {
      case 'node-kill':
        await soon(500);
        await node.kill();
        break;
      case 'node-freeze':
        node.signal('SIGSTOP');
        await soon(2_000);
        node.signal('SIGCONT');
        break;
      case 'thread-kill':
        await node.killThread(random.between(0, 1));
        break;
      default:
        await this.#place.faults[kind]!({ node, options: this.#options, soon, exclusively });
    }
    return kind;
  }

  async close(): Promise<void> {
    await this.#node.kill();
    if (this.#means.database.dialect === 'postgres')
      await this.#means.database.each('ending the lease', (session) =>
        session.change('UPDATE leases SET until_ms = 0'),
      );
  }

  async #soon(maxMs: number): Promise<void> {
    const moment = performance.now() + this.#means.random.between(0, maxMs);
    await until(() => performance.now() >= moment, DEADLINE_MS, 'the moment');
  }
}

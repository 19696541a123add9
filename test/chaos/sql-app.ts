/**
 * An application on a SQL database alone: a node in a process, a client that posts events by HTTP and never forgets
 * what it got a receipt for, and an audit of every table against that and against the rules of the ledger.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import type { SqlRow } from '../../src/adapters/sql/sql-database.js';
import { openSqlite } from '../../src/adapters/sql/sqlite-connection.js';
import type { OptionsInput } from '../../src/options/types.js';
import { freePort } from '../../src/services/free-port.js';
import { type Account, ledgerRules } from '../support/meanings.js';
import { NodeProcess } from '../support/node-process.js';
import { PostgresServer } from '../support/postgres-server.js';
import type { Random } from '../support/random.js';
import { until } from '../support/until.js';

export type SqlKindName = 'sqlite' | 'postgres';

interface Posted {
  readonly id: string;
  readonly key: string;
  readonly time: number;
  readonly type: 'deposit' | 'withdrawal';
  readonly data: { readonly amount: number };
}

interface Receipt {
  readonly sequence: number;
}

const KEYS = 300;
const BATCH = 50;
const RETRY_MS = 20;
const ANSWER_MS = 15_000;

export class SqlApp {
  readonly options: OptionsInput;
  readonly url: string;
  readonly server: PostgresServer | undefined;
  readonly #dir: string;
  readonly #nodes: NodeProcess[] = [];
  readonly #random: Random;
  readonly #sequences = new Map<string, number>();
  #count = 0;
  #isWriting = true;
  #writing: Promise<void> | undefined;
  /** Requests that failed or were answered with an error, and were sent again. */
  repeats = 0;

  private constructor(url: string, port: number, dir: string, random: Random, server: PostgresServer | undefined) {
    this.url = url;
    this.#dir = dir;
    this.#random = random;
    this.server = server;
    this.options = {
      handler: 'ledger',
      threads: 2,
      sql: { url },
      http: { port },
      probes: { port: 0 },
      order: { settle: '20ms', idle: '100ms' },
      dedupe: { horizon: '1d' },
      checkpoint: { interval: '50ms' },
    };
  }

  /** In a directory of its own, or in `data`. */
  static async start(kind: SqlKindName, random: Random, data?: string): Promise<SqlApp> {
    const dir = await mkdtemp(join(tmpdir(), 'millrace-sql-app-'));
    const server = kind === 'postgres' ? await PostgresServer.start() : undefined;
    const url = server?.url ?? `sqlite:${join(data ?? dir, 'millrace.db')}`;
    return new SqlApp(url, await freePort(), dir, random, server);
  }

  node(): NodeProcess {
    const node = new NodeProcess(this.options);
    this.#nodes.push(node);
    return node;
  }

  /** Events that are known to be stored. */
  get acknowledged(): number {
    return this.#sequences.size;
  }

  /** Posts batch after batch; each one again and again, under the same ids, until there is a receipt for it. */
  startWriting(): void {
    this.#isWriting = true;
    this.#writing = this.#write();
  }

  /** After the batch that is under way has its receipts. */
  async stopWriting(): Promise<void> {
    this.#isWriting = false;
    await this.#writing;
  }

  /** One batch, or undefined while it is refused. */
  async post(events: readonly Posted[]): Promise<readonly Receipt[] | undefined> {
    try {
      const answer = await fetch(`http://127.0.0.1:${this.options.http!.port}/v1/events`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(events),
        signal: AbortSignal.timeout(ANSWER_MS),
      });
      const { receipts } = (await answer.json()) as { receipts?: Receipt[] };
      return answer.status === 202 ? receipts : undefined;
    } catch {
      return undefined;
    }
  }

  /** Waits until what is acknowledged is applied and stored. */
  async settled(deadlineMs = 60_000): Promise<void> {
    let decided = 0;
    await until(
      async () => {
        const [row] = await this.rows('SELECT SUM(applied) FROM status').catch(() => []);
        decided = Number(row?.[0] ?? 0);
        if (decided < this.acknowledged) await delay(RETRY_MS);
        return decided >= this.acknowledged;
      },
      deadlineMs,
      () => `${this.acknowledged} applied events; there are ${decided}`,
    );
  }

  /** Rows as any SQL client reads them. */
  async rows(text: string): Promise<readonly SqlRow[]> {
    if (this.server !== undefined) {
      const client = await this.server.client();
      try {
        return (await client.query({ text, rowMode: 'array' })).rows as unknown as SqlRow[];
      } finally {
        await client.end();
      }
    }
    const connection = openSqlite(this.url.slice('sqlite:'.length));
    try {
      connection.exec('PRAGMA busy_timeout = 5000');
      return connection.prepare(text).all([]);
    } finally {
      connection.close();
    }
  }

  /** Everything that is wrong with the tables. The node must have nothing left to do. */
  async audit(): Promise<string[]> {
    const violations: string[] = [];
    const staged = await this.rows('SELECT sequence, event_id, payload FROM staging_events ORDER BY sequence');
    const wanted = new Map<string, { state: Account; applied: number; id: string }>();
    const first = new Map<string, number>();
    for (const [at, [sequence, id, payload]] of staged.entries()) {
      if (Number(sequence) !== at + 1) violations.push(`row ${at + 1} has sequence ${sequence}`);
      if (first.has(id as string)) continue;
      first.set(id as string, Number(sequence));
      const { key, time, type, data } = JSON.parse(Buffer.from(payload as Uint8Array).toString()) as Posted;
      const { state, applied } = wanted.get(key) ?? { state: ledgerRules.initial(key), applied: 0 };
      const event = { id: id as string, key, time, type, data, sequence: Number(sequence) };
      wanted.set(key, { state: ledgerRules.fold(state, event), applied: applied + 1, id: id as string });
    }
    for (const [id, sequence] of this.#sequences) {
      const stored = first.get(id);
      if (stored === undefined) violations.push(`${id} was acknowledged and is gone`);
      else if (stored > sequence) violations.push(`${id} was acknowledged as ${sequence} and is first at ${stored}`);
    }
    const states = await this.rows('SELECT key, state, applied, event_id FROM status');
    for (const [key, state, applied, id] of states) {
      const should = wanted.get(key as string);
      wanted.delete(key as string);
      const is = { state: JSON.parse(state as string) as Account, applied: Number(applied), id };
      if (!isDeepStrictEqual(is, should))
        violations.push(`${key} is ${JSON.stringify(is)}, it should be ${JSON.stringify(should)}`);
    }
    for (const key of wanted.keys()) violations.push(`${key} has no state`);
    const [letters] = await this.rows('SELECT COUNT(*) FROM dead_letters');
    if (Number(letters![0]) !== 0) violations.push(`there are ${letters![0]} dead letters`);
    return violations;
  }

  async close(): Promise<void> {
    this.#isWriting = false;
    for (const node of this.#nodes) await node.kill();
    await this.#writing;
    await this.server?.stop();
    await rm(this.#dir, { recursive: true, force: true });
  }

  async #write(): Promise<void> {
    while (this.#isWriting) {
      const batch = Array.from({ length: BATCH }, () => this.#next());
      for (;;) {
        const receipts = await this.post(batch);
        if (receipts !== undefined) {
          for (const [at, { sequence }] of receipts.entries()) this.#sequences.set(batch[at]!.id, sequence);
          break;
        }
        this.repeats++;
        if (!this.#isWriting && this.#nodes.every(({ hasEnded }) => hasEnded)) return;
        await delay(RETRY_MS);
      }
    }
  }

  #next(): Posted {
    const n = this.#count++;
    const type = this.#random.chance(0.7) ? 'deposit' : 'withdrawal';
    const amount = this.#random.between(1, 50);
    // A millisecond apart: every event is newer than all before it, so only a repetition could come late.
    const time = START_MS + n;
    return { id: `e-${n}`, key: `account-${this.#random.between(0, KEYS - 1)}`, time, type, data: { amount } };
  }
}

const START_MS = Date.now() - 86_400_000;

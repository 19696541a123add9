/** kill -9 in a loop on a node that works on a SQL database alone: of the node, and on Postgres of the server, too. */
import { Random } from '../support/random.js';
import { until } from '../support/until.js';
import { SqlApp, type SqlKindName } from './sql-app.js';

export interface SqlKillOptions {
  readonly database: SqlKindName;
  readonly rounds: number;
  readonly seed: number;
  readonly progress: (line: string) => void;
}

export interface SqlKillResult {
  readonly fault: 'sql-kill';
  readonly database: SqlKindName;
  readonly rounds: number;
  readonly seed: number;
  readonly killedWhileStarting: number;
  readonly serversKilled: number;
  /** Events with a receipt. */
  readonly acknowledged: number;
  /** Rows in the log, repetitions included. */
  readonly stored: number;
  /** Requests that were cut off or refused, and sent again. */
  readonly repeats: number;
  readonly seconds: number;
  readonly violations: readonly string[];
}

const ROUND_MS_MAX = 60_000;
const MOMENT_MS_MAX = 300;

/** Throws only if the run itself cannot go on; what is wrong with the result is in `violations`. */
export async function sqlKillRounds({ database, rounds, seed, progress }: SqlKillOptions): Promise<SqlKillResult> {
  const startedAt = performance.now();
  const random = new Random(seed);
  const app = await SqlApp.start(database, random);
  let killedWhileStarting = 0;
  let serversKilled = 0;
  const moment = async (): Promise<void> => {
    const at = performance.now() + random.between(0, MOMENT_MS_MAX);
    await until(() => performance.now() >= at, ROUND_MS_MAX, 'the moment of the end');
  };
  try {
    let node = app.node();
    app.startWriting();
    for (let round = 1; round <= rounds; round++) {
      const isStarting = random.chance(0.15);
      if (isStarting) killedWhileStarting++;
      else await node.ready();
      await moment();
      if (node.hasEnded) throw new Error(`the node ended by itself in round ${round}: ${node.failure?.message}`);
      // Every other time it is the server, which takes all transactions with it; the node lives on.
      if (app.server !== undefined && random.chance(0.5)) {
        serversKilled++;
        await app.server.kill();
        await app.server.restart();
      } else {
        await node.kill();
        await releaseLease(app);
        node = app.node();
      }
      if (round % 10 === 0 || round === rounds)
        progress(
          `round ${round} of ${rounds}: ${app.acknowledged} events acknowledged, ${app.repeats} requests repeated`,
        );
    }
    await node.ready();
    await app.stopWriting();
    const violations: string[] = [];
    await app.settled().catch((error: Error) => violations.push(error.message));
    await node.drain();
    violations.push(...(await app.audit()));
    const [count] = await app.rows('SELECT COUNT(*) FROM staging_events');
    return {
      fault: 'sql-kill',
      database,
      rounds,
      seed,
      killedWhileStarting,
      serversKilled,
      acknowledged: app.acknowledged,
      stored: Number(count![0]),
      repeats: app.repeats,
      seconds: Math.round((performance.now() - startedAt) / 1_000),
      violations,
    };
  } finally {
    await app.close();
  }
}

/** Waiting out the lease of a killed node would take ten seconds of every round and show nothing. */
async function releaseLease(app: SqlApp): Promise<void> {
  if (app.server !== undefined) await app.rows('DELETE FROM leases').catch(() => []);
}

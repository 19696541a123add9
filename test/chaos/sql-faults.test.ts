/**
 * What happens to a node on a SQL database when the disk is full, the database is locked or away, or anybody dies in
 * the middle of a transaction: nothing that was acknowledged is lost, nothing counts twice, and it goes on by itself.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, expect, it, vi } from 'vitest';
import { openSqlite } from '../../src/adapters/sql/sqlite-connection.js';
import type { NodeProcess } from '../support/node-process.js';
import { Random } from '../support/random.js';
import { SmallDisk } from '../support/small-disk.js';
import { until } from '../support/until.js';
import { SqlApp } from './sql-app.js';
import { sqlKillRounds } from './sql-kill-rounds.js';

// Every wait inside has a deadline of its own; this one is for slow machines.
vi.setConfig({ testTimeout: 300_000, hookTimeout: 120_000 });

let app: SqlApp;

afterEach(() => app?.close());

async function grows(by: number): Promise<void> {
  const wanted = app.acknowledged + by;
  await until(
    () => app.acknowledged >= wanted,
    30_000,
    () => `${by} more receipts; there are ${app.acknowledged}`,
  );
}

/** The database is away or refuses: requests are answered with an error, and nobody gives up. */
async function refuses(): Promise<void> {
  const repeats = app.repeats;
  await until(() => app.repeats > repeats, 30_000, 'a request that is refused');
}

async function finish(node: NodeProcess): Promise<void> {
  await app.stopWriting();
  await app.settled();
  expect((await node.status()).partitions.filter(({ phase }) => phase !== 'running')).toEqual([]);
  await node.drain();
  expect(await app.audit()).toEqual([]);
}

it.each(['sqlite', 'postgres'] as const)(
  '%s: killed in the middle of transactions, again and again',
  async (database) => {
    const result = await sqlKillRounds({ database, rounds: 4, seed: 3, progress: () => undefined });
    expect(result.violations).toEqual([]);
    expect(result.acknowledged).toBeGreaterThan(500);
  },
);

it('a full disk under SQLite: events are refused, what is acknowledged is kept, and it goes on when there is room', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'millrace-full-'));
  const disk = SmallDisk.mount(join(dir, 'disk'), 48);
  try {
    app = await SqlApp.start('sqlite', new Random(4), join(dir, 'disk'));
    const node = await app.node().ready();
    app.startWriting();
    for (let round = 0; round < 2; round++) {
      await grows(500);
      await disk.fill();
      await refuses();
      expect((await node.status()).phase).toBe('running');
      await disk.free();
      await grows(500);
    }
    await finish(node);
  } finally {
    await app?.close();
    disk.unmount();
    await rm(dir, { recursive: true, force: true });
  }
});

it('a lock of another program on the SQLite file: whoever writes waits, and goes on', async () => {
  app = await SqlApp.start('sqlite', new Random(5));
  const node = await app.node().ready();
  app.startWriting();
  await grows(500);
  const other = openSqlite(app.url.slice('sqlite:'.length));
  other.exec('PRAGMA busy_timeout = 10000');
  other.exec('BEGIN IMMEDIATE');
  const before = app.acknowledged;
  await node.logged('checkpoint.commit.waiting'); // after five seconds
  expect(app.acknowledged - before).toBeLessThanOrEqual(100); // what was under way
  other.exec('ROLLBACK');
  other.close();
  await grows(500);
  await finish(node);
});

it('Postgres that answers nothing, and Postgres that is killed: the node waits and goes on', async () => {
  app = await SqlApp.start('postgres', new Random(6));
  const node = await app.node().ready();
  app.startWriting();
  await grows(500);
  await app.server!.pause();
  await delay(1_000); // shorter than any deadline: nobody notices
  await app.server!.resume();
  await grows(500);
  await app.server!.kill();
  await refuses();
  await node.logged('checkpoint.commit.waiting');
  await app.server!.restart();
  await grows(500);
  await finish(node);
});

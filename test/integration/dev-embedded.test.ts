/** `millrace dev` and so `npm start`: nothing installed, nothing fetched, one SQLite file. */
import { existsSync } from 'node:fs';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { openSqlite } from '../../src/adapters/sql/sqlite-connection.js';
import { partitionOf } from '../../src/core/key/partition.js';
import { until } from '../support/until.js';
import {
  besideLate,
  DevPlace,
  expectEvidence,
  expectForPeople,
  expectLivingDemo,
  expectSecondSignal,
  type Ready,
  reasonFor,
  sumOf,
  type Verdict,
} from './dev-place.js';

interface EmbeddedReady extends Ready {
  readonly sql: string;
}

// Most of this is waiting for a demo at its own pace.
const it = test.concurrent;

describe('millrace dev', () => {
  it('shows a living demo without a server, takes events by hand, and ends with a good verdict and nothing left', async (context) => {
    const place = await DevPlace.open(context, 'embedded');
    const dev = place.start();
    const ready = await dev.event<EmbeddedReady>('ready');
    const { sql } = ready;
    expect(sql).toMatch(/^sqlite:.*\/\.millrace\/millrace\.db$/);
    await expectLivingDemo(dev, ready, { publish: ['--sql', sql], get: ['--sql', sql] });
    expect(await readdir(place.cwd)).toEqual([]);
  });

  it('says first which mode runs and how to get the other, then where to look', async (context) => {
    const place = await DevPlace.open(context, 'embedded');
    const result = await place.run('--seconds', '6', '--rate', '50', '--accounts', '10');
    expect(result.out).toMatch(/^Embedded mode: .*SQLite.*\n.*npm start -- --services\n/);
    expectForPeople(result, [
      ...['/v1/state/account-7', 'npx millrace get account-7 --sql sqlite:.millrace/millrace.db', 'sqlite3'],
    ]);
  });

  it('goes on after kill -9 with --keep, and the verdict covers everything', async (context) => {
    const place = await DevPlace.open(context, 'embedded');
    const first = place.start('--keep', '--seconds', '2');
    expect((await first.ended()).code).toBe(0);
    const { events } = await first.event<Verdict>('verdict');
    for (let round = 1; round <= 3; round++) {
      const killed = place.start('--keep');
      const { url } = await killed.event<EmbeddedReady>('ready');
      await until(async () => (await sumOf(url, 'applied')) > events + round * 100, 30_000, 'more events');
      killed.child.kill('SIGKILL');
      await killed.ended();
    }
    const last = place.start('--keep', '--seconds', '2');
    expect((await last.ended()).code).toBe(0);
    const verdict = await last.event<Verdict>('verdict');
    expect(verdict).toMatchObject({ ok: true, problems: [] });
    expect(verdict.events).toBeGreaterThan(events + 300);
    // Without --keep it begins anew.
    const fresh = place.start('--seconds', '1');
    expect((await fresh.ended()).code).toBe(0);
    expect((await fresh.event<Verdict>('verdict')).events).toBeLessThan(events + 300);
    expect(await readdir(place.cwd)).toEqual([]);
  });

  it('finds what is wrong in the file, names it, and keeps the evidence', async (context) => {
    const place = await DevPlace.open(context, 'embedded');
    const dev = place.start();
    const { url } = await dev.event<EmbeddedReady>('ready');
    await until(async () => (await sumOf(url, 'applied')) > 100, 30_000, 'events');
    const file = join(place.cwd, '.millrace', 'millrace.db');
    const database = openSqlite(file);
    database.exec('PRAGMA busy_timeout = 5000');
    database
      .prepare(`INSERT INTO status VALUES ('main', 'ghost', ?, '{"balance":1}', 1, 'x', 1, NULL, 1)`)
      .run([partitionOf('ghost', 64)]);
    database.close();
    await expectEvidence(dev, /^ghost: SQLite has \{.*\}, the fold has nothing$/);
    expect(existsSync(file)).toBe(true);
  });

  it('sets a bad event and a late one aside, and the verdict accounts for them', async (context) => {
    const place = await DevPlace.open(context, 'embedded');
    const dev = place.start();
    const { url } = await dev.event<EmbeddedReady>('ready');
    const post = (event: object): Promise<Response> =>
      fetch(`${url}/v1/events`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ key: 'account-7', data: { amount: 1 }, ...event }),
      });
    expect((await post({ id: 'bad', type: 'gift' })).ok).toBe(true);
    await until(async () => (await sumOf(url, 'applied')) > 1_000, 60_000, 'newer events');
    expect((await post({ id: 'late', time: Date.now() - 60_000, type: 'deposit' })).ok).toBe(true);
    expect(await reasonFor(url, 'late')).toBe('EVENT_LATE');
    dev.child.kill('SIGINT');
    expect((await dev.ended()).code).toBe(0);
    const verdict = await dev.event<Verdict>('verdict');
    expect(verdict.ok).toBe(true);
    expect(besideLate(verdict)).toEqual({ HANDLER_THREW: 1 });
  });

  it('refuses a directory that another one uses, names the process, and leaves its data alone', async (context) => {
    const place = await DevPlace.open(context, 'embedded');
    const dev = place.start();
    const { url } = await dev.event<EmbeddedReady>('ready');
    const second = await place.run('--json');
    expect(second.code).toBe(1);
    expect(JSON.parse(second.err).error.code).toBe('SQL_IN_USE');
    expect(second.err).toContain(`process ${dev.child.pid}`);
    const before = await sumOf(url, 'applied');
    await until(async () => (await sumOf(url, 'applied')) > before, 30_000, 'the first goes on');
    dev.child.kill('SIGINT');
    expect((await dev.ended()).code).toBe(0);
    expect(await dev.event<Verdict>('verdict')).toMatchObject({ ok: true });
  });

  it('says what is wrong with a directory that cannot be used', async (context) => {
    const place = await DevPlace.open(context, 'embedded');
    await writeFile(join(place.cwd, 'file'), '');
    const inFile = await place.run('--json', '--dir', 'file/data');
    expect(inFile.code).toBe(2);
    expect(JSON.parse(inFile.err).error).toMatchObject({ code: 'SQL_REFUSED' });
    expect(inFile.err).toContain('file/data');
    // What a directory without the right to write looks like, also to root.
    await mkdir(join(place.cwd, 'full', 'millrace.db.lock'), { recursive: true });
    const locked = await place.run('--json', '--dir', 'full');
    expect(locked.code).toBe(2);
    expect(JSON.parse(locked.err).error).toMatchObject({ code: 'SQL_REFUSED' });
  });

  it('ends at once at the second signal', async (context) => {
    const place = await DevPlace.open(context, 'embedded');
    const dev = place.start('--order-settle', '60s');
    await dev.event<EmbeddedReady>('ready');
    dev.child.kill('SIGINT');
    await dev.event('stopping');
    await expectSecondSignal(dev);
  });
});

/** `millrace dev` and so `npm start`: nothing installed, nothing fetched, one SQLite file. */
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openSqlite } from '../../src/adapters/sql/sqlite-connection.js';
import { partitionOf } from '../../src/core/key/partition.js';
import { until } from '../support/until.js';
import { type CommandProcess, killCommands, run, start } from './cli-process.js';

interface Ready {
  readonly url: string;
  readonly probesUrl: string;
  readonly sql: string;
}

interface Verdict {
  readonly ok: boolean;
  readonly keys: number;
  readonly events: number;
  readonly duplicates: number;
  readonly problems: readonly string[];
}

let cwd: string;
let file: string;

beforeEach(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'millrace-embedded-'));
  file = join(cwd, '.millrace', 'millrace.db');
});

afterEach(async () => {
  await killCommands();
  await rm(cwd, { recursive: true, force: true });
});

/** Where no server could be found or fetched, if any were looked for. */
const env = (): NodeJS.ProcessEnv => ({ PATH: join(cwd, 'empty'), MILLRACE_CACHE: join(cwd, 'cache') });

function startDev(...args: string[]): CommandProcess {
  return start(['dev', '--json', '--rate', '400', ...args], { cwd, env: env() });
}

async function sumOf(url: string, counter: 'applied' | 'duplicates'): Promise<number> {
  const status = (await (await fetch(`${url}/v1/status`)).json()) as {
    partitions: { counters?: Record<typeof counter, number> }[];
  };
  return status.partitions.reduce((sum, { counters }) => sum + (counters?.[counter] ?? 0), 0);
}

describe('millrace dev', () => {
  it('shows a living demo without a server, takes events by hand, and ends with a good verdict and nothing left', async () => {
    const dev = startDev();
    const { url, probesUrl, sql } = await dev.event<Ready>('ready');
    expect(sql).toMatch(/^sqlite:.*\/\.millrace\/millrace\.db$/);
    await until(async () => (await sumOf(url, 'duplicates')) > 5, 30_000, 'repeats that reach Millrace');

    const receipt = (await run(['publish', 'by-hand', '--type', 'deposit', '--data', '{"amount":100}', '--sql', sql]))
      .out;
    const got = await run(['get', 'by-hand', '--sql', sql, '--after', receipt.trim(), '--wait', '30s', '--json']);
    expect(JSON.parse(got.out).state).toMatchObject({ balance: 100, deposits: 1 });
    const account = (await (await fetch(`${url}/v1/state/account-7`)).json()) as { applied: number };
    expect(account.applied).toBeGreaterThan(0);
    expect((await fetch(`${probesUrl}/readyz`)).status).toBe(200);
    expect((await run(['status', '--url', url])).code).toBe(0);

    dev.child.kill('SIGINT');
    const { code } = await dev.ended();
    const verdict = await dev.event<Verdict>('verdict');
    expect(verdict).toMatchObject({ ok: true, problems: [], dead: {} });
    expect(verdict.keys).toBeGreaterThan(150);
    expect(verdict.duplicates).toBeGreaterThan(5);
    expect(code).toBe(0);
    expect(await readdir(cwd)).toEqual([]);
  });

  it('says first which mode runs and how to get the other, then where to look', async () => {
    const args = ['dev', '--seconds', '6', '--rate', '50', '--accounts', '10'];
    const { code, out } = await run(args, { cwd, env: env() });
    expect(code).toBe(0);
    expect(out).toMatch(/^Embedded mode: .*SQLite.*\n.*npm start -- --services\n/);
    for (const text of [
      '/v1/state/account-7',
      'npx millrace get account-7 --sql sqlite:.millrace/millrace.db',
      'sqlite3',
    ])
      expect(out).toContain(text);
    expect(out).toMatch(/^\d+\/s · applied \d+ · duplicates \d+ · late 0 · buffered \d+ · lag \d+ · checkpoint/m);
    expect(out).toMatch(
      /^OK: 10 keys, \d+ events published, \d+ duplicates? dropped, final state equals an independent fold$/m,
    );
  });

  it('goes on after kill -9 with --keep, and the verdict covers everything', async () => {
    const first = startDev('--keep', '--seconds', '2');
    expect((await first.ended()).code).toBe(0);
    const { events } = await first.event<Verdict>('verdict');
    for (let round = 1; round <= 3; round++) {
      const killed = startDev('--keep');
      const { url } = await killed.event<Ready>('ready');
      await until(async () => (await sumOf(url, 'applied')) > events + round * 100, 30_000, 'more events');
      killed.child.kill('SIGKILL');
      await killed.ended();
    }
    const last = startDev('--keep', '--seconds', '2');
    expect((await last.ended()).code).toBe(0);
    const verdict = await last.event<Verdict>('verdict');
    expect(verdict).toMatchObject({ ok: true, problems: [] });
    expect(verdict.events).toBeGreaterThan(events + 300);
    // Without --keep it begins anew.
    const fresh = startDev('--seconds', '1');
    expect((await fresh.ended()).code).toBe(0);
    expect((await fresh.event<Verdict>('verdict')).events).toBeLessThan(events + 300);
    expect(await readdir(cwd)).toEqual([]);
  });

  it('finds what is wrong in the file, names it, and keeps the evidence', async () => {
    const dev = startDev();
    const { url } = await dev.event<Ready>('ready');
    await until(async () => (await sumOf(url, 'applied')) > 100, 30_000, 'events');
    const database = openSqlite(file);
    database.exec('PRAGMA busy_timeout = 5000');
    database
      .prepare(`INSERT INTO status VALUES ('main', 'ghost', ?, '{"balance":1}', 1, 'x', 1, NULL, 1)`)
      .run([partitionOf('ghost', 64)]);
    database.close();
    dev.child.kill('SIGINT');
    expect((await dev.ended()).code).toBe(1);
    const { ok, problems } = await dev.event<Verdict>('verdict');
    expect(ok).toBe(false);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(/^ghost: SQLite has \{.*\}, the fold has nothing$/);
    expect(existsSync(file)).toBe(true);
  });

  it('sets a bad event and a late one aside, and the verdict accounts for them', async () => {
    const dev = startDev();
    const { url } = await dev.event<Ready>('ready');
    const post = (event: object): Promise<Response> =>
      fetch(`${url}/v1/events`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ key: 'account-7', data: { amount: 1 }, ...event }),
      });
    expect((await post({ id: 'bad', type: 'gift' })).ok).toBe(true);
    await until(async () => (await sumOf(url, 'applied')) > 1_000, 60_000, 'newer events');
    expect((await post({ id: 'late', time: Date.now() - 60_000, type: 'deposit' })).ok).toBe(true);
    dev.child.kill('SIGINT');
    expect((await dev.ended()).code).toBe(0);
    expect(await dev.event<Verdict>('verdict')).toMatchObject({ ok: true, dead: { HANDLER_THREW: 1, EVENT_LATE: 1 } });
  });

  it('refuses a directory that another one uses, names the process, and leaves its data alone', async () => {
    const dev = startDev();
    const { url } = await dev.event<Ready>('ready');
    const second = await run(['dev', '--json'], { cwd });
    expect(second.code).toBe(1);
    expect(JSON.parse(second.err).error.code).toBe('SQL_IN_USE');
    expect(second.err).toContain(`process ${dev.child.pid}`);
    const before = await sumOf(url, 'applied');
    await until(async () => (await sumOf(url, 'applied')) > before, 30_000, 'the first goes on');
    dev.child.kill('SIGINT');
    expect((await dev.ended()).code).toBe(0);
    expect(await dev.event<Verdict>('verdict')).toMatchObject({ ok: true });
  });

  it('says what is wrong with a directory that cannot be used', async () => {
    await writeFile(join(cwd, 'file'), '');
    const inFile = await run(['dev', '--json', '--dir', 'file/data'], { cwd });
    expect(inFile.code).toBe(2);
    expect(JSON.parse(inFile.err).error).toMatchObject({ code: 'SQL_REFUSED' });
    expect(inFile.err).toContain('file/data');
    // What a directory without the right to write looks like, also to root.
    await mkdir(join(cwd, 'full', 'millrace.db.lock'), { recursive: true });
    const locked = await run(['dev', '--json', '--dir', 'full'], { cwd });
    expect(locked.code).toBe(2);
    expect(JSON.parse(locked.err).error).toMatchObject({ code: 'SQL_REFUSED' });
  });

  it('ends at once at the second signal', async () => {
    const dev = startDev('--order-settle', '60s');
    await dev.event<Ready>('ready');
    dev.child.kill('SIGINT');
    await dev.event('stopping');
    await until(() => !dev.child.kill('SIGINT') || dev.child.exitCode !== null, 10_000, 'the end');
    expect((await dev.ended()).code).toBe(130);
  });
});

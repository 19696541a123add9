/** The doctor on SQL databases: what it says of a file and of a real server that is set safely, unsafely, or not for us. */
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Finding } from '../../src/runtime/diagnosis.js';
import { PostgresServer } from '../support/postgres-server.js';
import { until } from '../support/until.js';
import { run } from './cli-process.js';

let cwd: string;

beforeAll(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'millrace-doctor-'));
});

afterAll(() => rm(cwd, { recursive: true, force: true }));

/** Findings by their check, and the exit code. */
async function examined(url: string): Promise<{ code: number | null; of: Map<string, Finding> }> {
  const { code, out, err } = await run(['doctor', '--sql', url, '--json'], { cwd });
  expect(err).toBe('');
  const { findings } = JSON.parse(out) as { findings: Finding[] };
  return { code, of: new Map(findings.map((one) => [one.check, one])) };
}

it('looks at a SQLite file, its journal, its disk and our rights', async () => {
  const url = 'sqlite:data.sqlite';
  expect(await run(['doctor', '--sql', url], { cwd })).toMatchObject({
    code: 1,
    err: expect.stringContaining('no file'),
  });
  expect(await readdir(cwd)).toEqual([]);
  expect(await run(['provision', '--sql', url], { cwd })).toMatchObject({ code: 0 });
  const { of } = await examined(url);
  expect([...of.keys()]).toEqual([
    ...['sql.schema', 'sqlite.journal_mode', 'sqlite.synchronous', 'sqlite.space', 'sqlite.permissions'],
  ]);
  for (const check of ['sql.schema', 'sqlite.journal_mode', 'sqlite.synchronous', 'sqlite.permissions'])
    expect(of.get(check), check).toMatchObject({ level: 'ok' });
  expect(of.get('sqlite.space')?.found).toMatch(/^\d+\.\d GiB free beside a file of 0\.0 GiB$/);
});

it('looks at a Postgres: what a crash would lose, and what our user may not do', async () => {
  const server = await PostgresServer.start();
  const client = await server.client();
  try {
    expect(await run(['provision', '--sql', server.url], { cwd })).toMatchObject({ code: 0 });
    const safe = await examined(server.url);
    expect([...safe.of.values()].filter(({ level }) => level !== 'ok')).toEqual([]);
    expect(safe.code).toBe(0);
    expect(safe.of.get('postgres.version')?.found).toMatch(/^Postgres \d+/);

    for (const name of ['synchronous_commit', 'full_page_writes', 'fsync'])
      await client.query(`ALTER SYSTEM SET ${name} = off`);
    await client.query('SELECT pg_reload_conf()');
    await until(
      async () => (await client.query('SHOW fsync')).rows[0].fsync === 'off',
      20_000,
      'the server reads its settings again',
    );
    await client.query('CREATE ROLE looker LOGIN; GRANT SELECT ON ALL TABLES IN SCHEMA public TO looker');
    const found = await examined(server.url.replace('millrace@', 'looker@'));
    expect(found.code).toBe(1);
    for (const name of ['synchronous_commit', 'full_page_writes', 'fsync'])
      expect(found.of.get(`postgres.${name}`)).toMatchObject({
        level: 'finding',
        found: `${name} is off`,
        fix: expect.stringContaining(`${name} = on`),
      });
    const refused = found.of.get('postgres.permissions')!;
    expect(refused).toMatchObject({ level: 'finding', fix: expect.stringContaining('GRANT') });
    expect(refused.found).toContain('INSERT on staging_events');
    expect(refused.found).not.toContain('SELECT on');
  } finally {
    await client.end();
    await server.stop();
  }
});

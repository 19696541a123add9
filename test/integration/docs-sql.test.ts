/** The statements of docs/sql.md and the commands of docs/streams.md, as they stand there, on real servers. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openDatabase } from '../../src/compose/sql-backend.js';
import { Cluster } from '../support/cluster.js';
import { PostgresServer } from '../support/postgres-server.js';
import { until } from '../support/until.js';
import { killCommands, run, start } from './cli-process.js';

const page = (name: string): Promise<string> =>
  readFile(fileURLToPath(new URL(`../../../docs/${name}`, import.meta.url)), 'utf8');
const blocks = (text: string, language: string): string[] =>
  [...text.matchAll(new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``, 'g'))].map(([, block]) => block!);

let cwd: string;

beforeAll(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'millrace-docs-sql-'));
});

afterAll(async () => {
  await killCommands();
  await rm(cwd, { recursive: true, force: true });
});

describe('docs/sql.md: an event of your own transaction gets into the state that is read', async () => {
  const text = await page('sql.md');
  const [reading, writing] = blocks(text, 'sql') as [string, string];
  const [sqlite, postgres] = blocks(text, 'sh')[0]!.trim().split('\n') as [string, string];
  const wordsOf = (command: string): string[] => command.replace(/^npx millrace /, '').split(' ');

  /** Runs the command, then both statements in one transaction, then the query until it shows their event. */
  async function follow(words: readonly string[], url: string, dialect: (statement: string) => string): Promise<void> {
    const ports = ['--http-port', '0', '--probes-port', '0'];
    const idle = ['--order-settle', '50ms', '--order-idle', '100ms', '--checkpoint-interval', '50ms'];
    const node = start([...words, ...ports, ...idle], { cwd });
    await node.event('node.ready');
    const database = openDatabase(url, 'docs');
    try {
      const [raise, insert] = writing.split(';\n') as [string, string];
      await database.write('writing as the page says', async (session) => {
        const now = String(Date.now() * 1_000);
        const [row] = await session.query(dialect(raise.replace(':now_us', now)), []);
        const [last, lastUs] = row as readonly unknown[];
        await session.query(dialect(insert.replace(':last_us', String(lastUs)).replace(':last', String(last))), []);
      });
      await until(
        async () => {
          const rows = await database.each('reading as the page says', (session) => session.query(reading, []));
          return rows.length === 1 && rows[0]![0] === 'account-7' && Number(rows[0]![2]) === 1;
        },
        30_000,
        'the state of account-7',
      );
    } finally {
      await database.close();
    }
    node.child.kill('SIGTERM');
    expect((await node.ended()).code).toBe(0);
  }

  it('on SQLite', async () => {
    const words = wordsOf(sqlite).map((word) => word.replace('./data/', './'));
    const largest = (statement: string): string => statement.replace('GREATEST', 'MAX');
    await follow(words, `sqlite:${join(cwd, 'millrace.db')}`, largest);
  });

  it('on Postgres', async () => {
    const server = await PostgresServer.start();
    try {
      const words = wordsOf(postgres).map((word) => (word.startsWith('postgres:') ? server.url : word));
      await follow(words, server.url, (statement) => statement);
    } finally {
      await killCommands();
      await server.stop();
    }
  });
});

it('docs/streams.md: provision makes the streams and prints the mapping that is shown', async () => {
  const [command, mapping] = blocks(await page('streams.md'), '') as [string, string];
  const cluster = await Cluster.start();
  try {
    const servers = ['--nats', cluster.nats.url, '--redis', cluster.redis.url];
    const words = command
      .trim()
      .replace(/^millrace /, '')
      .split(' ');
    const { out, err } = await run([...words, ...servers], { cwd });
    const lines = mapping.split('\n').map((line) => line.trim());
    for (const line of lines) expect(out + err).toContain(line);
    for (const name of ['EVENTS-1-of-4', 'EVENTS-4-of-4']) expect(await cluster.lastSequence(name)).toBe(0);
  } finally {
    await cluster.stop();
  }
});

/** A node over a SQL database and nothing else: the commands, HTTP, restarts, and who is refused. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { createPublisher } from '../../src/compose/publisher.js';
import { PostgresServer } from '../support/postgres-server.js';
import { until } from '../support/until.js';
import { type CommandProcess, killCommands, run, start } from './cli-process.js';

// Every wait inside has a deadline of its own; this one is for slow machines.
vi.setConfig({ testTimeout: 180_000 });

let dir: string;
let server: PostgresServer;
/** The database of the test. */
let sql: string;
let databases = 0;

const NODE = ['--handler', 'ledger', '--http-port', '0', '--probes-port', '0', '--threads', '1'];
const QUICK = ['--order-settle', '50ms', '--order-idle', '100ms', '--checkpoint-interval', '50ms'];

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'millrace-sql-node-'));
  server = await PostgresServer.start();
}, 120_000);
afterAll(async () => {
  await server?.stop();
  await rm(dir, { recursive: true, force: true });
});
beforeEach(useSqlite);
afterEach(() => killCommands());

async function useSqlite(): Promise<void> {
  sql = `sqlite:${join(dir, `${++databases}`, 'millrace.db')}`;
}

async function usePostgres(): Promise<void> {
  const name = `test${++databases}`;
  const client = await server.client();
  await client.query(`CREATE DATABASE ${name}`);
  await client.end();
  sql = server.url.replace(/[^/]*$/, name);
}

interface Running {
  readonly command: CommandProcess;
  readonly url: string;
}

async function node(more: readonly string[] = []): Promise<Running> {
  const command = start(['run', '--sql', sql, ...NODE, ...QUICK, ...more]);
  const { url } = await command.event<{ url: string }>('node.ready');
  return { command, url };
}

async function post(url: string, event: object): Promise<string> {
  const headers = { 'content-type': 'application/json' };
  const answer = await fetch(`${url}/v1/events`, { method: 'POST', headers, body: JSON.stringify(event) });
  const { stream, sequence, partition } = (await answer.json()) as Record<string, unknown>;
  return `${stream}:${sequence}:${partition}`;
}

/** The repetition is dropped when it comes; the events before it may still wait for their time. */
async function untilTwenty(url: string, after: string): Promise<void> {
  const read = async () =>
    (await fetch(`${url}/v1/state/account-7?after=${after}`)).json() as Promise<{ applied?: number }>;
  await until(async () => ((await read()).applied ?? 0) >= 20, 10_000, 'twenty events in the state');
  expect(await read()).toMatchObject({ applied: 20, state: { balance: 20 } });
}

const deposit = (amount: number) => ({ key: 'account-7', type: 'deposit', data: { amount } });

describe.each([
  ['SQLite', useSqlite],
  ['Postgres', usePostgres],
])('over %s', (_, use) => {
  beforeEach(use);

  it('takes events by HTTP, by command and from the library, and answers every question', async () => {
    const { url, command } = await node();
    await post(url, { ...deposit(1), id: 'a' });
    await post(url, { ...deposit(1), id: 'a' });
    const data = ['--type', 'deposit', '--data', '{"amount":10}'];
    expect(await run(['publish', 'account-7', ...data, '--sql', sql])).toMatchObject({ code: 0, out: 'EVENTS:2:60\n' });
    const publisher = await createPublisher({ sql });
    const receipts = await publisher.publishAll(
      Array.from({ length: 500 }, (_, n) => ({ ...deposit(2), id: `many-${n}` })),
    );
    await publisher.close();
    const last = receipts.at(-1)!;
    const after = `${last.stream}:${last.sequence}:${last.partition}`;

    const state = { balance: 1_011, deposits: 502, withdrawals: 0, refused: 0 };
    const read = await fetch(`${url}/v1/state/account-7?after=${after}`);
    expect(await read.json()).toMatchObject({ state, applied: 502 });
    const got = await run(['get', 'account-7', '--after', after, '--sql', sql, '--json']);
    expect({ code: got.code, out: JSON.parse(got.out) }).toMatchObject({ code: 0, out: { state, sequence: 502 } });
    // What the node says of its stream is as old as its last look.
    const shows = async (): Promise<boolean> => {
      const shown = await run(['status', '--url', url]);
      expect({ code: shown.code, err: shown.err }).toEqual({ code: 0, err: '' });
      return /stream\s+EVENTS, 1 to 502/.test(shown.out);
    };
    await until(shows, 10_000, 'the end of the stream in the status');
    expect((await run(['why', 'many-7', '--key', 'account-7', '--url', url])).out).toContain('applied');

    const verified = await run(['verify', '--sql', sql, '--handler', 'ledger']);
    expect({ code: verified.code, err: verified.err }).toMatchObject({ code: 0 });

    command.child.kill('SIGTERM');
    expect(await command.ended()).toMatchObject({ code: 0 });
  });

  it('keeps a malformed event as a dead letter, with and without a node', async () => {
    const { url, command } = await node();
    // A withdrawal without an amount is an event that the handler cannot take.
    await post(url, { key: 'account-7', id: 'bad', type: 'withdrawal', data: {} });
    await until(
      async () => (await run(['dead-letters', 'ls', '--url', url])).out.includes('bad'),
      20_000,
      'the letter',
    );
    command.child.kill('SIGTERM');
    await command.ended();
    const listed = await run(['dead-letters', 'ls', '--sql', sql]);
    expect(listed).toMatchObject({ code: 0, err: '' });
    expect(listed.out).toContain('HANDLER_THREW');
  });
});

it('goes on where it was after kill -9, and lets nobody else onto the file meanwhile', async () => {
  const first = await node();
  for (let n = 0; n < 20; n++) await post(first.url, { ...deposit(1), id: `before-${n}` });
  const second = await run(['run', '--sql', sql, ...NODE]);
  expect(second.code).toBe(1);
  expect(second.err).toContain(`SQL_IN_USE`);
  expect(second.err).toContain(`process ${first.command.child.pid} on `);
  first.command.child.kill('SIGKILL');
  await first.command.ended();

  const next = await node();
  const after = await post(next.url, { ...deposit(1), id: 'before-3' });
  expect(after).toBe('EVENTS:21:60'); // a new process does not know the id; the actor does
  await untilTwenty(next.url, after);
});

it('refuses another partition count, and a publisher where there are no tables', async () => {
  const provisioned = await run(['provision', '--sql', sql, '--partitions', '8']);
  expect(provisioned).toMatchObject({ code: 0, out: expect.stringContaining('EVENTS') });
  const other = await run(['run', '--sql', sql, ...NODE]);
  expect({ code: other.code, err: other.err }).toMatchObject({
    code: 1,
    err: expect.stringContaining('LAYOUT_MISMATCH'),
  });
  const nowhere = await run(['publish', 'k', '--sql', `sqlite:${join(dir, 'none.db')}`]);
  expect({ code: nowhere.code, err: nowhere.err }).toMatchObject({
    code: 1,
    err: expect.stringContaining('SQL_SCHEMA'),
  });
});

it('a second node on Postgres waits, and takes over what a killed one leaves', async () => {
  await usePostgres();
  const first = await node(['--node', 'first']);
  const waiting = start(['run', '--sql', sql, ...NODE, ...QUICK, '--node', 'second']);
  expect(await waiting.event('node.standby')).toMatchObject({ holder: 'first' });
  for (let n = 0; n < 20; n++) await post(first.url, { ...deposit(1), id: `first-${n}` });
  first.command.child.kill('SIGKILL');
  const { url } = await waiting.event<{ url: string }>('node.ready');
  const after = await post(url, { ...deposit(1), id: 'first-3' });
  await untilTwenty(url, after);

  const third = start(['run', '--sql', sql, ...NODE, ...QUICK, '--node', 'third']);
  await third.event('node.standby');
  waiting.child.kill('SIGTERM');
  expect((await waiting.ended()).code).toBe(0);
  const client = await server.client(sql);
  const { rows } = await client.query<{ node: string }>('SELECT node FROM leases');
  await client.end();
  expect(rows.filter(({ node: holder }) => holder === 'second')).toEqual([]); // who ends leaves no lease behind
  await third.event('node.ready');
});

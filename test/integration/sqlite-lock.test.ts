/** A second process on a SQLite file is refused by name; one that was killed leaves nothing behind. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { lockSqlite } from '../../src/adapters/sql/sqlite-lock.js';

let dir: string;
let path: string;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'millrace-lock-'));
  path = join(dir, 'millrace.db');
});
afterEach(() => rm(dir, { recursive: true, force: true }));

const holder = new URL('../support/lock-holder.js', import.meta.url);

it('names the process that holds the file, and lets the next one in after kill -9', async () => {
  for (let round = 0; round < 3; round++) {
    const child = fork(holder, [path]);
    await once(child, 'message');
    const problem = { code: 'SQL_IN_USE', message: expect.stringContaining(`process ${child.pid} on `) };
    expect(() => lockSqlite(path)).toThrow(expect.objectContaining(problem));
    child.kill('SIGKILL');
    await once(child, 'exit');
    lockSqlite(path)();
  }
});

it('is let go and taken again within a process, and held only once', () => {
  const release = lockSqlite(path);
  expect(() => lockSqlite(path)).toThrow(expect.objectContaining({ code: 'SQL_IN_USE' }));
  release();
  lockSqlite(path)();
});

it('says what is wrong with a place that cannot be written', () => {
  expect(() => lockSqlite(join(dir, 'absent', 'x.db'))).toThrow(expect.objectContaining({ code: 'SQL_REFUSED' }));
});

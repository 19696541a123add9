/** Commands that an operator has at hand: doctor, events tail, status --watch, completion. */
import { execFileSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Finding } from '../../src/runtime/diagnosis.js';
import { until } from '../support/until.js';
import { run, start } from './cli-process.js';
import { QuestionsWorld } from './questions-world.js';

let world: QuestionsWorld;

beforeAll(async () => {
  world = await QuestionsWorld.start();
});

afterAll(async () => {
  await world?.stop();
});

describe('doctor', () => {
  it('looks at real servers, and says of each finding what follows and what to do', async () => {
    const app = await world.app();
    await app.run();
    const found = await run(['doctor', '--config', app.config, '--json']);
    expect(found.code).toBe(1);
    const { findings } = JSON.parse(found.out) as { findings: Finding[] };
    const of = (check: string): Finding => findings.find((one) => one.check === check)!;
    expect(of('stream.replicas')).toMatchObject({ level: 'finding', fix: expect.stringContaining('--replicas 3') });
    expect(of('redis.eviction')).toMatchObject({ level: 'ok' });
    expect(of('nats.permissions')).toMatchObject({ level: 'ok' });
    expect(of('redis.permissions')).toMatchObject({ level: 'ok' });
    expect(of('redis.aof').level).toBe(
      findings.some(({ found }) => found.includes('no append-only')) ? 'finding' : 'ok',
    );
    await world.cluster.db.config('SET', 'maxmemory-policy', 'allkeys-lru');
    try {
      const text = await run(['doctor', '--config', app.config]);
      expect(text.out).toContain('FOUND  redis.eviction: maxmemory-policy is allkeys-lru');
    } finally {
      await world.cluster.db.config('SET', 'maxmemory-policy', 'noeviction');
    }
    await app.drain();
  });
});

describe('events tail', () => {
  it('prints what was stored and what comes, narrowed to a key, and ends with Ctrl-C', async () => {
    const app = await (await world.app()).run();
    await app.publish(
      { id: 'a1', key: 'a' },
      { id: 'b1', key: 'b' },
      { id: 'a2', key: 'a' },
      { id: 'x', key: 'a', body: '{' },
    );
    const once = await run(['events', 'tail', '--config', app.config, '--no-follow', '--key', 'a', '--json']);
    const lines = once.out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(lines.map(({ sequence, id }) => [sequence, id])).toEqual([
      [1, 'a1'],
      [3, 'a2'],
      [4, null],
    ]);
    expect(lines[2]).toMatchObject({ refused: { code: 'EVENT_INVALID' } });
    const tail = start(['events', 'tail', '--config', app.config, '--last', '1']);
    await until(
      () => tail.out.includes('REFUSED EVENT_INVALID'),
      20_000,
      () => tail.err,
    );
    await app.publish({ id: 'b2', key: 'b' });
    await until(
      () => tail.out.includes(' b b2 '),
      20_000,
      () => tail.out,
    );
    tail.child.kill('SIGINT');
    expect((await tail.ended()).code).toBe(0);
    await app.drain();
  });
});

describe('status --watch', () => {
  it('goes on, also while the node is away, until it is told to stop', async () => {
    const app = await (await world.app()).run();
    const watch = start(['status', '--watch', '100ms', '--url', app.url]);
    await until(() => watch.out.split('partitions').length > 3, 20_000, 'three times');
    await app.drain();
    await until(() => watch.out.includes('NODE_UNREACHABLE'), 20_000, 'said that the node is away');
    watch.child.kill('SIGINT');
    expect((await watch.ended()).code).toBe(0);
  });
});

describe('completion', () => {
  it('gives bash the subcommands and flags of the place where the cursor is', async () => {
    const { out } = await run(['completion', 'bash']);
    const ask = (...words: string[]): string =>
      execFileSync(
        'bash',
        [
          '-c',
          `${out}\nCOMP_WORDS=(millrace "$@"); COMP_CWORD=$#; _millrace; echo "\${COMPREPLY[@]}"`,
          'bash',
          ...words,
        ],
        { encoding: 'utf8' },
      ).trim();
    expect(ask('dead')).toBe('dead-letters');
    expect(ask('savepoint', '')).toContain('create inspect diff restore');
    expect(ask('savepoint', 'restore', '--repl')).toBe('--replace');
    for (const shell of ['zsh', 'fish']) expect((await run(['completion', shell])).out).toContain('savepoint');
    expect((await run(['completion', 'tcsh'])).code).toBe(2);
  });
});

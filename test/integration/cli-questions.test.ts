/** `why`, `dead-letters` and `quarantine` as an operator types them, against a real node and without one. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type CommandResult, run } from './cli-process.js';
import { PARTITIONS, QuestionsWorld, type TestApp } from './questions-world.js';

let world: QuestionsWorld;
let app: TestApp;
beforeAll(async () => {
  world = await QuestionsWorld.start();
  app = await (await world.app({ order: { poison: 'quarantine' } })).run();
});
afterAll(() => world.stop());

/** Runs a command against the node. */
const ask = (...args: readonly string[]): Promise<CommandResult> => run(args, { env: { MILLRACE_URL: app.url } });
const json = async (...args: readonly string[]) => JSON.parse((await ask(...args, '--json')).out);

async function file(name: string, text: string): Promise<string> {
  const path = join(world.dir, name);
  await writeFile(path, text);
  return path;
}

describe('quarantine', () => {
  it('lists, releases, edits and skips, and its exit code says whether the key goes on', async () => {
    expect(await ask('quarantine', 'ls')).toMatchObject({ code: 0, out: 'no key is quarantined\n', err: '' });
    await app.publish(
      { id: 'a1', key: 'a', at: 0 },
      { id: 'a2', key: 'a', at: 10, refuse: true },
      { id: 'a3', key: 'a', at: 20 },
      { id: 'a4', key: 'a', at: 30, refuse: true },
      { id: 'a5', key: 'a', at: 40 },
    );
    await app.untilQuarantined('a', 4);
    const listed = await ask('quarantine', 'ls');
    expect(listed.code).toBe(0);
    expect(listed.out).toMatch(/^partition {2}key {2}sequence {2}parked {2}since +reason\n/);
    expect(listed.out).toMatch(/ a +2 +4 +\S+Z +HANDLER_THREW: journal: Error: cannot apply a2\n$/);
    const partition = app.partition('a');
    expect(await json('quarantine', 'ls', '--partition', String(partition))).toMatchObject({ total: 1 });
    expect(await json('quarantine', 'ls', '--partition', String((partition + 1) % PARTITIONS))).toMatchObject({
      total: 0,
    });

    const released = await ask('quarantine', 'release', 'a');
    expect(released.code).toBe(1);
    expect(released.out).toContain(`key a of partition ${partition} is quarantined again`);
    const body = await file('a2.json', app.bodyOf({ id: 'a2', at: 10 }));
    expect(await json('quarantine', 'edit', 'a', '--file', body)).toEqual({
      ...{ changed: true, again: true, key: 'a', partition },
    });
    expect(await app.stored('a')).toEqual(['a1', 'a2', 'a3']);
    expect(await ask('quarantine', 'skip', 'a')).toMatchObject({
      ...{ code: 0, err: '', out: `stored: key a of partition ${partition} goes on\n` },
    });
    expect(await app.stored('a')).toEqual(['a1', 'a2', 'a3', 'a5']);
    const none = await ask('quarantine', 'release', 'a');
    expect(none).toMatchObject({ code: 1, out: '' });
    expect(none.err).toContain('key "a" is not quarantined');
  });

  it('refuses files that are none, and edits that are refused, with the reason', async () => {
    const missing = await ask('quarantine', 'edit', 'a', '--file', join(world.dir, 'none.json'));
    expect(missing.code).toBe(2);
    expect(missing.err).toContain('cannot be read (ENOENT)');
    expect((await ask('quarantine', 'edit', 'a', '--file', await file('bad.json', '{'))).code).toBe(2);
    expect((await ask('quarantine', 'edit', 'a')).code).toBe(2);
    await app.publish({ id: 'e1', key: 'e', refuse: true });
    await app.untilQuarantined('e', 1);
    const refused = await ask('quarantine', 'edit', 'e', '--file', await file('e.json', '{"id":"e1","time":1}'));
    expect(refused.code).toBe(2);
    expect(refused.err).toContain('the time must stay');
    expect((await ask('quarantine', 'skip', 'e')).code).toBe(0);
  });
});

describe('dead-letters and why', () => {
  it('list, show, replay and skip; without a node straight from Redis', async () => {
    const partition = String(app.partition('a'));
    const place = ['--partition', partition, '--sequence', '4'];
    const listed = await ask('dead-letters', 'ls');
    expect(listed).toMatchObject({ code: 0, err: '' });
    expect(listed.out).toMatch(/^partition {2}sequence {2}key {2}id {2}reason\n/);
    expect(listed.out).toMatch(/ 4 +a +a4 +HANDLER_THREW: journal: Error: cannot apply a4\n/);
    const redis = ['--app', app.name, '--partitions', String(PARTITIONS), '--redis', world.cluster.redis.url];
    const direct = await run(['dead-letters', 'ls', '--json', ...redis]);
    expect(direct.code).toBe(0);
    expect(JSON.parse(direct.out)).toEqual(await json('dead-letters', 'ls'));

    const shown = await ask('dead-letters', 'show', ...place);
    expect(shown.code).toBe(0);
    expect(shown.out).toMatch(/^reason +HANDLER_THREW\n +journal: Error: cannot apply a4$/m);
    expect(shown.out).toContain('"refuse": true');
    const shownDirect = await run(['dead-letters', 'show', ...place, '--json', ...redis]);
    expect(JSON.parse(shownDirect.out)).toEqual(await json('dead-letters', 'show', ...place));
    expect(JSON.parse(shownDirect.out).decoded.json).toMatchObject({ id: 'a4' });
    const noApp = await run(['dead-letters', 'show', ...place, '--app', 'nobody', ...redis.slice(2)]);
    expect([noApp.code, noApp.out]).toEqual([1, '']);

    const dead = await ask('why', 'a4', '--key', 'a');
    expect(dead.code).toBe(0);
    expect(dead.out).toMatch(
      new RegExp(
        `^partition ${partition}: dead letter at sequence 4: HANDLER_THREW: .*, event time \\S+Z\n {2}parked at`,
      ),
    );
    const refused = await ask('dead-letters', 'replay', ...place);
    expect([refused.code, refused.err.split('\n')[0]]).toEqual([1, expect.stringMatching(/^HANDLER_THREW: /)]);
    const body = await file('a4.json', app.bodyOf({ id: 'a4', at: 30 }));
    expect(await ask('dead-letters', 'replay', ...place, '--file', body)).toMatchObject({
      ...{ code: 0, err: '', out: 'stored: event 4 is applied, its letter is gone\n' },
    });
    expect(await app.stored('a')).toEqual(['a1', 'a2', 'a3', 'a5', 'a4']);
    expect((await json('why', 'a4')).decisions).toMatchObject([{ decision: 'applied', sequence: 4 }]);
    expect((await ask('dead-letters', 'replay', ...place)).err).toContain('has no dead letter 4');

    const e = ['--partition', String(app.partition('e')), '--sequence', '6'];
    expect(await json('dead-letters', 'skip', ...e)).toEqual({
      changed: true,
      partition: app.partition('e'),
      sequence: 6,
    });
    expect((await ask('dead-letters', 'ls')).out).toBe('there are no dead letters\n');
  });

  it('page through many, and show what strangers wrote without obeying it', async () => {
    const many = await (await world.app({ partitions: 1 })).run();
    const url = ['--url', many.url];
    for (let n = 1; n <= 3; n++) await many.publish({ id: `x${n}`, key: 'x', body: `{"\u001b[31m${n}` });
    await many.untilLetters('x', 1, 2, 3);
    const first = await run(['dead-letters', 'ls', '--limit', '2', ...url]);
    expect(first.out).toMatch(/\nmore: --partition 0 --after 2\n$/);
    const rest = await run(['dead-letters', 'ls', '--partition', '0', '--after', '2', ...url]);
    expect(rest.out.trimEnd().split('\n')).toHaveLength(2);
    const shown = await run(['dead-letters', 'show', '--partition', '0', '--sequence', '1', ...url]);
    expect(shown.out).toContain('\\u001b[31m1');
    expect(first.out + shown.out).not.toContain('\u001b');
  });

  it('say that nothing is known, as text and as JSON, with exit code 1', async () => {
    const unknown = await ask('why', 'nope');
    expect(unknown).toMatchObject({ code: 1, err: '' });
    expect(unknown.out).toMatch(/^event "nope" is not known to the 4 partitions of this node: it never came here/);
    expect(await json('why', 'nope')).toMatchObject({ decisions: [], error: { code: 'NOT_FOUND' } });
  });
});

describe('usage and reachability', () => {
  const commands = [
    ['why', 'x'],
    ['quarantine', 'ls'],
    ['quarantine', 'skip', 'a'],
    ['dead-letters', 'ls'],
    ['dead-letters', 'replay', '--partition', '0', '--sequence', '1'],
  ];

  it('exits with 3 where nobody answers', async () => {
    const away = ['--url', 'http://127.0.0.1:1', '--json'];
    const results = await Promise.all(commands.map((args) => run([...args, ...away])));
    expect(results.map(({ code }) => code)).toEqual(commands.map(() => 3));
    for (const { err } of results) expect(JSON.parse(err).error.code).toBe('NODE_UNREACHABLE');
    const redis = await run(['dead-letters', 'ls', '--redis', 'redis://127.0.0.1:1']);
    expect([redis.code, redis.out]).toEqual([3, '']);
  });

  it('exits with 2 on wrong usage', async () => {
    const wrong = [
      ['why'],
      ['quarantine'],
      ['quarantine', 'drop', 'a'],
      ['dead-letters', 'show'],
      ['dead-letters', 'show', '--partition', '0', '--sequence', 'x'],
      ['dead-letters', 'ls', '--after', '3'],
      ['dead-letters', 'ls', '--limit', '0'],
      ['dead-letters', 'ls', '--url', app.url, '--redis', world.cluster.redis.url],
      ['why', 'x', '--url', 'http://'],
    ];
    const results = await Promise.all(wrong.map((args) => ask(...args)));
    expect(results.map(({ code }) => code)).toEqual(wrong.map(() => 2));
  });

  it('has help with an example for every command', async () => {
    const lines = ['why', 'quarantine', 'quarantine ls', 'quarantine release', 'quarantine skip', 'quarantine edit'];
    lines.push('dead-letters', 'dead-letters ls', 'dead-letters show', 'dead-letters replay', 'dead-letters skip');
    const results = await Promise.all(lines.map((line) => run([...line.split(' '), '--help'])));
    results.forEach(({ code, out }, at) => {
      expect(code).toBe(0);
      expect(out).toMatch(new RegExp(`Examples?:\\n {2}\\$ millrace ${lines[at]}`));
    });
  });

  it('carries the token', async () => {
    const guarded = await (await world.app({ http: { port: 0, token: 's3cret' } })).run();
    const url = ['--url', guarded.url];
    expect((await run(['quarantine', 'ls', ...url])).err).toContain('FORBIDDEN');
    expect((await run(['quarantine', 'ls', ...url], { env: { MILLRACE_HTTP_TOKEN: 's3cret' } })).code).toBe(0);
  });
});

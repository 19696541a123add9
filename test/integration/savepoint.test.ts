/** Savepoints, replay and verify on real servers: what was stored comes back, also under another partition count. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createBucket } from '../../src/adapters/nats/kv-bucket.js';
import { partitionOf } from '../../src/core/key/partition.js';
import type { OptionsInput } from '../../src/options/types.js';
import { Random } from '../support/random.js';
import { until } from '../support/until.js';
import { run } from './cli-process.js';
import { PARTITIONS, QuestionsWorld, type TestApp, type TestEvent } from './questions-world.js';

let world: QuestionsWorld;

beforeAll(async () => {
  world = await QuestionsWorld.start();
});

afterAll(async () => {
  await world?.stop();
});

/** No pause of a busy machine is taken for the end of the events: what comes after it would be late. */
const CALM = { order: { idle: '1s' } } as const;
const KEYS = Array.from({ length: 20 }, (_, at) => `key-${at}`);

/** Events of all keys, out of order by up to 40 ms, some twice. */
function events(seed: number, count: number, from: number): TestEvent[] {
  const random = new Random(seed);
  const all: TestEvent[] = [];
  for (let at = 0; at < count; at++) {
    const event = {
      id: `e${seed}-${at}`,
      key: KEYS[random.between(0, KEYS.length - 1)]!,
      at: from + at * 4 + random.between(0, 40),
    };
    all.push(event);
    if (random.chance(0.1)) all.push(event);
  }
  return all;
}

/** Ids of a key in the order of their times; ties go by stream order. */
function expected(all: readonly TestEvent[], key: string): string[] {
  const seen = new Map<string, { id: string; at: number; order: number }>();
  for (const [order, { id, key: own, at = 0 }] of all.entries())
    if (own === key && !seen.has(id)) seen.set(id, { id, at, order });
  return [...seen.values()].sort((a, b) => a.at - b.at || a.order - b.order).map(({ id }) => id);
}

/** What a savepoint holds besides positions: states, dead letters, ids. Their segments get new numbers where they come. */
async function entries(file: string): Promise<string[]> {
  const lines = (await readFile(file, 'utf8')).split('\n').filter((line) => line.includes('"value":'));
  return lines.map((line) => line.replace(/"dedupe":"\d+"/, '"dedupe"')).sort();
}

async function untilAll(app: TestApp, all: readonly TestEvent[], read = app.stored.bind(app)): Promise<void> {
  for (const key of KEYS) {
    const wanted = expected(all, key).join(' ');
    let found = '';
    await until(
      async () => {
        found = (await read(key)).join(' ');
        return found === wanted;
      },
      30_000,
      () => `${key}\n${wanted}\nis\n${found}`,
    );
  }
}

describe('a savepoint', () => {
  it('is taken while the node runs, and says what is in it', async () => {
    const app = await (await world.app(CALM)).run();
    const all = events(1, 300, 0);
    await app.publish(...all);
    await untilAll(app, all);
    const file = join(world.dir, 'running.ndjson');
    const created = await run(['savepoint', 'create', file, '--config', app.config, '--json']);
    expect(JSON.parse(created.out)).toEqual({ file, partitions: PARTITIONS, keys: KEYS.length });
    const inspected = await run(['savepoint', 'inspect', file, '--json']);
    expect(JSON.parse(inspected.out)).toMatchObject({
      app: app.name,
      stored: PARTITIONS,
      keys: KEYS.length,
      applied: 300,
    });
    expect((await run(['savepoint', 'diff', file, file])).out).toBe('no state differs\n');
    const lines = (await readFile(file, 'utf8')).split('\n');
    expect(JSON.parse(lines.find((line) => line.includes('"state":"key-3"'))!)).toMatchObject({
      state: 'key-3',
      value: { state: expected(all, 'key-3') },
    });
    await app.drain();

    const cut = join(world.dir, 'cut.ndjson');
    await writeFile(cut, lines.slice(0, -3).join('\n'));
    const refused = await run(['savepoint', 'inspect', cut]);
    expect(refused).toMatchObject({ code: 1, err: expect.stringContaining('SAVEPOINT_INVALID') });
    const changed = join(world.dir, 'changed.ndjson');
    await writeFile(changed, lines.join('\n').replace(/"e1-7"/, '"e1-8"'));
    expect((await run(['savepoint', 'inspect', changed])).err).toContain('SAVEPOINT_INVALID');
  });

  it.each([PARTITIONS, 3, 7, 8])(
    'goes on exactly where it was in %i partitions of another application',
    async (count) => {
      const app = await (await world.app({ order: { ...CALM.order, settle: '300ms' } })).run();
      const before = events(count + 10, 250, 0);
      const after = events(count + 20, 150, 2_000);
      await app.publish(...before);
      // Killed with events in its buffers: the partitions stand at different places, each with gaps below.
      await until(async () => (await app.stored('key-0')).length > 0, 20_000, 'something stored');
      await app.kill();
      const file = join(world.dir, `moved-${count}.ndjson`);
      expect((await run(['savepoint', 'create', file, '--config', app.config])).code).toBe(0);

      const name = `${app.name}x`;
      await createBucket(world.cluster.nc, name, 1);
      const place = ['--config', app.config, '--app', name, '--partitions', String(count)];
      const restored = await run(['savepoint', 'restore', file, ...place]);
      expect(restored).toMatchObject({ code: 0, err: '' });
      expect(await run(['savepoint', 'restore', file, ...place])).toMatchObject({
        code: 1,
        err: expect.stringContaining('TARGET_NOT_EMPTY'),
      });
      await app.run({ app: name, partitions: count });
      await app.publish(...after);
      const read = async (key: string): Promise<string[]> => {
        const text = await world.cluster.db.hget(`millrace:{${name}:${partitionOf(key, count)}}:state`, key);
        return text === null ? [] : (JSON.parse(text) as { state: string[] }).state;
      };
      await untilAll(app, [...before, ...after], read);
      const verified = await run(['verify', ...place, '--json']);
      expect(JSON.parse(verified.out)).toMatchObject({
        different: 0,
        keys: KEYS.length,
        events: before.length + after.length,
      });
      await app.drain();
    },
  );

  it('goes from Redis into SQLite and back, with everything in it', async () => {
    const app = await (await world.app(CALM)).run();
    const before = [...events(5, 250, 0), { id: 'bad', key: 'key-2', at: 1_200, refuse: true }];
    await app.publish(...before);
    await untilAll(app, before.slice(0, -1));
    await app.untilLetters('key-2', before.length);
    await app.drain();
    const [first, second] = ['redis.ndjson', 'sqlite.ndjson'].map((name) => join(world.dir, name)) as [string, string];
    expect(await run(['savepoint', 'create', first, '--config', app.config])).toMatchObject({ code: 0 });

    const { nats: _, redis: __, ...options } = JSON.parse(await readFile(app.config, 'utf8')) as OptionsInput;
    const config = join(world.dir, 'sqlite.yaml');
    await writeFile(config, JSON.stringify({ ...options, sql: { url: `sqlite:${join(world.dir, 'there.db')}` } }));
    expect(await run(['provision', '--config', config])).toMatchObject({ code: 0 });
    expect(await run(['savepoint', 'restore', first, '--config', config])).toMatchObject({ code: 0 });
    expect(await run(['savepoint', 'create', second, '--config', config])).toMatchObject({ code: 0 });
    expect((await run(['savepoint', 'diff', first, second])).out).toBe('no state differs\n');
    const held = await entries(first);
    for (const part of ['"state":', '"dead":', '"dedupe"']) expect(held.join()).toContain(part);
    expect(await entries(second)).toEqual(held);

    // The whole way: what stands in Redis now has been in SQLite, and ids of before are still known.
    const back = await run(['savepoint', 'restore', second, '--config', app.config, '--replace']);
    expect(back).toMatchObject({ code: 0 });
    await app.run();
    const after = events(6, 100, 2_000);
    await app.publish(...before.slice(0, 50), ...after);
    await untilAll(app, [...before.slice(0, -1), ...after]);
    await app.drain();
  });

  it('that is restored in part is not started from, and the restore is simply run again', async () => {
    const app = await (await world.app(CALM)).run();
    await app.publish(...events(2, 100, 0));
    await app.untilStored('key-1', expected(events(2, 100, 0), 'key-1'));
    await app.drain();
    const file = join(world.dir, 'half.ndjson');
    await run(['savepoint', 'create', file, '--config', app.config]);
    // What a restore leaves when it is interrupted: the record of a partition says that it is unfinished.
    const meta = `millrace:{${app.name}:1}:meta`;
    const record = JSON.parse((await world.cluster.db.hget(meta, 'record'))!) as object;
    await world.cluster.db.hset(meta, 'record', JSON.stringify({ ...record, format: 'unfinished' }));
    await app.run();
    const { body } = await app.get('/v1/status');
    expect(body.partitions[1]).toMatchObject({ phase: 'halted', fault: { code: 'RESTORE_UNFINISHED' } });
    await app.drain();
    const again = await run(['savepoint', 'restore', file, '--config', app.config, '--replace']);
    expect(again).toMatchObject({ code: 0 });
    await app.run();
    await untilAll(app, events(2, 100, 0));
    await app.drain();
  });
});

describe('verify and replay', () => {
  it('names the first key that is not what the stream gives, and a replay from the start mends it', async () => {
    const app = await (await world.app(CALM)).run();
    const all = [...events(3, 200, 0), { id: 'bad', key: 'key-2', at: 900, refuse: true }];
    await app.publish(...all);
    await untilAll(app, all.slice(0, -1));
    await app.untilLetters('key-2', all.length);
    expect((await run(['verify', '--config', app.config])).out).toMatch(/^OK: 20 keys of 4 partitions/);
    await app.drain();
    const state = `millrace:{${app.name}:${app.partition('key-5')}}:state`;
    const stored = (await world.cluster.db.hget(state, 'key-5'))!;
    await world.cluster.db.hset(state, 'key-5', stored.replace(/"e3-\d+"/, '"e3-forged"'));
    const found = await run(['verify', '--config', app.config, '--json']);
    expect(found.code).toBe(1);
    expect(JSON.parse(found.out)).toMatchObject({ different: 1, first: { key: 'key-5', folded: stored } });
    const text = await run(['verify', '--config', app.config]);
    expect(text.out).toContain(`the first is key-5 of partition ${app.partition('key-5')}`);
    expect(text.out).toContain('edited, replayed or skipped');

    const replayed = await run(['replay', '--from', 'start', '--config', app.config]);
    expect(replayed).toMatchObject({ code: 0 });
    expect(await app.stored('key-5')).toEqual([]);
    await app.run();
    await untilAll(app, all.slice(0, -1));
    await app.untilLetters('key-2', all.length);
    expect((await run(['verify', '--config', app.config])).code).toBe(0);
    await app.drain();
  });

  it('says so where the start of the stream is gone', async () => {
    const app = await (await world.app(CALM)).run();
    const all = events(4, 50, 0);
    await app.publish(...all);
    await untilAll(app, all);
    await app.drain();
    await world.cluster.purgeUpTo(app.name.toUpperCase(), 10);
    for (const command of [['verify'], ['replay', '--from', 'start']])
      expect(await run([...command, '--config', app.config])).toMatchObject({
        code: 1,
        err: expect.stringContaining('GAP'),
      });
  });
});

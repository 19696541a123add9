/** What became of an event: `GET /v1/events/{id}` and dead letters, over HTTP, with a real node on real servers. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../support/until.js';
import { killCommands } from './cli-process.js';
import { type Answered, PARTITIONS, QuestionsWorld, type TestApp } from './questions-world.js';

let world: QuestionsWorld;
beforeAll(async () => {
  world = await QuestionsWorld.start();
});
afterEach(() => killCommands());
afterAll(() => world.stop());

describe('dead letters', () => {
  const path = (app: TestApp, key: string, sequence: number): string =>
    `/v1/dead-letters/${app.partition(key)}/${sequence}`;

  it('are shown with their body, replayed once with another one, and skipped; all of that is durable', async () => {
    const app = await (await world.app()).run();
    await app.publish(
      { id: 'a1', key: 'a', at: 0 },
      { id: 'a2', key: 'a', at: 10, refuse: true },
      { id: 'x', key: 'a', at: 20, body: '{"id":"x",' },
      { id: 'a3', key: 'a', at: 30 },
    );
    await app.untilStored('a', ['a1', 'a3']);
    await app.untilLetters('a', 2, 3);
    const shown = await app.get(path(app, 'a', 2));
    expect(shown.status).toBe(200);
    expect(shown.body).toMatchObject({
      ...{ partition: app.partition('a'), sequence: 2, code: 'HANDLER_THREW', key: 'a', id: 'a2' },
      ...{ problems: ['journal: Error: cannot apply a2'], subject: `${app.name}.a` },
      next: 'Correct the handler or the event, then replay the dead letter.',
      decoded: { text: app.bodyOf({ id: 'a2', at: 10, refuse: true }), json: { id: 'a2', data: { refuse: true } } },
    });
    expect((await app.get(path(app, 'a', 3))).body.decoded).toEqual({ bytes: 10, text: '{"id":"x",' });

    const refused = await app.post(path(app, 'a', 2), { action: 'replay' });
    expect([refused.status, refused.body.error.code]).toEqual([400, 'HANDLER_THREW']);
    expect((await app.post(path(app, 'a', 3), { action: 'replay' })).body.error.code).toBe('EVENT_INVALID');
    expect([await app.letters('a'), await app.deadStored('a')]).toEqual([['2', '3'], 2]);

    // Five at once: one of them is the first, the others find nothing any more.
    const body = app.bodyOf({ id: 'a2', at: 10 });
    const replay = (): Promise<Answered> => app.post(path(app, 'a', 2), { action: 'replay', body });
    const replays = await Promise.all(Array.from({ length: 5 }, replay));
    expect(replays.map(({ status }) => status).sort()).toEqual([200, 404, 404, 404, 404]);
    expect(await app.stored('a')).toEqual(['a1', 'a3', 'a2']);
    expect([await app.letters('a'), await app.deadStored('a')]).toEqual([['3'], 1]);

    const skip = (): Promise<Answered> => app.post(path(app, 'a', 3), { action: 'skip' });
    const skips = await Promise.all(Array.from({ length: 5 }, skip));
    expect(skips.map(({ status }) => status).sort()).toEqual([200, 404, 404, 404, 404]);
    await app.kill();
    expect([await app.letters('a'), await app.deadStored('a')]).toEqual([[], 0]);
    await app.run();
    await app.publish({ id: 'a4', key: 'a', at: 40 });
    await app.untilStored('a', ['a1', 'a3', 'a2', 'a4']);
    expect((await app.untilDecided('a2', 'applied')).sequence).toBe(2);
    expect((await app.get(path(app, 'a', 2))).status).toBe(404);
  });

  it('full: the partition stops, still answers, and goes on to the right state after a skip or a replay', async () => {
    const app = await (await world.app({ partitions: 1, limits: { deadLetters: 2 }, order: { mode: 'none' } })).run();
    const one = (sequence: number): string => `/v1/dead-letters/0/${sequence}`;
    const refuse = true;
    await app.publish({ id: 'a1', key: 'a', refuse }, { id: 'b1', key: 'b', refuse }, { id: 'a2', key: 'a' });
    await app.publish({ id: 'a3', key: 'a', refuse }, { id: 'a4', key: 'a' }, { id: 'c1', key: 'c' });
    const phase = async (): Promise<string> => (await app.get('/v1/status')).body.partitions[0].phase;
    await until(async () => (await phase()) === 'halted', 20_000, 'a partition that is full');
    const stopped = (await app.get('/v1/status')).body.partitions[0];
    expect(stopped.fault.code).toBe('DEAD_LETTERS_FULL');
    await until(async () => (await app.stored('a')).length === 1, 20_000, 'what was decided before');
    expect((await app.untilDecided('a3', 'waiting')).summary).toContain('2 dead letters are stored');
    expect((await app.untilDecided('a1', 'dead')).summary).toContain('cannot apply a1');

    expect((await app.post(one(1), { action: 'skip' })).status).toBe(200);
    await app.untilStored('a', ['a2', 'a4']);
    await app.untilStored('c', ['c1']);
    expect(await phase()).toBe('running');
    expect([await app.world.cluster.db.hkeys(`millrace:{${app.name}:0}:dead`), await app.deadStored('a')]).toEqual([
      expect.arrayContaining(['2', '4']),
      2,
    ]);

    // Once more after a restart: the key of the letter is not in memory, and nothing else loads it.
    await app.kill();
    await app.run();
    await app.publish({ id: 'd1', key: 'd', refuse }, { id: 'd2', key: 'd' });
    await until(async () => (await phase()) === 'halted', 20_000, 'a partition that is full again');
    const body = app.bodyOf({ id: 'b1' });
    expect((await app.post(one(2), { action: 'replay', body })).body).toMatchObject({ changed: true });
    expect(await app.stored('b')).toEqual(['b1']);
    await app.untilStored('d', ['d2']);
    expect(await phase()).toBe('running');
    expect(await app.stored('a')).toEqual(['a2', 'a4']);
  });

  it('full: a skip of a quarantined key that would need room says so, and nothing is lost', async () => {
    const app = await world.app({ partitions: 1, limits: { deadLetters: 1 }, order: { poison: 'quarantine' } });
    await app.run();
    await app.publish({ id: 'a1', key: 'a', refuse: true }, { id: 'b1', key: 'b', refuse: true });
    await app.publish({ id: 'a2', key: 'a', at: 10 }, { id: 'b2', key: 'b', at: 10 });
    await app.untilQuarantined('a', 2);
    await app.untilQuarantined('b', 2);
    expect((await app.post('/v1/quarantine/a', { action: 'skip' })).status).toBe(200);
    const full = await app.post('/v1/quarantine/b', { action: 'skip' });
    expect([full.status, full.body.error.code]).toEqual([409, 'DEAD_LETTERS_FULL']);
    await app.untilQuarantined('b', 2); // as before, after the partition has stopped and gone on
    expect((await app.post('/v1/dead-letters/0/1', { action: 'skip' })).status).toBe(200);
    expect((await app.post('/v1/quarantine/b', { action: 'skip' })).status).toBe(200);
    expect([await app.stored('a'), await app.stored('b')]).toEqual([['a2'], ['b2']]);
  });
});

describe('GET /v1/events/{id}', () => {
  it('tells applied, repeated, late and dead events apart, and what the key narrows it to', async () => {
    const app = await (await world.app({ order: { late: 'drop' } })).run();
    await app.publish({ id: 'a1', key: 'a', at: 0 }, { id: 'a3', key: 'a', at: 5_000 });
    await app.untilStored('a', ['a1', 'a3']);
    await app.publish({ id: 'a2', key: 'a', at: 4_000 }, { id: 'a3', key: 'a', at: 5_000 });
    await app.publish({ id: 'a3', key: 'a', at: 5_001 }, { id: 'a4', key: 'a', at: 6_000, refuse: true });
    expect(await app.untilDecided('a4', 'dead')).toMatchObject({ sequence: 6, partition: app.partition('a') });
    const applied = await app.untilDecided('a3', 'applied');
    expect(applied.summary).toBe('applied at sequence 2; 2 recent repeats dropped');
    expect(
      applied.notes.map(({ sequence, detail }: { sequence: number; detail: string }) => [sequence, detail]),
    ).toEqual([
      [4, 'repeats event 2 of the stream'],
      [5, 'repeats event 2 of the stream with another body'],
    ]);
    expect(applied.time - (await app.untilDecided('a1', 'applied')).time).toBe(5_000);
    expect((await app.untilDecided('a2', 'late')).summary).toBe(
      'late at sequence 3, dropped: older by 1000 ms than what its key has applied, last event a3',
    );
    expect((await app.get('/v1/events/a3?key=a')).body.decisions).toHaveLength(1);

    await app.kill();
    await app.run();
    expect((await app.untilDecided('a3', 'applied')).summary).toBe('applied at sequence 2');
    expect((await app.untilDecided('a2', 'late')).summary).toContain('a newer event of its key was applied before');
    expect((await app.untilDecided('a4', 'dead')).summary).toContain('HANDLER_THREW: journal: Error: cannot apply a4');
    await app.post(`/v1/dead-letters/${app.partition('a')}/6`, { action: 'skip' });
    expect((await app.untilDecided('a4', 'dead')).summary).toContain('the letter is not stored');
  });

  it('says what an event in the buffer is held for', async () => {
    const app = await (await world.app({ order: { settle: '60s', idle: '60s' } })).run();
    await app.publish({ id: 'a1', key: 'a' });
    const found = await app.untilDecided('a1', 'waiting');
    expect(found.waits).toEqual([expect.stringMatching(/^held until the watermark/)]);
    expect(found.summary).toMatch(/^waits at sequence 1: held until/);
  });

  it('waits until it is decided, or stored; at the end of the wait as it is then', async () => {
    const app = await (await world.app({ order: { settle: '1s', idle: '1s' }, checkpoint: { interval: '1s' } })).run();
    const asked = app.get('/v1/events/a1?key=a&wait=60s&until=durable');
    await app.publish({ id: 'a1', key: 'a' });
    const { status, body } = await asked;
    expect([status, body.decisions[0]?.decision]).toEqual([200, 'applied']);
    expect(body.waited.decidedMsAgo).toBeGreaterThanOrEqual(body.waited.durableMsAgo);
    expect(await app.stored('a')).toEqual(['a1']);
    const before = (await app.get('/v1/events/a1?key=a&wait=60s&until=durable')).body;
    expect([before.decisions.length, typeof before.waited.durableMsAgo]).toEqual([1, 'number']);
    const unknown = await app.get('/v1/events/nope?key=a&wait=1ms');
    expect([unknown.status, unknown.body.waited]).toEqual([404, { decidedMsAgo: null, durableMsAgo: null }]);
    for (const query of ['wait=1s', 'key=a&until=durable', 'key=a&wait=1s&until=never', 'key=a&wait=2h'])
      expect((await app.get(`/v1/events/a1?${query}`)).status, query).toBe(400);
  });

  it('answers 404 for what nobody knows, and names partitions that stand still', async () => {
    const app = await (await world.app()).run();
    await app.publish({ id: 'a1', key: 'a' });
    await app.untilStored('a', ['a1']);
    const unknown = await app.get('/v1/events/nope');
    expect(unknown.status).toBe(404);
    expect(unknown.body).toMatchObject({ decisions: [], unanswered: [], answered: PARTITIONS, keepsIds: true });
    expect(unknown.body.error.message).toContain('never came here, or its id is older than the dedupe horizon');

    await app.drain();
    const halted = app.partition('a');
    await world.cluster.db.hset(`millrace:{${app.name}:${halted}}:meta`, 'record', '{');
    await app.run();
    const named = await app.get('/v1/events/a1');
    expect([named.status, named.body.answered]).toEqual([404, PARTITIONS - 1]);
    expect(named.body.unanswered).toEqual([
      {
        partition: halted,
        phase: 'halted',
        code: 'CORRUPT_CHECKPOINT',
        message: expect.stringContaining('stands still'),
      },
    ]);
    expect(named.body.error.message).toContain(`no answer from partition ${halted} (halted, CORRUPT_CHECKPOINT)`);
    const alone = await app.get('/v1/events/a1?key=a');
    expect([alone.status, alone.body.error.code]).toEqual([503, 'NODE_UNREACHABLE']);
    expect(alone.body.unanswered).toHaveLength(1);
    expect((await app.get('/v1/quarantine')).body).toMatchObject({
      quarantined: [],
      unanswered: [{ partition: halted }],
    });
    const change = await app.post('/v1/quarantine/a', { action: 'skip' });
    expect([change.status, change.body.error.code]).toEqual([500, 'CORRUPT_CHECKPOINT']);
  });

  it('says that ids are not kept where dedupe is off, and still knows what was set aside lately', async () => {
    const app = await (await world.app({ dedupe: { idempotent: true } })).run();
    await app.publish({ id: 'a1', key: 'a' }, { id: 'a2', key: 'a', at: 10, refuse: true });
    await app.untilStored('a', ['a1']);
    await app.untilDecided('a2', 'dead');
    const { status, body } = await app.get('/v1/events/a1?key=a&wait=60s');
    expect([status, body.keepsIds]).toEqual([404, false]); // at once: there is nothing to wait for
    expect(body.error.message).toContain('is not known: dedupe is off');
  });

  it('reads ids and keys byte for byte', async () => {
    const app = await (await world.app()).run();
    const id = 'Ä/1?#%2F é';
    await app.publish({ id, key: 'a' });
    await app.untilStored('a', [id]);
    expect((await app.get(`/v1/events/${encodeURIComponent(id)}`)).body.decisions).toHaveLength(1);
    for (const path of ['/v1/events/%FF', '/v1/events/a?key=%20a', '/v1/events/a?kei=a', '/v1/events/%00'])
      expect((await app.get(path)).status, path).toBe(400);
    expect((await app.get('/v1/events/a/b')).status).toBe(404);
  });
});

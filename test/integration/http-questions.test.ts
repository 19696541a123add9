/** Keys that wait for a person or for a number, over HTTP, with a real node on real servers. */
import { request } from 'node:http';
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

const poisoned = [
  { id: 'a1', key: 'a', at: 0 },
  { id: 'a2', key: 'a', at: 10, refuse: true },
  { id: 'b1', key: 'b', at: 10 },
  { id: 'a4', key: 'a', at: 30 },
  { id: 'a3', key: 'a', at: 20 },
  { id: 'b2', key: 'b', at: 20 },
];

/** A node whose key `a` is quarantined at `a2`, with `a3` and `a4` parked behind. */
async function quarantined(): Promise<TestApp> {
  const app = await (await world.app({ order: { poison: 'quarantine' } })).run();
  await app.publish(...poisoned);
  await app.untilQuarantined('a', 3);
  return app;
}

describe('a quarantined key', () => {
  it('is parked in order with its reason, while other keys flow', async () => {
    const app = await quarantined();
    await app.untilStored('b', ['b1', 'b2']);
    expect(await app.stored('a')).toEqual(['a1']);
    const { status, body } = await app.get('/v1/quarantine');
    expect(status).toBe(200);
    expect(body).toMatchObject({ total: 1, unanswered: [] });
    expect(body.quarantined).toEqual([
      {
        key: 'a',
        partition: app.partition('a'),
        code: 'HANDLER_THREW',
        problems: ['journal: Error: cannot apply a2'],
        sequence: 2,
        since: expect.any(Number),
        parked: 3,
      },
    ]);
    const other = (app.partition('a') + 1) % PARTITIONS;
    expect((await app.get(`/v1/quarantine?partition=${other}`)).body).toMatchObject({ quarantined: [], total: 0 });
    await until(async () => (await app.parkedFields('a')).length === 4, 20_000, 'three events and their reason');
    const parked = await app.untilDecided('a4', 'parked');
    expect(parked.summary).toBe(
      'parked at sequence 4: key "a" is quarantined since event 2: journal: Error: cannot apply a2',
    );
    expect((await app.untilDecided('a2', 'parked')).notes).toMatchObject([{ sequence: 2, decision: 'parked' }]);
  });

  it('goes on after an edit, in order, and the answer comes when that is durable', async () => {
    const app = await quarantined();
    const body = JSON.parse(app.bodyOf({ id: 'a2', at: 10 }));
    const answer = await app.post('/v1/quarantine/a', { action: 'edit', body });
    expect(answer.body).toEqual({ changed: true, again: false, key: 'a', partition: app.partition('a') });
    expect(answer.status).toBe(200);
    expect(await app.stored('a')).toEqual(['a1', 'a2', 'a3', 'a4']);
    expect(await app.parkedFields('a')).toEqual([]);
    expect((await app.untilDecided('a2', 'applied')).sequence).toBe(2);
    expect((await app.get('/v1/quarantine')).body.quarantined).toEqual([]);
  });

  it('goes on after a skip: a dead letter, then its successors in order; the next refused event holds it again', async () => {
    const app = await quarantined();
    await app.publish({ id: 'a5', key: 'a', at: 40, refuse: true }, { id: 'a6', key: 'a', at: 50 });
    await app.untilQuarantined('a', 5);
    const skip = await app.post('/v1/quarantine/a', { action: 'skip' });
    expect(skip.body).toMatchObject({ changed: true, again: true });
    expect(await app.stored('a')).toEqual(['a1', 'a3', 'a4']);
    expect([await app.letters('a'), await app.deadStored('a')]).toEqual([['2'], 1]);
    const [entry] = (await app.get('/v1/quarantine')).body.quarantined;
    expect(entry).toMatchObject({ sequence: 7, parked: 2, problems: ['journal: Error: cannot apply a5'] });
    expect((await app.post('/v1/quarantine/a', { action: 'skip' })).body.again).toBe(false);
    expect(await app.stored('a')).toEqual(['a1', 'a3', 'a4', 'a6']);
    expect((await app.untilDecided('a2', 'dead')).summary).toBe(
      'dead letter at sequence 2: HANDLER_THREW: journal: Error: cannot apply a2',
    );
    await app.untilDecided('a6', 'applied');
  });

  it('survives kill -9 with its parked events in order, and a release works when the handler is mended', async () => {
    const app = await quarantined();
    expect((await app.post('/v1/quarantine/a', { action: 'release' })).body.again).toBe(true);
    expect((await app.untilQuarantined('a', 3)).sequence).toBe(2);
    await app.kill();
    await app.publish({ id: 'a5', key: 'a', at: 40 }, { id: 'b3', key: 'b', at: 40 });
    await app.run({ handlerOptions: { mended: true } });
    await app.untilStored('b', ['b1', 'b2', 'b3']);
    expect(await app.untilQuarantined('a', 4)).toMatchObject({ code: 'HANDLER_THREW', sequence: 2 });
    await app.untilDecided('a4', 'parked');
    expect(await app.stored('a')).toEqual(['a1']);
    expect((await app.post('/v1/quarantine/a', { action: 'release' })).body).toMatchObject({ again: false });
    expect(await app.stored('a')).toEqual(['a1', 'a2', 'a3', 'a4', 'a5']);
    expect(await app.parkedFields('a')).toEqual([]);
    await app.kill();
    await app.run();
    expect((await app.get('/v1/quarantine')).body.quarantined).toEqual([]);
    await app.publish({ id: 'a6', key: 'a', at: 60 });
    await app.untilStored('a', ['a1', 'a2', 'a3', 'a4', 'a5', 'a6']);
    await app.untilDecided('a3', 'applied');
  });

  it('is changed once however many ask at the same time', async () => {
    const app = await quarantined();
    const answers = await Promise.all(
      Array.from({ length: 5 }, () => app.post('/v1/quarantine/a', { action: 'skip' })),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 404, 404, 404, 404]);
    expect(await app.stored('a')).toEqual(['a1', 'a3', 'a4']);
    expect(await app.letters('a')).toEqual(['2']);
  });

  it('stays as it is when an edit would be refused', async () => {
    const app = await quarantined();
    const edit = (body: unknown): Promise<Answered> => app.post('/v1/quarantine/a', { action: 'edit', body });
    const event = JSON.parse(app.bodyOf({ id: 'a2', at: 10 }));
    const refusals = await Promise.all([
      edit({ ...event, id: undefined }),
      edit({ ...event, key: 'b' }),
      edit('{"id":'),
      edit({ ...event, time: event.time + 1 }),
      edit({ ...event, sequence: 7 }),
      edit({ ...event, data: 'x'.repeat(1_100_000) }),
      edit('\ud800'),
    ]);
    expect(refusals.map(({ status, body }) => [status, body.error.code])).toEqual([
      [400, 'EVENT_INVALID'],
      [400, 'EVENT_INVALID'],
      [400, 'EVENT_INVALID'],
      [400, 'REQUEST_INVALID'],
      [400, 'REQUEST_INVALID'],
      [413, 'EVENT_TOO_LARGE'],
      [400, 'REQUEST_INVALID'],
    ]);
    expect(refusals[3]!.body.error.problems).toEqual([`the time must stay ${event.time}`]);
    expect(await app.untilQuarantined('a', 3)).toMatchObject({ sequence: 2, code: 'HANDLER_THREW' });
    expect((await edit(event)).body.again).toBe(false);
    expect(await app.stored('a')).toEqual(['a1', 'a2', 'a3', 'a4']);
  });
});

describe('order by sequence', () => {
  const numbered = (key: string, ...numbers: readonly number[]) =>
    numbers.map((sequence) => ({ id: `${key}${sequence}`, key, sequence }));

  it('gap skip: goes on without a number that did not come in time; its event is then dropped, and why says so', async () => {
    const app = await world.app({ order: { mode: 'sequence', gap: 'skip', gapTimeout: '200ms' } });
    await app.run();
    await app.publish(...numbered('a', 1, 4, 3), ...numbered('b', 1, 2));
    await app.untilStored('b', ['b1', 'b2']);
    await app.untilStored('a', ['a1', 'a3', 'a4']);
    await app.publish(...numbered('a', 2, 5));
    await app.untilStored('a', ['a1', 'a3', 'a4', 'a5']);
    expect((await app.untilDecided('a2', 'skipped')).summary).toBe(
      'dropped at sequence 6: number 2 of its key was there before',
    );
  });

  it('gap quarantine: the key waits; the missing event and a release, or a skip, let it go on in order', async () => {
    const app = await world.app({ order: { mode: 'sequence', gap: 'quarantine', gapTimeout: '200ms' } });
    await app.run();
    await app.publish(...numbered('a', 1, 4, 3), ...numbered('c', 2, 3), ...numbered('b', 1, 2));
    expect(await app.untilQuarantined('a', 2)).toMatchObject({ code: 'SEQUENCE_GAP', sequence: 3 });
    expect(await app.untilQuarantined('c', 2)).toMatchObject({ code: 'SEQUENCE_GAP', sequence: 4 });
    await app.untilStored('b', ['b1', 'b2']);
    const edit = await app.post('/v1/quarantine/a', { action: 'edit', body: app.bodyOf({ id: 'a3', sequence: 3 }) });
    expect([edit.status, edit.body.error.code]).toEqual([400, 'REQUEST_INVALID']);
    await app.publish(...numbered('a', 2));
    await app.untilQuarantined('a', 3);
    await app.kill();
    await app.run();
    await app.untilQuarantined('a', 3);
    expect((await app.post('/v1/quarantine/a', { action: 'release' })).body.again).toBe(false);
    expect(await app.stored('a')).toEqual(['a1', 'a2', 'a3', 'a4']);
    expect((await app.post('/v1/quarantine/c', { action: 'skip' })).body.again).toBe(false);
    expect(await app.stored('c')).toEqual(['c2', 'c3']);
  });

  it('poison quarantine: skip uses the number up, edit keeps it', async () => {
    const app = await (await world.app({ order: { mode: 'sequence', poison: 'quarantine' } })).run();
    const [a1, a2, a3] = numbered('a', 1, 2, 3);
    const [b1, b2, b3] = numbered('b', 1, 2, 3);
    await app.publish(a3!, { ...a2!, refuse: true }, a1!, { ...b1!, refuse: true }, b3!, b2!);
    await app.untilQuarantined('a', 2);
    await app.untilQuarantined('b', 3);
    const unnumbered = app.bodyOf({ id: 'b1' });
    expect((await app.post('/v1/quarantine/b', { action: 'edit', body: unnumbered })).status).toBe(400);
    const body = app.bodyOf({ id: 'b1', sequence: 1 });
    expect((await app.post('/v1/quarantine/b', { action: 'edit', body })).body.again).toBe(false);
    expect(await app.stored('b')).toEqual(['b1', 'b2', 'b3']);
    expect((await app.post('/v1/quarantine/a', { action: 'skip' })).body.again).toBe(false);
    expect(await app.stored('a')).toEqual(['a1', 'a3']);
    expect(await app.letters('a')).toEqual(['2']);
  });

  it('says what an event waits for', async () => {
    const app = await (await world.app({ order: { mode: 'sequence' } })).run();
    await app.publish(...numbered('a', 1, 3));
    await app.untilStored('a', ['a1']);
    const found = await app.untilDecided('a3', 'waiting');
    expect(found).toMatchObject({ sequence: 2, waits: ['waits for number 2 of key "a"'] });
    expect(found.summary).toBe('waits at sequence 2: waits for number 2 of key "a"');
  });
});

describe('requests to change something', () => {
  it('are refused when they are misspelt, with every problem', async () => {
    const app = await (await world.app()).run();
    const bodies = [
      ['{', 400],
      ['[]', 400],
      [{ action: 'drop', x: 1 }, 400],
      [{ action: 'edit' }, 400],
      [{ action: 'skip', body: {} }, 400],
      ['x'.repeat(3_000_000), 413],
    ] as const;
    for (const [body, status] of bodies) expect((await app.post('/v1/quarantine/a', body)).status).toBe(status);
    const { body } = await app.post('/v1/quarantine/a', { action: 'drop', x: 1 });
    expect(body.error.problems).toEqual(['"x": is no field', '"action": must be one of release, skip, edit']);
    expect((await app.post('/v1/quarantine/a', { action: 'skip' })).body.error).toMatchObject({
      code: 'NOT_FOUND',
      message: 'key "a" is not quarantined',
    });
    expect((await app.post('/v1/dead-letters/0/1', { action: 'skip' })).status).toBe(404);
    for (const path of ['/v1/dead-letters/4/1', '/v1/dead-letters/0/0', '/v1/dead-letters/x/1'])
      expect((await app.post(path, { action: 'skip' })).status, path).toBe(400);
    expect((await app.get('/v1/dead-letters/0/x')).status).toBe(400);
    expect((await app.get('/v1/dead-letters/0/1')).status).toBe(404);
    for (const path of ['/v1/quarantine?limit=0', '/v1/quarantine?partition=4', '/v1/quarantine?x=1'])
      expect((await app.get(path)).status, path).toBe(400);
  });

  it('must be JSON, so that no web page can send them, and carry the token when there is one', async () => {
    const app = await (await world.app({ order: { poison: 'quarantine' } })).run();
    await app.publish(...poisoned);
    await app.untilQuarantined('a', 3);
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data', ''])
      expect((await app.post('/v1/quarantine/a', { action: 'skip' }, { 'content-type': type })).status).toBe(415);
    expect(await statusFrom(app, 'evil.example')).toBe(401);
    await app.kill();
    const token = 's3cret-token';
    await app.run({ http: { port: 0, token } });
    const bearer = { authorization: `Bearer ${token}` };
    const paths = ['/v1/quarantine/a', `/v1/dead-letters/${app.partition('a')}/2`];
    for (const path of paths) expect((await app.post(path, { action: 'skip' })).status).toBe(401);
    for (const path of ['/v1/quarantine', '/v1/events/a1']) expect((await app.get(path)).status).toBe(401);
    expect((await app.get('/v1/quarantine', bearer)).body.total).toBe(1);
    expect((await app.post('/v1/quarantine/a', { action: 'skip' }, bearer)).status).toBe(200);
  });
});

/** Status of a change that names the node by another host. */
function statusFrom(app: TestApp, host: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(app.url);
    const headers = { host, 'content-type': 'application/json' };
    const sent = request({ hostname, port, path: '/v1/quarantine/a', method: 'POST', headers }, (response) => {
      response.resume();
      response.on('end', () => resolve(response.statusCode));
    });
    sent.on('error', reject);
    sent.end('{"action":"skip"}');
  });
}

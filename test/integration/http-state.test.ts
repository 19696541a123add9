/** Reads over a real socket: state, status, dead letters, and who may ask. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { partitionOf } from '../../src/core/key/partition.js';
import { MillraceError } from '../../src/errors.js';
import type { NodeStatus } from '../../src/runtime/node-status.js';
import { envelope, HttpWorld, PARTITIONS, runningStatus } from './http-world.js';

const KEYS = ['account-1', 'a/b?c#d%e', 'é漢🎈', 'a b+c', 'a%20b'];
const partition = (key: string): number => partitionOf(key, PARTITIONS);

/** A key of a partition that has no checkpoint. */
const UNTOUCHED = Array.from({ length: 50 }, (_, n) => `untouched-${n}`).find(
  (key) => !KEYS.some((other) => partition(other) === partition(key)),
)!;

let world: HttpWorld;
beforeAll(async () => {
  world = await HttpWorld.start();
  for (let number = 0; number < PARTITIONS; number++) {
    const keys = KEYS.filter((key) => partition(key) === number);
    const set = keys.map((key) => [key, envelope({ key, n: 1 })] as const);
    if (number !== partition(UNTOUCHED)) await world.checkpoint(number, 3, { state: { set, remove: [] } });
  }
});
afterAll(() => world.close());

describe('GET /v1/state/{key}', () => {
  it('answers the state of exactly the key that is percent-encoded', async () => {
    for (const key of KEYS) {
      const { status, body } = await world.get(`/v1/state/${encodeURIComponent(key)}`);
      expect(status).toBe(200);
      expect(body).toMatchObject({ key, partition: partition(key), state: { key, n: 1 }, applied: 2, id: 'e3' });
      expect(body.position).toEqual({ stream: 'EVENTS', floor: 3, checkpoint: 1 });
    }
  });

  it('answers 404 with the position of the partition where the key has no state, and without one where it has none', async () => {
    const absent = Array.from({ length: 50 }, (_, n) => `absent-${n}`).find(
      (key) => partition(key) === partition('a b+c'),
    )!;
    const { status, body } = await world.get(`/v1/state/${absent}`);
    expect(status).toBe(404);
    expect(body.error.code).toBe('NOT_FOUND');
    expect(body).toMatchObject({
      partition: partition(absent),
      position: { stream: 'EVENTS', floor: 3, checkpoint: 1 },
    });
    const none = await world.get(`/v1/state/${UNTOUCHED}`);
    expect(none.status).toBe(404);
    expect(none.body.position).toBeUndefined();
  });

  it('waits for an event, and answers 504 when it does not become durable', async () => {
    const at = `EVENTS:3:${partition('account-1')}`;
    expect((await world.get(`/v1/state/account-1?after=${at}`)).status).toBe(200);
    const later = `EVENTS:4:${partition('account-1')}`;
    const { status, body } = await world.get(`/v1/state/account-1?after=${later}&wait=20ms`);
    expect(status).toBe(504);
    expect(body.error.code).toBe('NOT_REFLECTED');
  });

  it('refuses what is misspelt, with every problem', async () => {
    const { status, body } = await world.get('/v1/state/account-1?afer=x&wait=61s&wait=1s&after=EVENTS');
    expect(status).toBe(400);
    expect(body.error.problems).toEqual([
      '"afer": is no parameter; there are after, wait',
      '"wait": is given twice',
      expect.stringContaining('"after": a receipt is stream:sequence:partition'),
      expect.stringContaining('"wait": must be at most 1m'),
    ]);
    for (const query of ['wait=5s', 'after=EVENTS:1:99', 'after=OTHER:1:0', `after=EVENTS:0:${partition('account-1')}`])
      expect((await world.get(`/v1/state/account-1?${query}`)).status).toBe(400);
  });

  it('refuses keys that only repairing would make well-formed', async () => {
    for (const path of ['%FF', 'a%', 'a%2', '%C0%80', 'é', '%00', '%20a', 'a%EF%BF%BD%'])
      expect((await world.raw(`/v1/state/${Buffer.from(path).toString('latin1')}`)).status).toBe(400);
    expect((await world.raw(`/v1/state/${'a'.repeat(257)}`)).status).toBe(400);
    expect((await world.raw('/v1/state/a/b')).status).toBe(404);
    expect((await world.raw('/v1/state/')).status).toBe(404);
    expect((await world.raw('/x/../v1/state/account-1')).status).toBe(404);
  });

  it('answers 503 while the store is away and 500 for data that cannot be trusted', async () => {
    const error = new MillraceError('REDIS_UNREACHABLE', 'Redis at redis://:pw@h:6379: refused');
    const reader = { get: () => Promise.reject(error) } as never;
    const away = await HttpWorld.start({ over: { reader } });
    const { status, body, headers } = await away.get('/v1/state/k');
    expect(status).toBe(503);
    expect(headers.get('retry-after')).toBe('1');
    expect(body.error.message).toBe('Redis at redis://***@h:6379: refused');
    expect(away.lines).toEqual([]);
    await away.close();
    const broken = await HttpWorld.start();
    await broken.checkpoint(partition('k'), 1, { state: { set: [['k', 'not an envelope']], remove: [] } });
    expect((await broken.get('/v1/state/k')).body.error.code).toBe('CORRUPT_CHECKPOINT');
    expect(broken.lines).toMatchObject([{ event: 'http.failed' }]);
    await broken.close();
  });
});

describe('GET /v1/status', () => {
  it('shows the node and each partition as one flat object', async () => {
    const fault = { code: 'GAP', message: 'gone', problems: [] } as const;
    const base = { slot: 0, epoch: 1, since: 5, recoveries: 0, report: undefined } as const;
    const status: NodeStatus = {
      ...runningStatus,
      partitions: [
        { ...base, partition: 0, phase: 'running', fault: undefined },
        { ...base, partition: 1, phase: 'halted', fault },
      ],
    };
    const node = await HttpWorld.start({ status: () => status });
    const { body } = await node.get('/v1/status');
    expect(body).toMatchObject({ name: 'node-1', phase: 'running', phases: { running: 1, halted: 1 } });
    expect(body.partitions[1]).toEqual({
      partition: 1,
      slot: 0,
      phase: 'halted',
      epoch: 1,
      since: 5,
      recoveries: 0,
      fault,
    });
    expect((await node.get('/v1/status?x=1')).status).toBe(400);
    await node.close();
  });
});

describe('GET /v1/dead-letters', () => {
  const fields = (sequence: number, body: string) => ({
    ...{ sequence, code: 'EVENT_INVALID', problems: ['p'], key: null, id: null, subject: 'events.k', headers: null },
    ...{ body, encoding: 'utf8', streamTime: 1 },
  });
  const letter = (sequence: number, body = 'x') => [String(sequence), JSON.stringify(fields(sequence, body))] as const;

  it('lists those of one partition or of all, in pages', async () => {
    const node = await HttpWorld.start();
    const many = Array.from({ length: 120 }, (_, n) => letter(n + 1));
    await node.checkpoint(2, 200, { dead: { set: many, remove: [] } });
    await node.checkpoint(5, 200, { dead: { set: [letter(7)], remove: [] } });
    const all = await node.get('/v1/dead-letters?limit=1000');
    expect(all.body.deadLetters).toHaveLength(121);
    expect(all.body.deadLetters[0]).toEqual({ partition: 2, ...fields(1, 'x') });
    expect(all.body.next).toBeNull();
    const first = await node.get('/v1/dead-letters');
    expect(first.body.deadLetters).toHaveLength(100);
    expect(first.body.next).toEqual({ partition: 2, after: 100 });
    const rest = await node.get('/v1/dead-letters?partition=2&after=100');
    expect(rest.body.deadLetters.map(({ sequence }: { sequence: number }) => sequence)).toEqual(
      Array.from({ length: 20 }, (_, n) => 101 + n),
    );
    expect(rest.body.next).toBeNull();
    await node.close();
  });

  it('ends an answer early where bodies are large, and still says where to go on', async () => {
    const node = await HttpWorld.start();
    const large = Array.from({ length: 20 }, (_, n) => letter(n + 1, 'x'.repeat(2 ** 20)));
    await node.checkpoint(0, 100, { dead: { set: large, remove: [] } });
    const { body } = await node.get('/v1/dead-letters?partition=0');
    expect(body.deadLetters).toHaveLength(8);
    expect(body.next).toEqual({ partition: 0, after: 8 });
    await node.close();
  });

  it('refuses numbers out of range', async () => {
    for (const query of ['partition=8', 'partition=-1', 'limit=0', 'limit=1001', 'after=1', 'partition=1&after=x'])
      expect((await world.get(`/v1/dead-letters?${query}`)).status).toBe(400);
  });
});

describe('the rest', () => {
  it('answers 404 as JSON, with the headers that keep browsers strict and none that open it to other pages', async () => {
    const { status, body, headers } = await world.get('/nowhere', { origin: 'https://evil.example' });
    expect(status).toBe(404);
    expect(body.error).toMatchObject({ code: 'NOT_FOUND', message: 'nothing answers GET /nowhere' });
    expect(headers.get('content-security-policy')).toContain("default-src 'none'");
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect([...headers.keys()].filter((name) => name.startsWith('access-control'))).toEqual([]);
    expect((await fetch(`${world.url}/v1/events`)).status).toBe(404);
    expect((await fetch(`${world.url}/v1/events`, { method: 'OPTIONS' })).status).toBe(404);
  });

  it('has a page at / that needs nothing from elsewhere', async () => {
    const response = await fetch(`${world.url}/`);
    expect(response.headers.get('content-type')).toMatch(/^text\/html/);
    expect(response.headers.get('content-security-policy')).toMatch(/default-src 'none'; script-src 'self';/);
    const text = await response.text();
    expect(text).not.toMatch(/https?:|\sstyle=|\son[a-z]+=|<script(?![^>]*\ssrc=)|<style/);
    const parts = [...text.matchAll(/(?:src|href)="(\/[^"]*)"/g)].map(([, path]) => path!);
    expect(parts.length).toBeGreaterThan(4);
    for (const path of parts) expect((await fetch(world.url + path)).status, path).toBe(200);
  });
});

describe('access', () => {
  it('needs the token everywhere once there is one', async () => {
    const guarded = await HttpWorld.start({ input: { http: { token: 's3cret-token' } } });
    // The page holds no data; it asks for them with the token.
    expect((await fetch(`${guarded.url}/`)).status).toBe(200);
    for (const path of ['/v1/live', '/v1/keys/k', '/v1/timeline', '/v1/status', '/v1/state/k', '/nowhere']) {
      const { status, body, headers } = await guarded.get(path);
      expect(status).toBe(401);
      expect(body.error.code).toBe('FORBIDDEN');
      expect(headers.get('www-authenticate')).toBe('Bearer');
      expect(headers.get('x-frame-options')).toBe('DENY');
    }
    for (const wrong of ['Bearer s3cret-toke', 'Bearer s3cret-tokenx', 'Basic s3cret-token', 's3cret-token', 'Bearer'])
      expect((await guarded.get('/v1/status', { authorization: wrong })).status).toBe(401);
    expect((await guarded.post({ key: 'k' })).status).toBe(401);
    expect((await guarded.get('/v1/status', { authorization: 'bearer s3cret-token' })).status).toBe(200);
    expect(await guarded.stored()).toBe(0);
    await guarded.close();
  });

  it('without a token answers only requests that name a loopback host', async () => {
    expect((await world.raw('/v1/status', { host: 'evil.example' })).status).toBe(401);
    expect((await world.raw('/v1/status', { host: 'localhost:1234' })).status).toBe(200);
    expect((await world.raw('/v1/status', { host: '[::1]:80' })).status).toBe(200);
  });
});

describe('the server', () => {
  it('says PORT_IN_USE when somebody else listens there', async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const { port } = other.address() as AddressInfo;
    await expect(HttpWorld.start({ input: { http: { port } } })).rejects.toMatchObject({ code: 'PORT_IN_USE' });
    other.close();
  });

  it('lets what is under way finish when it closes, and then no connection stays', async () => {
    let finish = (): void => undefined;
    let started = (): void => undefined;
    const asked = new Promise<void>((resolve) => {
      started = resolve;
    });
    const get = () => {
      started();
      return new Promise((resolve) => {
        finish = () => resolve({ applied: 1, key: 'k' });
      });
    };
    const closing = await HttpWorld.start({ over: { reader: { get } as never } });
    await closing.get('/v1/status');
    const slow = closing.get('/v1/state/k');
    await asked;
    const closed = closing.close();
    finish();
    expect((await slow).status).toBe(200);
    await closed;
    await expect(fetch(`${closing.url}/v1/status`)).rejects.toThrow();
  });

  it('refuses headers that are too large', async () => {
    expect((await world.raw('/v1/status', { 'x-large': 'x'.repeat(20_000) })).status).toBe(431);
  });
});

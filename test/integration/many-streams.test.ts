/**
 * Several streams that the server's own mapping fills: what is stored in Redis equals the fold of all of them, and a
 * move from one stream to several, under load and with a node that dies in it, loses and repeats nothing.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { headers } from '@nats-io/nats-core';
import { afterEach, describe, expect, it } from 'vitest';
import type { Provisioned } from '../../src/compose/provision.js';
import { provision } from '../../src/compose/provision.js';
import { createPublisher } from '../../src/compose/publisher.js';
import { defaultOptions } from '../../src/options/resolve.js';
import type { OptionsInput } from '../../src/options/types.js';
import type { ServerBinary } from '../../src/services/binaries.js';
import { type Captured, capture } from '../support/capture.js';
import { Cluster } from '../support/cluster.js';
import { ledgerRules } from '../support/meanings.js';
import { natsBinaries } from '../support/nats-binaries.js';
import { expected, partitionFor, type Rules } from '../support/oracle.js';
import { expectStored, readRecords, untilDecided } from '../support/redis-state.js';
import { until } from '../support/until.js';
import { makeWorkload, publishAll, tokenFor, type Workload } from '../support/workload.js';
import { killCommands, run } from './cli-process.js';

const PARTITIONS = 16;
const WITH_KEY = `mappings { "events.*": "events.{{partition(${PARTITIONS},1)}}.{{wildcard(1)}}" }\n`;
const WITHOUT_KEY = `mappings { "events.*": "events.{{partition(${PARTITIONS},1)}}" }\n`;
const make = { create: true, move: false };
const binaries = await natsBinaries();
const [oldest] = binaries as [ServerBinary];

let cluster: Cluster;
afterEach(() => cluster?.stop());

function workload(events: number, name = '', from = 0): Workload {
  return makeWorkload({
    ...{ seed: 5 + from, events, keys: 200, disorderMs: 200, poison: 11, name },
    from: Date.now() - 600_000 + from,
  });
}

/** What the options have in common; a test adds its streams. */
async function appOf(name: string, input: OptionsInput): Promise<OptionsInput> {
  return cluster.newApp(name, {
    handler: 'ledger',
    partitions: PARTITIONS,
    checkpoint: { interval: '50ms' },
    order: { settle: '300ms', idle: '300ms' },
    dedupe: { horizon: '1d' },
    ...input,
  });
}

function provisioned(input: OptionsInput, task = make): Promise<Provisioned> {
  return provision(defaultOptions(input), () => undefined, task) as Promise<Provisioned>;
}

/** Streams one after the other, as one list: subjects as they were published, sequences from `base` on. */
async function captured(streams: readonly (readonly [name: string, base: number])[]): Promise<Captured[]> {
  const all: Captured[] = [];
  for (const [name, base] of streams)
    for (const one of await capture(cluster.nc, name)) {
      const tokens = one.subject.split('.');
      const subject = tokens.length === 3 ? `${tokens[0]}.${tokens[2]}` : one.subject;
      all.push({ ...one, subject, sequence: base + one.sequence });
    }
  return all;
}

const namesOf = (count: number): string[] => Array.from({ length: count }, (_, n) => `EVENTS-${n + 1}-of-${count}`);

/** Publishes all, and one event more to each partition, with its answer: what was sent before is then stored too. */
async function publishAndWait(batches: Workload, name: string): Promise<void> {
  // A server of the 2.9 line maps the events of an open connection from its second message on.
  await until(isMapped, 20_000, 'a stream that takes events');
  await publishAll(cluster.nc, batches);
  const reached = new Set<number>();
  for (let n = 0; reached.size < PARTITIONS; n++) {
    const partition = partitionFor(`last-${n}`, PARTITIONS);
    if (!reached.has(partition)) await until(() => isTaken(`last-${n}`, name), 20_000, 'the last events');
    reached.add(partition);
  }
}

/** Asked without storing anything: an event of an impossible sequence is refused. */
async function isMapped(): Promise<boolean> {
  const impossible = headers();
  impossible.set('Nats-Expected-Last-Sequence', '999999999');
  const answer = await cluster.nc
    .request('events.a', '', { timeout: 2_000, headers: impossible })
    .catch(() => undefined);
  return answer !== undefined;
}

async function isTaken(key: string, name = key): Promise<boolean> {
  // Newer than the whole workload.
  const event = { id: `${name}-${key}`, key, time: Date.now() + 5_000, type: 'deposit', data: { amount: 1 } };
  const answer = await cluster.nc.request(`events.${key}`, JSON.stringify(event)).catch(() => undefined);
  return answer !== undefined && answer.json<{ seq?: number }>().seq !== undefined;
}

describe.each(binaries.map((binary) => [binary.version, binary] as const))('nats-server %s', (_, natsBinary) => {
  it('four streams: each holds its partitions, publishers publish as ever, the state is that of the oracle', async () => {
    cluster = await Cluster.start({ natsBinary, natsConfig: WITH_KEY });
    const app = await appOf('four', { stream: { count: 4 }, threads: 2 });
    const made = await provisioned(app);
    expect(made.mapping).toMatchObject({ from: 'events.*', problem: undefined });
    expect(made.mapping?.block).toContain(WITH_KEY.slice(WITH_KEY.indexOf('"'), WITH_KEY.lastIndexOf('"')));
    expect(made.streams.map(({ stream, subjects }) => [stream, subjects.length, subjects[0]])).toEqual([
      ['EVENTS-1-of-4', 4, 'events.0.*'],
      ['EVENTS-2-of-4', 4, 'events.4.*'],
      ['EVENTS-3-of-4', 4, 'events.8.*'],
      ['EVENTS-4-of-4', 4, 'events.12.*'],
    ]);
    const node = await cluster.node(app).ready();
    await publishAndWait(workload(3_000), 'four');
    const messages = await captured(namesOf(4).map((name) => [name, 0]));
    const wanted = expected(messages, { ...ledgerRules, partitions: PARTITIONS });
    expect(wanted.events).toBeGreaterThan(3_000);
    await untilDecided(cluster.db, 'four', wanted.events, 30_000, PARTITIONS);
    const { streams, unread } = await node.status();
    expect(streams.map(({ stream, isRead }) => [stream, isRead])).toEqual(namesOf(4).map((name) => [name, true]));
    expect(unread).toBe(0);
    await node.drain();
    await expectStored(cluster.db, 'four', wanted);
  });
});

describe('commands over several streams', () => {
  it('verify folds all of them, and an application goes back to a savepoint and to the start of them', async () => {
    cluster = await Cluster.start({ natsBinary: oldest, natsConfig: WITH_KEY });
    // A publisher that is held up for less than that makes no event late.
    const app = await appOf('back', { stream: { count: 2 }, order: { settle: '300ms', idle: '2s' } });
    const dir = await mkdtemp(join(tmpdir(), 'millrace-streams-'));
    const config = join(dir, 'millrace.yaml');
    const command = (...args: string[]) => run([...args, '--config', config], { cwd: dir });
    try {
      await writeFile(config, JSON.stringify(app));
      expect(await command('provision')).toMatchObject({ code: 0 });
      const names = namesOf(2);
      const all = async () =>
        expected(await captured(names.map((name) => [name, 0])), { ...ledgerRules, partitions: PARTITIONS });
      const decided = async () => untilDecided(cluster.db, 'back', (await all()).events, 30_000, PARTITIONS);
      let node = await cluster.node(app).ready();
      await until(isMapped, 20_000, 'a stream that takes events');
      await publishAll(cluster.nc, workload(600));
      await decided();
      expect((await command('verify')).out).toMatch(/^OK: \d+ keys of 16 partitions are what one thread makes of/);
      expect(await command('savepoint', 'create', 'then.ndjson')).toMatchObject({ code: 0 });
      await publishAndWait(workload(600, 'later-', 60_000), 'later');
      await decided();
      await node.drain();

      // One key of each stream; verify names the one in the lower partition.
      const ofStream = async (stream: number): Promise<readonly [at: string, key: string, envelope: string]> => {
        for (let partition = stream * (PARTITIONS / 2); ; partition++) {
          const at = `millrace:{back:${partition}}:state`;
          const [found] = Object.entries(await cluster.db.hgetall(at));
          if (found !== undefined) return [at, ...found];
        }
      };
      const chosen = [await ofStream(0), await ofStream(1)];
      for (const [at, key, envelope] of chosen)
        await cluster.db.hset(at, key, envelope.replace('"balance":', '"balance":1'));
      const found = await command('verify', '--json');
      expect(found.code).toBe(1);
      expect(JSON.parse(found.out)).toMatchObject({
        different: 2,
        first: { key: chosen[0]![1], folded: chosen[0]![2] },
      });

      for (const place of ['then.ndjson', 'start']) {
        expect(await command('replay', '--from', place)).toMatchObject({ code: 0 });
        node = await cluster.node(app).ready();
        await decided();
        await node.drain();
        await expectStored(cluster.db, 'back', await all());
        expect(await command('verify')).toMatchObject({ code: 0, out: expect.stringMatching(/^OK: /) });
      }
    } finally {
      await killCommands();
      await rm(dir, { recursive: true, force: true });
    }
  });
});

describe('several streams', () => {
  it('without the key in the stored subject: it is read from the body', async () => {
    cluster = await Cluster.start({ natsBinary: oldest, natsConfig: WITHOUT_KEY });
    const app = await appOf('nokey', { stream: { count: 2 }, event: { key: 'json:/key' } });
    const made = await provisioned(app);
    expect(made.mapping).toMatchObject({ to: `events.{{partition(${PARTITIONS},1)}}`, problem: undefined });
    const batches = makeWorkload({
      ...{ seed: 3, events: 1_000, keys: 100, disorderMs: 200, from: Date.now() - 600_000 },
      shape: ({ id, key, time, type, amount }) => ({
        subject: `events.${tokenFor(key)}`,
        body: JSON.stringify({ id, key, time, type, data: { amount } }),
      }),
    });
    const node = await cluster.node(app).ready();
    await publishAndWait(batches, 'nokey');
    const messages = await captured(namesOf(2).map((name) => [name, 0]));
    expect(messages.length).toBeGreaterThan(1_000);
    expect(new Set(messages.map(({ subject }) => subject)).size).toBeLessThanOrEqual(PARTITIONS);
    const rules: Rules<never> = {
      ...(ledgerRules as unknown as Rules<never>),
      partitions: PARTITIONS,
      meaning: ({ body }) => ({ kind: 'event', number: undefined, ...(JSON.parse(body.toString()) as Body) }),
    };
    await untilDecided(cluster.db, 'nokey', messages.length, 30_000, PARTITIONS);
    await node.drain();
    await expectStored(cluster.db, 'nokey', expected(messages, rules));
  });

  it('a mapping that is missing or leads elsewhere is said, and an event that it misleads becomes a dead letter', async () => {
    cluster = await Cluster.start({ natsBinary: oldest });
    const app = await appOf('misled', { stream: { count: 2 } });
    expect((await provisioned(app)).mapping?.problem).toMatch(/^no stream takes events\.probe-\d+$/);
    await cluster.configureNats('mappings { "events.*": "events.{{partition(8,1)}}.{{wildcard(1)}}" }\n');
    await until(
      async () => /does not go to EVENTS-2-of-2$/.test((await provisioned(app)).mapping?.problem ?? ''),
      20_000,
      'the mapping to be read',
    );
    const node = await cluster.node(app).ready();
    const key = 'abcdefgh'.split('').find((one) => partitionFor(one, 8) !== partitionFor(one, PARTITIONS))!;
    await until(() => isTaken(key), 20_000, 'a stream that takes the event');
    await untilDecided(cluster.db, 'misled', 1, 20_000, PARTITIONS);
    const records = await readRecords(cluster.db, 'misled', PARTITIONS);
    const dead = records.map((record) => record?.counters.dead.EVENT_KEY_INVALID ?? 0);
    expect(dead.reduce((sum, n) => sum + n)).toBe(1);
    expect(dead[partitionFor(key, 8)]).toBe(1);
    await node.drain();
  });

  it('a loss in one stream stops the partitions of that stream and no others', async () => {
    cluster = await Cluster.start({ natsBinary: oldest, natsConfig: WITH_KEY });
    const app = await appOf('gap', { stream: { count: 2 } });
    await provisioned(app);
    const keys = Array.from({ length: 200 }, (_, n) => `k${n}`);
    for (const [n, key] of keys.entries())
      await cluster.nc.request(`events.${key}`, JSON.stringify({ id: `e${n}`, type: 'deposit', data: { amount: 1 } }));
    await cluster.deleteMessage('EVENTS-2-of-2', 20);
    const node = await cluster.node(app).ready();
    await until(
      async () => (await node.status()).partitions.some(({ phase }) => phase === 'halted'),
      20_000,
      'a partition that stands still',
    );
    const { partitions } = await node.status();
    const halted = partitions.filter(({ phase }) => phase === 'halted');
    expect(halted.map(({ partition }) => partition)).toEqual([8, 9, 10, 11, 12, 13, 14, 15]);
    for (const { fault } of halted)
      expect(fault).toMatchObject({
        code: 'GAP',
        message: expect.stringContaining('EVENTS-2-of-2: sequences 20 to 20'),
      });
    const first = keys.filter((key) => partitionFor(key, PARTITIONS) < 8).length;
    await untilDecided(cluster.db, 'gap', first, 20_000, PARTITIONS);
    await node.drain();
  });
});

interface Body {
  readonly id: string;
  readonly key: string;
  readonly time: number;
  readonly type: string;
  readonly data: unknown;
}

describe('moving from one stream to several', () => {
  it('under load, with a node that dies while it reads the old stream: nothing is lost, repeated or moved', async () => {
    cluster = await Cluster.start({ natsBinary: oldest });
    const one = await appOf('moved', {});
    const four = { ...one, stream: { count: 4 } };
    await provisioned(one);
    await expect(provisioned(four, { create: true, move: true })).rejects.toMatchObject({ code: 'NOT_FOUND' });
    const before = await cluster.node(one).ready();
    await expect(provisioned(four)).rejects.toMatchObject({ code: 'LAYOUT_MISMATCH' });
    const first = workload(2_000, 'a');
    await publishAll(cluster.nc, first);
    await before.kill(); // what follows in the old stream is decided by nodes of the new streams

    const publisher = await createPublisher({ url: cluster.nats.url, partitions: PARTITIONS });
    const published: Promise<{ stream: string; sequence: number; partition: number }>[] = [];
    let isPublishing = true;
    const publishing = (async () => {
      for (let n = 0; isPublishing; n++) {
        const event = { id: `live-${n}`, key: `live-${n % 50}`, type: 'deposit', data: { amount: 1 } };
        published.push(publisher.publish(event));
        await published.at(-1);
      }
    })();
    await until(() => published.length > 200, 20_000, 'events before the move');
    const made = await provisioned(four, { create: true, move: true });
    expect(made.earlier).toEqual(['EVENTS']);
    expect(made.mapping?.problem).toMatch(/^no stream takes/);
    await cluster.configureNats(WITH_KEY);
    const cut = published.length;
    await until(() => published.length > cut + 200, 20_000, 'events after the move');
    isPublishing = false;
    await publishing;
    const receipts = await Promise.all(published);
    expect(new Set(receipts.map(({ stream }) => stream))).toEqual(new Set(['EVENTS', ...namesOf(4)]));
    await publishAndWait(workload(1_000, 'b', 600_000), 'b');

    expect((await provisioned(four)).mapping?.problem).toBeUndefined();
    await expect(provisioned(one)).rejects.toMatchObject({ code: 'LAYOUT_MISMATCH' });
    const killed = await cluster.node(four).ready();
    await killed.kill();
    const after = await cluster.node(four).ready();

    const base = await cluster.lastSequence('EVENTS');
    const messages = await captured([['EVENTS', 0], ...namesOf(4).map((name) => [name, base] as const)]);
    const wanted = expected(messages, { ...ledgerRules, partitions: PARTITIONS });
    await untilDecided(cluster.db, 'moved', wanted.events, 30_000, PARTITIONS);
    await after.drain();
    await expectStored(cluster.db, 'moved', wanted);

    // Receipts of both streams are places that a reader may wait for.
    const { openReader } = await import('../../src/compose/reader.js');
    const { reader, close } = await openReader(defaultOptions(four), () => undefined);
    const keyOf = (n: number): string => `live-${n % 50}`;
    for (const n of [0, receipts.length - 1])
      expect(await reader.get(keyOf(n), receipts[n]!, 1_000)).toMatchObject({ key: keyOf(n) });
    await close();

    const old = cluster.node(one);
    await old.ended(1);
    expect(old.failure).toMatchObject({ code: 'LAYOUT_MISMATCH' });
  });
});

/** F2, F3: a handler that spins, fails where nobody catches it, or eats all memory. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { OptionsInput } from '../../src/options/types.js';
import { capture } from '../support/capture.js';
import { Cluster } from '../support/cluster.js';
import { ownMeaning } from '../support/meanings.js';
import type { NodeProcess } from '../support/node-process.js';
import { expected, partitionFor, type Rules } from '../support/oracle.js';
import { expectStored, untilDecided } from '../support/redis-state.js';
import { until } from '../support/until.js';
import { type Message, publishBatch } from '../support/workload.js';
import type { Trouble, troubled } from './troubled-actor.js';

const handler = fileURLToPath(new URL('./troubled-actor.js', import.meta.url));
const PARTITIONS = 8;
/** A node that is alone gains its partitions one after the other, and each goes to the thread that has fewest. */
const slotOfKey = (key: string): number => partitionFor(key, PARTITIONS) % 2;
const keys = Array.from({ length: 40 }, (_, n) => `account-${n}`);
const [here, there] = [keys.filter((key) => slotOfKey(key) === 0), keys.filter((key) => slotOfKey(key) === 1)];

type Sum = ReturnType<ReturnType<typeof troubled.create>['initial']>;

const rules: Rules<Sum> = {
  partitions: PARTITIONS,
  order: 'none',
  meaning: ownMeaning,
  initial: () => ({ sum: 0, count: 0 }),
  fold: ({ sum, count }, { data }) => ({ sum: sum + (data as { amount: number }).amount, count: count + 1 }),
};

let cluster: Cluster;
let dir: string;
let round = 0;
let ids = 0;

beforeAll(async () => {
  cluster = await Cluster.start();
  dir = await mkdtemp(join(tmpdir(), 'millrace-trouble-'));
});

afterAll(async () => {
  await cluster.stop();
  await rm(dir, { recursive: true, force: true });
});

async function newApp(always = false): Promise<{ app: string; stream: string; options: OptionsInput }> {
  const app = `trouble${++round}`;
  const stream = app.toUpperCase();
  await cluster.addStream(stream, [`${app}.*`]);
  const options = await cluster.newApp(app, {
    handler,
    handlerOptions: { marker: join(dir, app), always },
    stream: { name: stream, subjects: `${app}.*` },
    partitions: PARTITIONS,
    threads: 2,
    order: { mode: 'none' },
    checkpoint: { interval: '50ms' },
  });
  return { app, stream, options };
}

function event(app: string, key: string, trouble?: Trouble): Message {
  const data = { type: 'deposit', amount: ++ids, ...(trouble === undefined ? {} : { trouble }) };
  return { subject: `${app}.${key}`, body: JSON.stringify({ id: `e${ids}`, time: Date.now(), data }) };
}

const some = (app: string, of: readonly string[], count: number): Message[] =>
  Array.from({ length: count }, (_, n) => event(app, of[n % of.length]!));

async function settles(app: string, stream: string, node: NodeProcess): Promise<void> {
  const wanted = expected(await capture(cluster.nc, stream), rules);
  await untilDecided(cluster.db, app, wanted.events, 30_000, PARTITIONS);
  await expectStored(cluster.db, app, wanted);
  await node.drain();
  await expectStored(cluster.db, app, wanted);
}

/** How many events of the other thread are stored, one after the other, while `isOver` is false. */
async function storedMeanwhile(app: string, isOver: () => boolean): Promise<number> {
  for (let stored = 0; ; stored++) {
    const key = there[0]!;
    const message = event(app, key);
    await publishBatch(cluster.nc, [message]);
    const { id } = JSON.parse(message.body as string) as { id: string };
    const name = `millrace:{${app}:${partitionFor(key, PARTITIONS)}}:state`;
    const isStored = async (): Promise<boolean> => (await cluster.db.hget(name, key))?.includes(`"${id}"`) === true;
    await until(isStored, 20_000, 'an event of the healthy thread');
    if (isOver()) return stored;
  }
}

describe('F2: a thread whose handler goes wrong where nobody catches it', () => {
  it.each(['reject', 'throw-later', 'exit'] as const)(
    '%s: the slot starts again from its checkpoints',
    async (trouble) => {
      const { app, stream, options } = await newApp();
      const node = await cluster.node(options).ready();
      await publishBatch(cluster.nc, [...some(app, keys, 400), event(app, here[0]!, trouble), ...some(app, keys, 400)]);
      await node.logged('thread.lost');
      await publishBatch(cluster.nc, some(app, keys, 200));
      const { partitions, threadRestarts } = await node.status();
      expect(threadRestarts).toBe(1);
      expect(partitions.filter(({ slot, recoveries }) => slot === 1 && recoveries > 0)).toEqual([]);
      await settles(app, stream, node);
    },
  );

  it('spins for ever: the slot starts again, the events of the other one do not wait', async () => {
    const { app, stream, options } = await newApp();
    const node = await cluster.node(options, { silentMsMax: 3_000 }).ready();
    await publishBatch(cluster.nc, some(app, keys, 400));
    await publishBatch(cluster.nc, [event(app, here[0]!, 'spin'), ...some(app, keys, 400)]);
    const isLost = (): boolean => node.logs.some(({ event }) => event === 'thread.lost');
    expect(await storedMeanwhile(app, isLost)).toBeGreaterThanOrEqual(3);
    expect(node.logs.filter(({ event }) => event === 'thread.silent').length).toBe(1);
    const { partitions } = await node.status();
    expect(partitions.filter(({ slot, recoveries }) => slot === 1 && recoveries > 0)).toEqual([]);
    await settles(app, stream, node);
  });

  it('every time: the node gives up with the reason rather than go round in circles', async () => {
    const { app, options } = await newApp(true);
    const node = await cluster.node(options).ready();
    await publishBatch(cluster.nc, [event(app, here[0]!, 'exit'), ...some(app, there, 100)]);
    await node.logged('thread.lost');
    await node.ended(1);
    expect(node.failure?.code).toBe('THREAD_LOST');
    expect(node.failure?.message).toContain('threads died 6 times within 60 s');
    const wanted = expected(await capture(cluster.nc, app.toUpperCase()), rules);
    const stored = await Promise.all(there.map((key) => cluster.db.hget(nameOf(app, key), key)));
    const states = there.map((key) => wanted.partitions[partitionFor(key, PARTITIONS)]!.states.get(key));
    expect(stored.map((text) => JSON.parse(text!))).toEqual(states);
  });
});

const nameOf = (app: string, key: string): string => `millrace:{${app}:${partitionFor(key, PARTITIONS)}}:state`;

describe('F3: a thread that eats all memory', () => {
  it.each(['heap', 'array'] as const)(
    '%s: the slot or the process starts again, and the state is right',
    async (trouble) => {
      const { app, stream, options } = await newApp();
      const node = await cluster.node(options, { heapMb: 128 }).ready();
      await publishBatch(cluster.nc, [...some(app, keys, 400), event(app, here[0]!, trouble), ...some(app, keys, 400)]);
      await until(
        () => node.hasEnded || node.logs.some(({ event }) => event === 'thread.lost'),
        60_000,
        'the end of the thread or of the process',
      );
      // Which of the two it is depends on what ran out first: both must be survived.
      if (node.hasEnded) expect((await node.exited).signal).toBe('SIGABRT');
      const next = node.hasEnded ? await cluster.node(options).ready() : node;
      await settles(app, stream, next);
    },
  );
});

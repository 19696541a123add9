/** F16, F17: what an administrator can do to a stream under a running node, and to its consumers. */
import { type JetStreamManager, jetstreamManager } from '@nats-io/jetstream';
import { afterAll, beforeAll, describe, expect, it, type TestContext } from 'vitest';
import { capture } from '../support/capture.js';
import { Cluster } from '../support/cluster.js';
import { ledgerRules } from '../support/meanings.js';
import type { NodeProcess } from '../support/node-process.js';
import { expected } from '../support/oracle.js';
import { decidedEvents, expectStored, readRecords, untilDecided } from '../support/redis-state.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { until } from '../support/until.js';
import { makeWorkload, publishAll } from '../support/workload.js';
import { LiveApp } from './live-app.js';

let cluster: Cluster;
let jsm: JetStreamManager;

beforeAll(async () => {
  cluster = await Cluster.start();
  jsm = await jetstreamManager(cluster.nc);
});

afterAll(() => cluster.stop());

async function allHalted(node: NodeProcess, code: string): Promise<string> {
  const isHalted = async (): Promise<boolean> =>
    (await node.status()).partitions.every(({ phase }) => phase === 'halted');
  await until(isHalted, 30_000, 'partitions that stand still');
  const { partitions } = await node.status();
  expect(new Set(partitions.map(({ fault }) => fault?.code))).toEqual(new Set([code]));
  return partitions[0]!.fault!.message;
}

interface CutOff {
  readonly app: LiveApp;
  readonly node: NodeProcess;
  /** Sequence of the last event that the node has read. */
  readonly end: number;
  readonly heal: () => void;
}

/** A node that has decided half of the events and is cut off from NATS, and the rest of them waiting in the stream. */
async function cutOffInTheMiddle(name: string, { onTestFinished }: TestContext): Promise<CutOff> {
  const proxy = await TcpProxy.start(cluster.nats.port);
  onTestFinished(() => proxy.close());
  const app = await LiveApp.start(
    cluster,
    name,
    0.5,
    { duplicates: 0, poison: 0 },
    { nats: { url: `nats://127.0.0.1:${proxy.port}` } },
  );
  const node = await cluster.node(app.options).ready();
  const isThere = async (): Promise<boolean> => (await cluster.lastSequence(app.stream)) >= app.events / 2;
  await until(isThere, 30_000, 'half of the events');
  const end = await cluster.lastSequence(app.stream);
  await untilDecided(cluster.db, name, end);
  proxy.block();
  app.publisher.allow(1);
  await app.publisher.done;
  return { app, node, end, heal: () => proxy.heal() };
}

// Each has a stream and a node of its own, and most of its time is waiting.
describe.concurrent('F16: events that are removed before they were read', () => {
  it.for([
    ['one message', 'one', (end: number) => [end + 700, end + 700] as const],
    ['a purge', 'purge', (end: number) => [end + 1, end + 600] as const],
    ['a limit of the stream', 'limit', (end: number) => [end + 1, end + 600] as const],
  ] as const)(
    '%s: GAP with the exact range, and acceptGap goes on without them',
    async ([, kind, rangeAfter], context) => {
      const { app, node, end, heal } = await cutOffInTheMiddle(`admin${kind}`, context);
      const all = await capture(cluster.nc, app.stream);
      const [first, last] = rangeAfter(end);
      if (first === last) await jsm.streams.deleteMessage(app.stream, first);
      else if (kind === 'purge') await cluster.purgeUpTo(app.stream, last);
      else await jsm.streams.update(app.stream, { max_msgs: all.length - last });
      heal();
      expect(await allHalted(node, 'GAP')).toContain(`sequences ${first} to ${last} are gone`);
      await node.drain();
      expect(await decidedEvents(cluster.db, app.name)).toBeLessThan(app.events);
      const careful = await cluster.node(app.options).ready();
      expect(await allHalted(careful, 'GAP')).toContain(`sequences ${first} to ${last} are gone`);
      await careful.drain();

      const isGone = (_: number, sequence: number): boolean => sequence >= first && sequence <= last;
      const wanted = expected(all, { ...ledgerRules, isGone });
      const careless = await cluster.node({ ...app.options, acceptGap: true }).ready();
      await untilDecided(cluster.db, app.name, wanted.events);
      await expectStored(cluster.db, app.name, wanted);
      await careless.drain();
      const gaps = (await readRecords(cluster.db, app.name)).map((record) => JSON.stringify(record?.gaps));
      expect(new Set(gaps)).toEqual(new Set([JSON.stringify([first, last])]));
    },
  );

  it('are not missed by anybody once they were decided', async (context) => {
    const { app, node, end, heal } = await cutOffInTheMiddle('admindone', context);
    const all = await capture(cluster.nc, app.stream);
    const wanted = expected(all, ledgerRules);
    for (const sequence of [1, 7, end - 100]) await jsm.streams.deleteMessage(app.stream, sequence);
    await cluster.purgeUpTo(app.stream, end - 50);
    heal();
    await untilDecided(cluster.db, app.name, wanted.events);
    await node.drain();
    await expectStored(cluster.db, app.name, wanted);
    const again = await cluster.node(app.options).ready();
    expect((await again.status()).partitions.filter(({ phase }) => phase !== 'running')).toEqual([]);
    await again.drain();
  });
});

describe.concurrent('F17: what the node stands on is removed', () => {
  it('a consumer that is deleted, again and again, is replaced and nothing is lost', async () => {
    const app = await LiveApp.start(cluster, 'consumers', 0.3);
    const node = await cluster.node(app.options).ready();
    for (const share of [0.1, 0.2]) {
      await app.decided(share);
      let mine: string | undefined;
      const isThere = async (): Promise<boolean> => {
        const names = (await jsm.consumers.list(app.stream).next()).map(({ name }) => name);
        mine = names.find((name) => name.startsWith('millrace-consumers'));
        return mine !== undefined;
      };
      await until(isThere, 10_000, 'a consumer of the node');
      await jsm.consumers.delete(app.stream, mine!);
      app.publisher.allow(share + 0.3);
    }
    await node.logged('log.restart');
    await app.finish(node);
  });

  it('a stream that is deleted ends the node with STREAM_MISSING, and no checkpoint is harmed', async () => {
    const app = await LiveApp.start(cluster, 'removed', 1, { events: 2_000 });
    const node = await cluster.node(app.options).ready();
    await app.publisher.done;
    const wanted = await app.wanted();
    await untilDecided(cluster.db, app.name, wanted.events);
    await jsm.streams.delete(app.stream);
    await node.ended(1);
    expect(node.failure?.code).toBe('STREAM_MISSING');
    await expectStored(cluster.db, app.name, wanted);
  });

  it('a stream that is deleted and made anew under a running node: REGRESSION, and nothing of it is applied', async () => {
    const app = await LiveApp.start(cluster, 'anew', 1, { events: 2_000 });
    const node = await cluster.node(app.options).ready();
    await app.publisher.done;
    const wanted = await app.wanted();
    await untilDecided(cluster.db, app.name, wanted.events);
    node.signal('SIGSTOP');
    await jsm.streams.delete(app.stream);
    await cluster.addStream(app.stream, ['anew.*']);
    const workload = { seed: 99, events: 4_000, keys: 300, from: Date.now() - 30_000, prefix: 'anew', name: 'new' };
    await publishAll(cluster.nc, makeWorkload(workload));
    node.signal('SIGCONT');
    await allHalted(node, 'REGRESSION');
    await node.drain();
    await expectStored(cluster.db, app.name, wanted);
  });
});

/** The library's publisher against real servers: what is stored, what is refused, and that a retry stores nothing twice. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { PublishEvent, Publisher } from '../../src/client/publisher.js';
import { createPublisher, type PublisherOptions } from '../../src/compose/publisher.js';
import { partitionOf } from '../../src/core/key/partition.js';
import { natsBinaries } from '../support/nats-binaries.js';
import { type FixtureStream, NatsFixture } from '../support/nats-fixture.js';
import { range } from '../support/recording-sink.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { until } from '../support/until.js';

const uuid = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

for (const binary of await natsBinaries()) {
  describe(`createPublisher on nats-server ${binary.version}`, () => {
    let nats: NatsFixture;
    let stream: FixtureStream;
    let proxy: TcpProxy;
    const open: Publisher[] = [];

    beforeAll(async () => {
      nats = await NatsFixture.start(binary);
    });
    afterAll(() => nats?.close());
    beforeEach(async () => {
      await nats.back();
      stream = await nats.newStream();
      proxy = await TcpProxy.start(nats.server.port);
    });
    afterEach(async () => {
      proxy.heal();
      await Promise.all(open.splice(0).map((publisher) => publisher.close()));
      await proxy.close();
    });

    const publisherOf = async (options: PublisherOptions = {}): Promise<Publisher> => {
      const url = `nats://127.0.0.1:${proxy.port}`;
      const given = { publishSubject: `${stream.prefix}{key}`, ...(options.connection ? {} : { url }), ...options };
      const publisher = await createPublisher(given);
      open.push(publisher);
      return publisher;
    };
    const stored = async (sequence: number) => {
      const message = await nats.jsm.streams.getMessage(stream.name, { seq: sequence });
      if (message === null) throw new Error(`nothing is stored at ${sequence}`);
      return { subject: message.subject, id: message.header.get('Nats-Msg-Id'), body: message.json<PublishEvent>() };
    };
    const countStored = async () => (await nats.jsm.streams.info(stream.name)).state.messages;
    const many = (count: number): PublishEvent[] => range(1, count).map((n) => ({ key: `key-${n % 50}`, data: n }));

    it('stores an event in its own form and answers where it is', async () => {
      const publisher = await publisherOf();
      const event = { id: 'id-1', key: 'a.b c*%', time: 1_700_000_000_000, sequence: 7, type: 't', data: { x: ['é'] } };
      const receipt = await publisher.publish(event);
      const partition = partitionOf(event.key, 64);
      expect(receipt).toEqual({ stream: stream.name, sequence: 1, partition, duplicate: false });
      expect(await stored(1)).toEqual({ subject: `${stream.prefix}a%2Eb%20c%2A%25`, id: 'id-1', body: event });
      expect(await publisher.publish(event)).toEqual({ ...receipt, duplicate: true });
      expect(await countStored()).toBe(1);
    });

    it('gives an event an id and a time', async () => {
      const publisher = await publisherOf({ partitions: 5 });
      const before = Date.now();
      expect(await publisher.publish({ key: 'k' })).toMatchObject({ sequence: 1, partition: partitionOf('k', 5) });
      await publisher.publish({ key: 'k', time: new Date(123) });
      const { id, body } = await stored(1);
      expect(id).toMatch(uuid);
      expect(body).toEqual({ id, key: 'k', time: expect.any(Number), data: null });
      expect(body.time).toBeGreaterThanOrEqual(before);
      expect(body.time).toBeLessThanOrEqual(Date.now());
      expect((await stored(2)).body.time).toBe(123);
    });

    it('names every problem of an event and sends nothing', async () => {
      const publisher = await publisherOf();
      const wrong = { id: ' x', key: 'a\u0000', time: 'soon', sequence: -1, type: '', extra: 1 } as PublishEvent;
      const error = await publisher.publish(wrong).catch((cause: unknown) => cause);
      expect(error).toMatchObject({ code: 'REQUEST_INVALID' });
      const { problems } = error as { problems: readonly string[] };
      for (const part of ['id', 'key', 'time', 'sequence', 'type', 'extra'])
        expect(problems).toContainEqual(expect.stringContaining(part));
      const circular: Record<string, unknown> = {};
      circular.self = circular;
      for (const data of [circular, 1n]) await expect(publisher.publish({ key: 'k', data })).rejects.toThrow(/JSON/);
      await publisher.publish({ key: 'k' });
      expect(await countStored()).toBe(1);
    });

    it('says what the server does not take, and stores nothing of it', async () => {
      const publisher = await publisherOf();
      const large = publisher.publish({ key: 'k', data: 'x'.repeat(1_100_000) });
      await expect(large).rejects.toMatchObject({ code: 'EVENT_TOO_LARGE' });
      const nowhere = await publisherOf({ publishSubject: 'nobody.{key}', deadlineMs: 1_000 });
      await expect(nowhere.publish({ key: 'k' })).rejects.toMatchObject({ code: 'STREAM_MISSING' });
      const other = await publisherOf({ stream: 'OTHER' });
      await expect(other.publish({ key: 'k' })).rejects.toMatchObject({ code: 'STREAM_UNSUITABLE' });
      const right = await publisherOf({ stream: stream.name });
      expect(await right.publish({ key: 'k' })).toMatchObject({ sequence: 1 });
      await nats.jsm.streams.update(stream.name, { max_msg_size: 200 });
      const longer = publisher.publish({ key: 'k', data: 'x'.repeat(300) });
      await expect(longer).rejects.toMatchObject({ code: 'EVENT_TOO_LARGE' });
      expect(await countStored()).toBe(1);
    });

    it('publishes all, from a list and from a stream, and answers in the order given', async () => {
      const publisher = await publisherOf({ inFlightMax: 100 });
      const fromList = await publisher.publishAll(many(2_000));
      expect(fromList.map(({ sequence }) => sequence)).toEqual(range(1, 2_000));
      async function* source(): AsyncGenerator<PublishEvent> {
        yield* many(500);
      }
      const fromStream = await publisher.publishAll(source());
      expect(fromStream.map(({ sequence }) => sequence)).toEqual(range(2_001, 2_500));
      expect(await publisher.publishAll([])).toEqual([]);
      expect((await stored(2_500)).body.data).toBe(500);
    });

    it('takes no more from a source than may be on its way', async () => {
      const publisher = await publisherOf({ inFlightMax: 10 });
      let taken = 0;
      function* source(): Generator<PublishEvent> {
        for (const event of many(30)) {
          taken++;
          yield event;
        }
      }
      proxy.hold('answers');
      const published = publisher.publishAll(source());
      await until(async () => (await countStored()) === 10, 10_000, '10 stored events');
      expect(taken).toBe(10);
      proxy.heal();
      expect(await published).toHaveLength(30);
    });

    it('stops at the first event that fails and says which', async () => {
      const publisher = await publisherOf({ inFlightMax: 2 });
      let taken = 0;
      function* source(): Generator<PublishEvent> {
        for (const key of ['a', 'b', ' c', 'd', 'e', 'f', 'g']) {
          taken++;
          yield { key };
        }
      }
      const failed = publisher.publishAll(source());
      await expect(failed).rejects.toMatchObject({
        code: 'REQUEST_INVALID',
        message: expect.stringMatching(/^event 2: /),
      });
      expect(taken).toBeLessThan(7);
      expect(await countStored()).toBeLessThan(6);
      async function* broken(): AsyncGenerator<PublishEvent> {
        yield { key: 'x' };
        throw new Error('the source broke');
      }
      await expect(publisher.publishAll(broken())).rejects.toThrow('the source broke');
    });

    it.each([
      ['a random id', undefined, false],
      ['a given id', 'mine', true],
    ])('sends an event with %s again when its answer was lost, and stores it once', async (_what, id, duplicate) => {
      const publisher = await publisherOf();
      const { swallowed } = proxy;
      proxy.swallow('answers');
      const published = publisher.publish({ id, key: 'k' });
      await until(() => proxy.swallowed > swallowed, 10_000, 'an answer that is lost');
      expect(await countStored()).toBe(1);
      proxy.heal();
      expect(await published).toMatchObject({ sequence: 1, duplicate });
      expect(await countStored()).toBe(1);
    });

    it.each(['restarted', 'killed'] as const)('stores all events once while the server is %s', async (fault) => {
      const publisher = await publisherOf({ inFlightMax: 200 });
      let faulted: Promise<void> | undefined;
      const breakServer = async (): Promise<void> => {
        if (fault === 'killed') await nats.server.kill();
        await nats.server.restart();
      };
      function* source(): Generator<PublishEvent> {
        for (const [index, event] of many(5_000).entries()) {
          if (index === 2_000) faulted = breakServer();
          yield event;
        }
      }
      const receipts = await publisher.publishAll(source());
      await faulted;
      await nats.back();
      expect(await countStored()).toBe(5_000);
      expect(receipts.map(({ sequence }) => sequence).sort((a, b) => a - b)).toEqual(range(1, 5_000));
      const sample = receipts[2_100]!;
      expect((await stored(sample.sequence)).body.data).toBe(2_101);
    });

    it('gives up after the deadline and says that the event may be stored', async () => {
      const publisher = await publisherOf({ deadlineMs: 300 });
      proxy.block();
      const gaveUp = publisher.publish({ id: 'late', key: 'k' });
      await expect(gaveUp).rejects.toMatchObject({
        code: 'NATS_UNREACHABLE',
        message: expect.stringContaining('"late"'),
      });
    });

    it('closes when everything is acknowledged, and its own connection only', async () => {
      const own = await publisherOf();
      proxy.hold('answers');
      const last = own.publish({ key: 'k' });
      const closed = own.close();
      await expect(own.publish({ key: 'k' })).rejects.toMatchObject({ code: 'REQUEST_INVALID' });
      proxy.heal();
      expect(await last).toMatchObject({ sequence: 1 });
      await closed;
      const guest = await publisherOf({ connection: nats.connection });
      await guest.publish({ key: 'k' });
      await guest.close();
      expect(nats.connection.isClosed()).toBe(false);
      expect(await countStored()).toBe(2);
    });
  });
}

it('refuses wrong options, all at once', async () => {
  const wrong = { publishSubject: 'a.*', partitions: 0, inFlightMax: 1.5, deadlineMs: Number.NaN };
  const error = await createPublisher(wrong).catch((cause: unknown) => cause);
  expect(error).toMatchObject({ code: 'OPTIONS_INVALID' });
  expect((error as { problems: unknown[] }).problems).toHaveLength(4);
});

it('says so where no server answers', async () => {
  const signal = AbortSignal.timeout(50);
  const nobody = createPublisher({ url: 'nats://127.0.0.1:1', signal });
  await expect(nobody).rejects.toMatchObject({ code: 'NATS_UNREACHABLE' });
});

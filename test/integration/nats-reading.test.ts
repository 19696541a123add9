/**
 * Readings of JetStream under real faults: the server restarts, is killed, freezes; consumers are deleted; connections
 * are cut, blocked and half open. Whatever happens, every event is delivered once and in order (R1, R3, R4).
 */
import { cp, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { NatsConnection } from '@nats-io/nats-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { connectNats } from '../../src/adapters/nats/connect-nats.js';
import { JetStreamLog } from '../../src/adapters/nats/jetstream-log.js';
import type { Reading } from '../../src/ports/event-log.js';
import { natsBinaries } from '../support/nats-binaries.js';
import { type FixtureStream, NatsFixture } from '../support/nats-fixture.js';
import { RecordingSink, range } from '../support/recording-sink.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { until } from '../support/until.js';

const total = 50_000;
const heartbeatMs = 250;
/** A heartbeat that no busy machine misses. */
const PATIENT_MS = 5_000;

// Most of this is waiting: the servers are tried at the same time, and what is done to one of them one after the other.
const it = test.sequential;

for (const binary of await natsBinaries()) {
  describe.concurrent(`reading from nats-server ${binary.version}`, () => {
    let nats: NatsFixture;
    let proxy: TcpProxy;
    let connection: NatsConnection;
    let log: JetStreamLog;
    let stream: FixtureStream;
    let sink: RecordingSink;
    let reading: Reading | undefined;
    let restarts: string[];

    beforeAll(async () => {
      nats = await NatsFixture.start(binary);
    });
    afterAll(() => nats?.close());

    beforeEach(async () => {
      await nats.back();
      restarts = [];
      proxy = await TcpProxy.start(nats.server.port);
      connection = await connectNats({ url: `nats://127.0.0.1:${proxy.port}` }, 'reader', () => {});
      log = logWith(heartbeatMs);
      stream = await nats.newStream();
      sink = new RecordingSink({ bytes: false });
    });
    const logWith = (proofMs: number): JetStreamLog =>
      new JetStreamLog({
        connection,
        consumerPrefix: 'reader',
        heartbeatMs: proofMs,
        pullBytes: 1_000_000,
        log: (_level, event, fields) => restarts.push(`${event} ${JSON.stringify(fields)}`),
      });
    afterEach(async () => {
      await reading?.stop();
      reading = undefined;
      await connection.close();
      await proxy.close();
      await nats.jsm.streams.delete(stream.name);
    });

    /** Waits until the reader's connection is there again; what is asked before is lost. */
    const connected = (): Promise<void> => {
      const isConnected = (): Promise<boolean> =>
        connection.rtt().then(
          () => true,
          () => false,
        );
      return until(isConnected, 10_000, 'the connection of the reader');
    };

    /** Reads 50,000 events, does `fault` while event 20,000 is delivered, and wants each event once and in order. */
    const readThrough = async (fault: () => Promise<void>): Promise<void> => {
      await nats.storeMany(stream, total);
      let faulted: Promise<void> | undefined;
      sink.onEvent = (sequence) => {
        if (sequence === 20_000) faulted = fault();
      };
      reading = await log.read(stream.name, 1, sink);
      await sink.reached(total, 40_000);
      await faulted;
      await sink.idled();
      expect(sink.failure).toBeUndefined();
      expect(sink.sequences).toEqual(range(1, total));
      expect(restarts).not.toEqual([]);
    };

    it('goes on after the server was restarted', () => readThrough(() => nats.server.restart()));

    it('goes on after the server was killed and started again', () =>
      readThrough(async () => {
        await nats.server.kill();
        await nats.server.restart();
      }));

    it('goes on after an administrator deleted its consumer', () =>
      readThrough(async () => {
        for await (const { name } of nats.jsm.consumers.list(stream.name)) {
          await nats.jsm.consumers.delete(stream.name, name);
        }
      }));

    it('goes on after the server stood still', () =>
      readThrough(async () => {
        nats.server.pause();
        await until(() => restarts.length > 0, 20_000, 'the reading to notice');
        nats.server.resume();
      }));

    it('goes on after its connection was cut, again and again', () =>
      readThrough(async () => {
        for (let cuts = 1; cuts <= 3; cuts++) {
          const before = sink.sequences.length;
          proxy.cut();
          await until(() => sink.sequences.length > before + 4_000, 10_000, 'events after the cut');
        }
      }));

    it('goes on after the server was out of reach', () =>
      readThrough(async () => {
        proxy.block();
        await until(() => connection.info === undefined, 10_000, 'the client to notice');
        proxy.heal();
      }));

    it.each([
      ['answers', 1],
      ['requests', 2],
    ] as const)('goes on after its connection was half open: %s were lost', (direction, attempts) =>
      readThrough(async () => {
        proxy.swallow(direction);
        await until(() => restarts.length >= attempts, 20_000, 'the reading to notice and to try again');
        proxy.heal();
      }),
    );

    it('goes on after the network held everything back', () =>
      readThrough(async () => {
        proxy.hold('answers', 'requests');
        await until(() => restarts.length > 0, 20_000, 'the reading to notice');
        proxy.heal();
      }));

    it.each(['by the next one', 'by a heartbeat'])('R1: notices a lost event %s, and delivers it', async (by) => {
      reading = await logWith(by === 'by a heartbeat' ? 1_000 : PATIENT_MS).read(stream.name, 1, sink);
      await nats.store(`${stream.prefix}a`, 'first');
      await sink.reached(1);
      proxy.dropOnce('answers', 'lost-on-the-way');
      await nats.store(`${stream.prefix}a`, 'lost-on-the-way');
      await until(() => proxy.dropped === 1, 10_000, 'the loss');
      if (by === 'by the next one') await nats.store(`${stream.prefix}a`, 'last');
      const count = (await log.info(stream.name)).last;
      await sink.reached(count);
      expect(sink.sequences).toEqual(range(1, count));
      expect(restarts).toEqual([expect.stringMatching(/messages? 2 .*of the consumer did not arrive/)]);
    });

    it('starts over as soon as there is a new connection', async () => {
      reading = await logWith(PATIENT_MS).read(stream.name, 1, sink);
      proxy.cut();
      await until(() => restarts.length > 0, 10_000, 'a restart');
      expect(restarts).toEqual([expect.stringContaining('the connection was lost')]);
      await nats.storeMany(stream, 3);
      await sink.reached(3);
    });

    it('reads events that fill requests by their size without starting over', async () => {
      const body = 'x'.repeat(50_000);
      for (let n = 1; n <= 200; n++) await nats.store(`${stream.prefix}a`, body);
      reading = await logWith(PATIENT_MS).read(stream.name, 1, sink);
      await sink.reached(200);
      expect(sink.sequences).toEqual(range(1, 200));
      expect(restarts).toEqual([]);
    });

    it('notices a consumer that was removed while it was paused', async () => {
      await nats.storeMany(stream, 10_000);
      reading = await log.read(stream.name, 1, sink);
      sink.onEvent = () => reading?.pause();
      await sink.reached(1);
      for await (const { name } of nats.jsm.consumers.list(stream.name)) {
        await nats.jsm.consumers.delete(stream.name, name);
      }
      sink.onEvent = () => {};
      reading.resume();
      await sink.reached(10_000);
      expect(sink.sequences).toEqual(range(1, 10_000));
    });

    it('fails when its connection is closed for good, and leaves no consumer behind when it is stopped', async () => {
      reading = await log.read(stream.name, 1, sink);
      await sink.idled();
      await reading.stop();
      expect(await nats.jsm.consumers.list(stream.name).next()).toEqual([]);
      const other = new RecordingSink();
      await log.read(stream.name, 1, other);
      await connection.close();
      expect(await other.ended()).toMatchObject({ code: 'NATS_UNREACHABLE' });
      expect(sink.failure).toBeUndefined();
    });

    describe.sequential('R2: the server lost its tail', () => {
      const jetstream = (): string => join(nats.server.dir, 'jetstream');
      const snapshot = (): string => join(nats.server.dir, 'snapshot');

      const keepCopy = async (): Promise<void> => {
        await nats.server.stop();
        await cp(jetstream(), snapshot(), { recursive: true });
        await nats.server.restart();
        await nats.back();
      };
      /** Stores 1 to 100, keeps a copy of the data, and stores 101 to 120. */
      const grow = async (): Promise<void> => {
        await nats.storeMany(stream, 100);
        await keepCopy();
        await nats.storeMany(stream, 20);
        await connected();
      };
      /** Goes back to the copy: 101 to 120 are gone, and `again` other events take their numbers. */
      const loseTail = async (again: number): Promise<void> => {
        await nats.server.stop();
        await rm(jetstream(), { recursive: true });
        await rename(snapshot(), jetstream());
        await nats.server.restart();
        await nats.back();
        await nats.storeMany(stream, again);
      };
      const regression = expect.objectContaining({ code: 'REGRESSION', message: expect.stringContaining(' 120 ') });

      it('and has not used its numbers again: REGRESSION', async () => {
        await grow();
        reading = await log.read(stream.name, 1, sink);
        await sink.reached(120);
        await loseTail(0);
        expect(await sink.ended()).toEqual(regression);
        expect(sink.sequences).toEqual(range(1, 120));
      });

      it('and has used its numbers again, and more: REGRESSION, and none of them is delivered', async () => {
        await grow();
        reading = await log.read(stream.name, 1, sink);
        await sink.reached(120);
        proxy.block();
        await loseTail(30);
        proxy.heal();
        expect(await sink.ended()).toEqual(regression);
        expect(sink.sequences).toEqual(range(1, 120));
      });

      it('and the reading has delivered nothing yet: REGRESSION', async () => {
        await grow();
        reading = await log.read(stream.name, 121, sink);
        await sink.idled();
        proxy.block();
        await loseTail(30);
        proxy.heal();
        expect(await sink.ended()).toEqual(regression);
        expect(sink.sequences).toEqual([]);
      });

      it('and nothing of it was read: the reading goes on with what is there', async () => {
        await nats.storeMany(stream, 100);
        reading = await log.read(stream.name, 1, sink);
        await sink.reached(100);
        proxy.block();
        await keepCopy();
        await nats.storeMany(stream, 20);
        await loseTail(30);
        proxy.heal();
        await sink.reached(130);
        expect(sink.sequences).toEqual(range(1, 130));
        expect(sink.failure).toBeUndefined();
      });

      it('by being deleted and created anew: REGRESSION', async () => {
        await nats.storeMany(stream, 10);
        reading = await log.read(stream.name, 1, sink);
        await sink.reached(10);
        proxy.block();
        await nats.jsm.streams.delete(stream.name);
        await nats.jsm.streams.add({ name: stream.name, subjects: [`${stream.prefix}>`] });
        await nats.storeMany(stream, 20);
        proxy.heal();
        expect(await sink.ended()).toMatchObject({ code: 'REGRESSION' });
        expect(sink.sequences).toEqual(range(1, 10));
      });
    });
  });
}

/**
 * Three servers, a stream with three replicas, and its leader killed while it is written and read: every event is
 * stored once and read once, in order. On the oldest version to be had, whose elections take longest.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { connectNats } from '../../src/adapters/nats/connect-nats.js';
import { JetStreamLog } from '../../src/adapters/nats/jetstream-log.js';
import { ensureStream } from '../../src/adapters/nats/provision.js';
import type { PublishEvent } from '../../src/client/publisher.js';
import { createPublisher } from '../../src/compose/publisher.js';
import { locateServer } from '../../src/services/binaries.js';
import { freePort } from '../../src/services/free-port.js';
import { startNatsServer } from '../../src/services/nats-server.js';
import type { RunningServer } from '../../src/services/server-process.js';
import { RecordingSink, range } from '../support/recording-sink.js';
import { until } from '../support/until.js';

const total = 10_000;
const settings = {
  name: 'EVENTS',
  subjects: ['events.*'],
  replicas: 3,
  maxAgeMs: 0,
  maxBytes: 0,
  duplicateWindowMs: 120_000,
};

let dir: string;
let servers: readonly RunningServer[] = [];
let connection: NatsConnection;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'millrace-cluster-'));
  const binary = await locateServer('nats');
  const ports = await Promise.all([freePort(), freePort(), freePort()]);
  const routes = ports.map((port) => `"nats://127.0.0.1:${port}"`).join(', ');
  servers = await Promise.all(
    ports.map((port, n) => {
      const extraConfig = `server_name: s${n}\ncluster { name: C, listen: "127.0.0.1:${port}", routes: [${routes}] }`;
      return startNatsServer({ binary, dir: join(dir, `s${n}`), ready: 'listening', extraConfig });
    }),
  );
  connection = await connectNats({ url: servers.map(({ url }) => url).join(',') }, 'reader', () => {});
});
afterAll(async () => {
  await connection?.close();
  await Promise.all(servers.map((server) => server.stop()));
  await rm(dir, { recursive: true, force: true });
});

it('stores and reads every event once while the leader of the stream is killed', async () => {
  // Before the servers have found each other they refuse, or do not answer.
  const isMade = () =>
    ensureStream(connection, settings, { create: true }).then(
      () => true,
      () => false,
    );
  await until(isMade, 60_000, 'the stream');
  const jsm = await jetstreamManager(connection, { checkAPI: false });
  const options = { consumerPrefix: 'test', heartbeatMs: 250, pullBytes: 1_000_000, log: () => {} };
  const sink = new RecordingSink({ bytes: false });
  const reading = await new JetStreamLog({ connection, ...options }).read('EVENTS', 1, sink);
  const publisher = await createPublisher({ url: servers.map(({ url }) => url).join(',') });

  const killLeader = async (): Promise<void> => {
    const { cluster } = await jsm.streams.info('EVENTS');
    const leader = servers[Number(cluster?.leader?.slice(1))]!;
    await leader.kill();
    await until(() => sink.sequences.length > 4_500, 60_000, 'events under the next leader');
    await leader.restart();
  };
  let killed: Promise<void> | undefined;
  function* source(): Generator<PublishEvent> {
    for (let n = 1; n <= total; n++) {
      if (n === 4_000) killed = killLeader();
      yield { key: `key-${n % 50}`, data: n };
    }
  }
  const receipts = await publisher.publishAll(source());
  await killed;
  expect(receipts.map(({ sequence }) => sequence).sort((a, b) => a - b)).toEqual(range(1, total));
  await sink.reached(total, 60_000);
  expect(sink.sequences).toEqual(range(1, total));
  expect(sink.failure).toBeUndefined();
  await reading.stop();
  await publisher.close();
}, 180_000);

/** A real nats-server for the contracts of what is kept in NATS KV. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { NatsConnection } from '@nats-io/nats-core';
import { connect } from '@nats-io/transport-node';
import { afterAll, beforeAll } from 'vitest';
import { locateServer } from '../../src/services/binaries.js';
import { startNatsServer } from '../../src/services/nats-server.js';
import type { RunningServer } from '../../src/services/server-process.js';

/** Both are there while the tests of the file run. */
export interface NatsUnderTest {
  server: RunningServer;
  nc: NatsConnection;
}

/** Started before the tests of the file, ended after them. */
export function natsUnderTest(): Readonly<NatsUnderTest> {
  const nats = {} as NatsUnderTest;
  let dir: string;
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'millrace-nats-'));
    nats.server = await startNatsServer({ binary: await locateServer('nats'), dir });
    nats.nc = await connect({ servers: nats.server.url, maxReconnectAttempts: -1, reconnectTimeWait: 50 });
  }, 300_000);
  afterAll(async () => {
    await nats.nc?.close();
    await nats.server?.kill();
    await rm(dir, { recursive: true, force: true });
  });
  return nats;
}

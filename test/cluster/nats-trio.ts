/** Three nats-servers on this machine that are one cluster, with a stream and a bucket of three copies. */
import { join } from 'node:path';
import type { NatsConnection } from '@nats-io/nats-core';
import { connect } from '@nats-io/transport-node';
import { provision } from '../../src/compose/provision.js';
import { codeOf } from '../../src/errors.js';
import { defaultOptions } from '../../src/options/resolve.js';
import type { OptionsInput } from '../../src/options/types.js';
import type { ServerBinary } from '../../src/services/binaries.js';
import { freePort } from '../../src/services/free-port.js';
import { startNatsServer } from '../../src/services/nats-server.js';
import type { RunningServer } from '../../src/services/server-process.js';
import { until } from '../support/until.js';

export interface NatsTrio {
  readonly servers: readonly RunningServer[];
  readonly url: string;
  readonly nc: NatsConnection;
  stop(): Promise<void>;
}

const FOUND_MS = 60_000;

export async function startNatsTrio(binary: ServerBinary, dir: string): Promise<NatsTrio> {
  const ports = await Promise.all([freePort(), freePort(), freePort()]);
  const routes = ports.map((port) => `"nats://127.0.0.1:${port}"`).join(', ');
  const servers = await Promise.all(
    ports.map((port, n) => {
      const extraConfig = `server_name: s${n}\ncluster { name: C, listen: "127.0.0.1:${port}", routes: [${routes}] }`;
      return startNatsServer({ binary, dir: join(dir, `nats-${n}`), ready: 'listening', extraConfig });
    }),
  );
  const urls = servers.map(({ url }) => url);
  const nc = await connect({ servers: urls, maxReconnectAttempts: -1, reconnectTimeWait: 50 });
  const stop = async (): Promise<void> => {
    await nc.close();
    await Promise.all(servers.map((server) => server.kill()));
  };
  return { servers, url: urls.join(','), nc, stop };
}

/** Makes stream and bucket. Servers that have not found each other yet refuse, or do not answer. */
export async function provisionTrio(input: OptionsInput): Promise<void> {
  let last: unknown;
  const isMade = (): Promise<boolean> =>
    provision(defaultOptions(input), () => undefined, { create: true, move: false }).then(
      () => true,
      (error: unknown) => {
        last = error;
        return false;
      },
    );
  await until(isMade, FOUND_MS, () => `stream and bucket; the last answer was ${codeOf(last)}: ${String(last)}`);
}

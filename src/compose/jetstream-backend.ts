/** Events in JetStream, checkpoints in Redis, ownership in NATS KV. */
import { randomBytes } from 'node:crypto';
import type { NatsConnection } from '@nats-io/nats-core';
import { JetStreamLog } from '../adapters/nats/jetstream-log.js';
import { JetStreamSink } from '../adapters/nats/jetstream-sink.js';
import { type ServiceOptions, serveMicro } from '../adapters/nats/micro-service.js';
import { NatsKvCoordinator } from '../adapters/nats/nats-kv-coordinator.js';
import { NatsKvMembership } from '../adapters/nats/nats-kv-membership.js';
import { ensureStream } from '../adapters/nats/provision.js';
import { StreamHistory } from '../adapters/nats/stream-history.js';
import { checkRedis } from '../adapters/redis/check-redis.js';
import { RedisCheckpointStore } from '../adapters/redis/redis-checkpoint-store.js';
import type { StreamGeneration } from '../core/position/stream-generations.js';
import type { Options } from '../options/types.js';
import type { LogLine } from '../ports/log.js';
import type { StateReader } from '../runtime/state-reader.js';
import { answerStateRequest } from '../runtime/state-request.js';
import { packageVersion } from '../services/package-version.js';
import { type Backend, heartbeatMs } from './backend.js';
import { layoutOf } from './layout.js';
import { openServices } from './services.js';
import { streamSettings } from './streams.js';

export async function openJetStreamBackend(options: Options, line: LogLine, signal?: AbortSignal): Promise<Backend> {
  const { nats, redis } = await openServices(options, line, signal);
  const { app, node } = options;
  const store = new RedisCheckpointStore({ app, redis });
  const incarnation = randomBytes(16).toString('hex');
  const coordinator = new NatsKvCoordinator({ nc: nats, app, node, incarnation });
  const membership = new NatsKvMembership({ nc: nats, app, node, incarnation, line });
  const close = async (): Promise<void> => {
    await coordinator.close();
    await Promise.all([nats.close(), store.close()]);
  };
  let generations: readonly StreamGeneration[];
  try {
    await checkRedis(redis);
    await coordinator.checkLayout(layoutOf(options));
    generations = await streamsOf(nats, options, line);
  } catch (error) {
    await close();
    throw error;
  }
  const log = new JetStreamLog({
    connection: nats,
    consumerPrefix: `millrace-${app}`,
    heartbeatMs: heartbeatMs(options),
    pullBytes: Math.floor(options.limits.inFlightBytes / 4),
    log: line,
  });
  const answerRequests = (reader: StateReader): (() => void) =>
    serveMicro(microService(nats, options, incarnation, reader));
  return { log, sink: new JetStreamSink(nats), store, coordinator, membership, generations, answerRequests, close };
}

/** The node as `nats micro ls` shows it. */
function microService(
  connection: NatsConnection,
  { app, node, stream, partitions }: Options,
  incarnation: string,
  reader: StateReader,
): ServiceOptions {
  const answer = (request: Uint8Array): Promise<unknown> => answerStateRequest(request, reader);
  return {
    connection,
    name: `millrace-${app}`,
    id: incarnation,
    version: packageVersion(),
    description: 'Ordered, exactly-once state per key',
    metadata: { app, node, stream: stream.name, partitions: String(partitions) },
    endpoints: [{ name: 'state-get', subject: `millrace.${app}.state.get`, answer }],
  };
}

/** Compares before it looks at the streams, and notes them only where they are. */
async function streamsOf(nats: NatsConnection, options: Options, line: LogLine): Promise<readonly StreamGeneration[]> {
  const history = new StreamHistory(nats, options.app);
  await history.expect(options.stream);
  for (const settings of streamSettings(options)) {
    const { stream, warnings } = await ensureStream(nats, settings, { create: false });
    for (const warning of warnings) line('warn', 'stream.warning', { stream, warning });
  }
  return history.begin(options.stream);
}

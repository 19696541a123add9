/** Composition root of a node: connects, checks, and puts the parts together. */
import type { NatsConnection } from '@nats-io/nats-core';
import type { Redis } from 'ioredis';
import { JetStreamLog } from '../adapters/nats/jetstream-log.js';
import { JetStreamSink } from '../adapters/nats/jetstream-sink.js';
import { NatsKvCoordinator } from '../adapters/nats/nats-kv-coordinator.js';
import { PiscinaThreads } from '../adapters/piscina/piscina-threads.js';
import { checkRedis } from '../adapters/redis/check-redis.js';
import { RedisCheckpointStore } from '../adapters/redis/redis-checkpoint-store.js';
import { systemClock } from '../adapters/system/system-clock.js';
import { RECORD_FORMAT } from '../core/checkpoint/record.js';
import { PARTITION_HASH } from '../core/key/partition.js';
import type { HostOptions } from '../host/host-options.js';
import type { Options } from '../options/types.js';
import type { EventSink } from '../ports/event-log.js';
import type { LogLine } from '../ports/log.js';
import { keyRoute } from '../runtime/key-route.js';
import { Node } from '../runtime/node.js';
import { StateReader } from '../runtime/state-reader.js';
import type { HostSetup } from './host.js';
import { openServices, redisSettings } from './services.js';

/** A node and what its faces need. */
export interface ComposedNode {
  readonly node: Node;
  readonly reader: StateReader;
  readonly sink: EventSink;
  readonly store: RedisCheckpointStore;
  readonly nats: NatsConnection;
  readonly redis: Redis;
  /** Drains the node and closes the connections. */
  close(): Promise<void>;
}

/** What nobody sets but a test that cannot wait so long. */
export interface NodeTuning {
  /** A thread that says nothing for so long is ended and replaced, ms. */
  readonly silentMsMax?: number | undefined;
}

const DRAIN_MS_MAX = 20_000;
const HEARTBEAT_MS_MIN = 100;

/**
 * Connects to the services (waiting for them until `signal` aborts), checks that they are suitable, and builds the
 * node. Call `node.start()` next. Throws MillraceErrors of category `misuse` for what a person must change.
 */
export async function composeNode(
  options: Options,
  line: LogLine,
  signal?: AbortSignal,
  tuning: NodeTuning = {},
): Promise<ComposedNode> {
  const { nats, redis } = await openServices(options, line, signal);
  const store = new RedisCheckpointStore({ app: options.app, redis });
  try {
    await checkRedis(redis);
    const { app, partitions } = options;
    const coordinator = new NatsKvCoordinator({ nc: nats, app, node: options.node, partitions });
    await coordinator.checkLayout({ partitions, hash: PARTITION_HASH, format: RECORD_FORMAT });
    const sink = new JetStreamSink(nats);
    const node = new Node(
      {
        name: options.node,
        stream: options.stream.name,
        partitions,
        threads: options.threads,
        acceptGap: options.acceptGap,
        inFlightBytesMax: options.limits.inFlightBytes,
        drainMsMax: DRAIN_MS_MAX,
        silentMsMax: tuning.silentMsMax,
      },
      {
        log: jetStreamLog(nats, options, line),
        sink,
        coordinator,
        threads: new PiscinaThreads<HostSetup>({
          entry: new URL('../../workers/host.js', import.meta.url).href,
          slots: options.threads,
          setup: (slot) => hostSetup(options, slot),
        }),
        clock: systemClock,
        route: keyRoute({ key: options.event.format.key, partition: options.event.partition, partitions }),
        line,
        defer: setImmediate,
      },
    );
    return {
      node,
      reader: new StateReader(store, systemClock, partitions),
      sink,
      store,
      nats,
      redis,
      close: async () => {
        await node.drain();
        await coordinator.close();
        await Promise.all([nats.close(), store.close()]);
      },
    };
  } catch (error) {
    await Promise.all([nats.close(), store.close()]);
    throw error;
  }
}

function jetStreamLog(connection: NatsConnection, options: Options, log: LogLine): JetStreamLog {
  return new JetStreamLog({
    connection,
    consumerPrefix: `millrace-${options.app}`,
    // A quiet partition is released when the server has proven twice within the idle time that nothing waits.
    heartbeatMs: Math.max(HEARTBEAT_MS_MIN, Math.min(500, Math.floor(options.order.idleMs / 2))),
    pullBytes: Math.floor(options.limits.inFlightBytes / 4),
    log,
  });
}

function hostSetup(options: Options, slot: number): HostSetup {
  const { app, node, handler, handlerOptions, statusSink } = options;
  const redis = redisSettings(options);
  return { app, node, handler, handlerOptions, redis, statusSink, host: hostOptions(options, slot) };
}

/** What the options say to a host. */
function hostOptions(options: Options, slot: number): HostOptions {
  const { app, partitions, order, dedupe, limits, event, checkpoint } = options;
  return {
    slot,
    stream: options.stream.name,
    checkpointMs: checkpoint.intervalMs,
    checkpointBytes: checkpoint.bytes,
    decoder: {
      format: event.format,
      limits: { payloadBytesMax: limits.payloadBytes, headerBytesMax: limits.headerBytes },
      idRequired: !dedupe.idempotent,
      partitions,
      checkPartition: event.partition.kind === 'token',
    },
    actor: {
      layout: { app, partitions, hash: PARTITION_HASH },
      order: order.mode,
      settleMs: order.settleMs,
      idleMs: order.idleMs,
      late: order.late,
      firstNumber: order.first,
      gapMs: order.gapTimeoutMs,
      gap: order.gap,
      poison: order.poison,
      aheadMsMax: order.aheadMaxMs,
      ahead: order.ahead,
      dedupe: dedupe.idempotent ? undefined : { horizonMs: dedupe.horizonMs, idsMax: dedupe.ids },
      bufferEventsMax: limits.bufferEvents,
      bufferBytesMax: limits.bufferBytes,
      residentKeysMax: limits.residentKeys,
      residentBytesMax: limits.residentBytes,
      deadLettersMax: limits.deadLetters,
      parkedMax: limits.parked,
    },
  };
}

/** Composition root of a host thread: the only place on that side that knows the adapters. */
import { randomBytes } from 'node:crypto';
import type { MessagePort } from 'node:worker_threads';
import { RedisCheckpointStore } from '../adapters/redis/redis-checkpoint-store.js';
import { untilRedisReady } from '../adapters/redis/redis-connection.js';
import { systemClock } from '../adapters/system/system-clock.js';
import type { HandlerOptions } from '../handlers/define-actor.js';
import { loadHandler } from '../handlers/load-handler.js';
import { Host } from '../host/host.js';
import type { HostOptions } from '../host/host-options.js';
import type { LogLine } from '../ports/log.js';
import { faultOf } from '../protocol/fault.js';
import type { Fault, HostToMain, MainToHost } from '../protocol/messages.js';
import type { RedisSettings } from './services.js';
import { openRedis } from './services.js';

const CONNECT_MS = 2_000;

/** What a host thread is started with. Plain data: it crosses a thread edge. */
export interface HostSetup {
  readonly app: string;
  readonly node: string;
  readonly handler: string;
  readonly handlerOptions: HandlerOptions;
  readonly redis: RedisSettings;
  readonly host: HostOptions;
}

/** Runs a host on `port` until it is drained; settles with why it could not start, or with undefined. */
export async function runHost(setup: HostSetup, port: MessagePort): Promise<Fault | undefined> {
  const post = (message: HostToMain, transfer?: ArrayBuffer[]): void => port.postMessage(message, transfer ?? []);
  const log: LogLine = (level, event, fields) => post({ kind: 'log', level, event, fields });
  try {
    const handler = await loadHandler(setup.handler, setup.handlerOptions);
    const { app, redis: settings, host: options } = setup;
    const redis = openRedis(settings, `millrace-${app}-${setup.node}-${options.slot}`, log);
    const store = new RedisCheckpointStore({ app, redis });
    // Else the first claims of a node would all fail and be logged. Not for long: the start has a deadline.
    await untilRedisReady(redis, CONNECT_MS).catch(() => undefined);
    await new Promise<void>((resolve) => {
      const host = new Host(options, {
        store,
        handler,
        clock: systemClock,
        log,
        defer: setImmediate,
        nonce: () => randomBytes(16).toString('hex'),
        heapBytes: () => process.memoryUsage().heapUsed,
        post: (message, transfer) => {
          post(message, transfer);
          if (message.kind === 'drained') resolve();
        },
      });
      port.on('message', (message: MainToHost) => host.receive(message));
      post({ kind: 'started' });
    });
    await store.close();
    return undefined;
  } catch (error) {
    return faultOf(error);
  } finally {
    port.close();
  }
}

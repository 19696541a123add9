/** Composition root of a host thread: the only place on that side that knows the adapters. */
import { randomBytes } from 'node:crypto';
import type { MessagePort } from 'node:worker_threads';
import { PostgresStatusSink } from '../adapters/postgres-sink/postgres-status-sink.js';
import { SinkConnection } from '../adapters/postgres-sink/sink-connection.js';
import { systemClock } from '../adapters/system/system-clock.js';
import type { HandlerOptions } from '../handlers/define-actor.js';
import { loadHandler } from '../handlers/load-handler.js';
import { EventAges } from '../host/event-ages.js';
import { HandlerMeter } from '../host/handler-meter.js';
import { Host } from '../host/host.js';
import type { HostOptions } from '../host/host-options.js';
import { SinkingStore } from '../host/sinking-store.js';
import type { LogLine } from '../ports/log.js';
import type { StateSource, StatusSink } from '../ports/status-sink.js';
import { faultOf } from '../protocol/fault.js';
import type { Fault, HostToMain, MainToHost } from '../protocol/messages.js';
import { openStore, type StoreSettings } from './store.js';

/** Not for long, because a thread's start has a deadline, and what is away is tried again at each use. */
const CONNECT_MS = 2_000;
/** A database that is away does not hold up a drain for longer. */
const SINK_SETTLE_MS = 3_000;

/** What a host thread is started with. Plain data: it crosses a thread edge. */
export interface HostSetup {
  readonly app: string;
  readonly node: string;
  readonly handler: string;
  readonly handlerOptions: HandlerOptions;
  readonly store: StoreSettings;
  /** URL of the status sink's database, if there is one. */
  readonly statusSink: string | undefined;
  readonly host: HostOptions;
}

/** Runs a host on `port` until it is drained; settles with why it could not start, or with undefined. */
export async function runHost(setup: HostSetup, port: MessagePort): Promise<Fault | undefined> {
  const post = (message: HostToMain, transfer?: ArrayBuffer[]): void => port.postMessage(message, transfer ?? []);
  const log: LogLine = (level, event, fields) => post({ kind: 'log', level, event, fields });
  try {
    const handler = await loadHandler(setup.handler, setup.handlerOptions);
    const { app, host: options } = setup;
    const opened = await openStore(setup.store, app, `millrace-${app}-${setup.node}-${options.slot}`, log);
    // Else the first claims of a node would all fail and be logged. A Redis that stays away says so at each use.
    if (setup.store.kind === 'redis') await opened.untilReady(CONNECT_MS).catch(() => undefined);
    const sink = openSink(setup, opened.store, log);
    const store = sink === undefined ? opened.store : new SinkingStore(opened.store, sink);
    await new Promise<void>((resolve) => {
      const ages = new EventAges(systemClock);
      const meter = new HandlerMeter(() => performance.now(), ages);
      const host = new Host(options, {
        store: ages.around(store),
        handler: meter.around(handler),
        handlerReport: () => meter.report(),
        clock: systemClock,
        log,
        defer: setImmediate,
        nonce: () => randomBytes(16).toString('hex'),
        heapBytes: () => process.memoryUsage().heapUsed,
        sinkReport: sink === undefined ? undefined : () => sink.report(),
        post: (message, transfer) => {
          if (message.kind !== 'drained') {
            post(message, transfer);
            return;
          }
          // A thread that has drained is ended. What the sink has not written by then, the next owner does.
          void Promise.resolve(sink?.settle(SINK_SETTLE_MS)).then(() => {
            post(message);
            resolve();
          });
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

/** A store that is SQL itself needs none. */
function openSink(
  { app, node, host, store, statusSink }: HostSetup,
  source: StateSource,
  log: LogLine,
): StatusSink | undefined {
  if (statusSink === undefined || store.kind === 'sql') return undefined;
  const connection = new SinkConnection({ url: statusSink, name: `millrace-${app}-${node}-${host.slot}`, log });
  return new PostgresStatusSink({ app, connection, source, clock: systemClock, log });
}

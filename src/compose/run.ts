/**
 * Composition root of everything that runs: a node with its faces, and the services as the commands need them.
 *
 * Life of a node with its faces: probes → services → HTTP → claims → ready → unready → drain → closed. The probes come
 * first and go last, so that whoever watches sees the waiting and the draining.
 */
import type { Log } from '../adapters/pino/pino-log.js';
import { createLog } from '../adapters/pino/pino-log.js';
import { systemClock } from '../adapters/system/system-clock.js';
import { MillraceError } from '../errors.js';
import { serveProbes } from '../http/probes.js';
import { serveHttp } from '../http/serve-http.js';
import { History } from '../observability/history.js';
import { HotSpots } from '../observability/hot-spots.js';
import { NodeMetrics } from '../observability/metrics.js';
import { onePerOutage } from '../observability/outage-line.js';
import { Timeline } from '../observability/timeline.js';
import { defaultOptions } from '../options/resolve.js';
import type { Options, OptionsInput } from '../options/types.js';
import type { EventSink } from '../ports/event-log.js';
import type { LogLine } from '../ports/log.js';
import { retrying } from '../retrying.js';
import { Inquiries } from '../runtime/explain.js';
import type { IngestOptions } from '../runtime/ingest.js';
import { Ingest } from '../runtime/ingest.js';
import type { Node } from '../runtime/node.js';
import type { NodeStatus } from '../runtime/node-status.js';
import type { KeyState, Receipt, StateReader } from '../runtime/state-reader.js';
import type { ComposedNode, NodeTuning } from './node.js';
import { composeNode } from './node.js';

/** Surroundings of a node. */
export interface RunContext {
  readonly line: LogLine;
  /** Ends the waiting for services and claims; a node that runs is stopped with `stop`. */
  readonly signal?: AbortSignal | undefined;
  readonly tuning?: NodeTuning | undefined;
}

/** A node that is ready, with its faces. */
export interface RunningNode {
  /** Base URL of the HTTP API, and of probes and metrics. */
  readonly url: string;
  readonly probesUrl: string;
  readonly node: Node;
  readonly reader: StateReader;
  /** Unready, no new requests, drained, closed. Everything decided is stored when it settles. */
  stop(): Promise<void>;
}

const SAMPLE_MS = 1_000;
const STOPPED_EARLY = 'the node was stopped before it was ready';

/**
 * Starts a node and its faces; settles when its partitions run, or stand still with a reason. Waits for NATS and Redis,
 * and says so in the log. Throws what a person must change; then nothing is left running.
 */
export async function runNode(options: Options, context: RunContext): Promise<RunningNode> {
  const { signal } = context;
  const timeline = new Timeline(() => systemClock.now());
  const line = onePerOutage(timeline.through(context.line));
  const history = new History();
  const hotSpots = new HotSpots(line);
  let composed: ComposedNode | undefined;
  const status = (): NodeStatus | undefined => composed?.node.status();
  const metrics = new NodeMetrics({ status });
  const probes = await serveProbes({ ...options.probes, status, metrics, line });
  const faces: (() => Promise<void>)[] = [];
  const sampling = setInterval(() => sample(history, hotSpots, status()), SAMPLE_MS);
  const stop = once(async () => {
    clearInterval(sampling);
    probes.setDraining();
    // Requests that are under way may wait for what the drain stores.
    await Promise.all([...faces.map((close) => close()), composed?.close()]);
    await probes.close();
    metrics.close();
  });
  try {
    composed = await composeWhenReady(options, { ...context, line });
    const { node, reader, store, sink } = composed;
    const ingest = new Ingest(ingestOptions(options, sink));
    const questions = inquiries(options, composed);
    const seen = { history, timeline, status: () => node.status() };
    const http = await serveHttp({ reader, ingest, store, questions, options, line, ...seen });
    faces.push(() => http.close());
    const isAborted = await Promise.race([node.start().then(() => false), aborted(signal).then(() => true)]);
    if (isAborted) throw new MillraceError('NODE_UNREACHABLE', STOPPED_EARLY);
    line('info', 'node.ready', { url: http.url, probes: probes.url });
    return { url: http.url, probesUrl: probes.url, node, reader, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Nothing is sampled before the node runs: what it finds stored is not its own work. */
function sample(history: History, hotSpots: HotSpots, status: NodeStatus | undefined): void {
  if (status === undefined || status.phase === 'new' || status.phase === 'starting') return;
  history.add(status, systemClock.now());
  hotSpots.look(status, systemClock.now());
}

/** Tries again while a service answers but is not ready for use, until `signal` aborts. */
async function composeWhenReady(options: Options, { line, signal, tuning }: RunContext): Promise<ComposedNode> {
  let last: unknown;
  const attempt = async (): Promise<ComposedNode | undefined> => {
    try {
      return await composeNode(options, line, signal, tuning);
    } catch (error) {
      last = error;
      if (signal?.aborted === true) return undefined;
      throw error;
    }
  };
  const composed = await retrying(systemClock, line, 'services', () => signal?.aborted !== true, attempt);
  if (composed === undefined) throw last ?? new MillraceError('NODE_UNREACHABLE', STOPPED_EARLY);
  return composed;
}

function aborted(signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted === true) resolve();
    signal?.addEventListener('abort', () => resolve(), { once: true });
  });
}

function once(act: () => Promise<void>): () => Promise<void> {
  let done: Promise<void> | undefined;
  return () => {
    done ??= act();
    return done;
  };
}

/** What the options say of events on their way in. */
function ingestOptions({ event, stream, partitions, limits, dedupe }: Options, sink: EventSink): IngestOptions {
  return {
    sink,
    clock: systemClock,
    format: event.format,
    publishSubject: stream.publishSubject,
    partitions,
    limits: { payloadBytesMax: limits.payloadBytes, headerBytesMax: limits.headerBytes },
    idRequired: !dedupe.idempotent,
  };
}

function inquiries({ partitions, dedupe }: Options, { node, store }: ComposedNode): Inquiries {
  return new Inquiries({ node, store, clock: systemClock, partitions, keepsIds: !dedupe.idempotent });
}

/** The log of a node as the options want it: JSON lines on standard output. */
export function openLog({ log, node }: Options): Log {
  return createLog({ level: log.level, node });
}

/** A node inside somebody else's program. */
export interface EmbeddedNode {
  /** Connects, waiting for NATS and Redis, and settles when the node's partitions run. Throws MillraceErrors. */
  start(): Promise<void>;
  /** Takes no new requests, stores everything decided, lets go. What was not decided is read again at the next start. */
  stop(): Promise<void>;
  /** Base URL of the HTTP API while the node is started, else undefined. */
  readonly url: string | undefined;
  /** Base URL of probes and metrics while the node is started, else undefined. */
  readonly probesUrl: string | undefined;
  /** Settles with the reason if the node cannot go on; `stop` is still to be called. */
  readonly failed: Promise<MillraceError>;
  /**
   * Durable state of a key; with `after`, waits at most `waitMs` (5 s by default) until that event is reflected. Throws
   * NOT_REFLECTED then, and when `signal` aborts.
   */
  get(
    key: string,
    options?: { readonly after?: Receipt; readonly waitMs?: number; readonly signal?: AbortSignal },
  ): Promise<KeyState>;
  /** Undefined while the node is not started. */
  status(): NodeStatus | undefined;
}

/**
 * A node with options in the notation of the configuration file, over the defaults; flags and environment are not
 * read. Throws `OPTIONS_INVALID` with every problem. A node that was stopped is not started again: make another one.
 *
 * `log` gets the log lines; by default they go to standard output as JSON.
 */
export async function createNode(input: OptionsInput = {}, context: { log?: LogLine } = {}): Promise<EmbeddedNode> {
  const options = defaultOptions(input);
  const line = context.log ?? openLog(options).line;
  const stopping = new AbortController();
  let starting: Promise<RunningNode> | undefined;
  let running: RunningNode | undefined;
  let fail: (error: MillraceError) => void = () => undefined;
  const failed = new Promise<MillraceError>((resolve) => {
    fail = resolve;
  });
  return {
    failed,
    get url() {
      return running?.url;
    },
    get probesUrl() {
      return running?.probesUrl;
    },
    async start() {
      starting ??= runNode(options, { line, signal: stopping.signal });
      running = await starting;
      void running.node.failed.then(fail);
    },
    async stop() {
      stopping.abort();
      const started = await starting?.catch(() => undefined); // whoever started it has the error
      await started?.stop();
      running = undefined;
    },
    async get(key, { after, waitMs, signal } = {}) {
      if (running === undefined) throw new MillraceError('NODE_UNREACHABLE', 'the node is not started');
      return running.reader.get(key, after, waitMs, signal);
    },
    status: () => running?.node.status(),
  };
}

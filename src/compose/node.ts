/** Composition root of a node: connects, checks, and puts the parts together. */
import { hostname } from 'node:os';
import { PiscinaThreads } from '../adapters/piscina/piscina-threads.js';
import { systemClock } from '../adapters/system/system-clock.js';
import { partitionsOf, rangeOf } from '../core/assignment/ranges.js';
import type { StreamChain } from '../core/position/stream-chain.js';
import { chainsOf } from '../core/position/stream-generations.js';
import type { Options } from '../options/types.js';
import type { CheckpointStore } from '../ports/checkpoint-store.js';
import type { EventSink } from '../ports/event-log.js';
import type { LogLine } from '../ports/log.js';
import { ChainedLog } from '../runtime/chained-log.js';
import { Node } from '../runtime/node.js';
import { StateReader } from '../runtime/state-reader.js';
import { heartbeatMs, openBackend } from './backend.js';
import type { HostSetup } from './host.js';
import { hostOptions } from './host-options.js';
import { storeSettings } from './store.js';
import { streamRoutes } from './streams.js';

/** A node and what its faces need. */
export interface ComposedNode {
  readonly node: Node;
  readonly reader: StateReader;
  readonly sink: EventSink;
  readonly store: CheckpointStore;
  /** Drains the node and closes the connections. */
  close(): Promise<void>;
}

/** What nobody sets but a test that cannot wait so long. */
export interface NodeTuning {
  /** A thread that says nothing for so long is ended and replaced, ms. */
  readonly silentMsMax?: number | undefined;
}

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
  const backend = await openBackend(options, line, signal);
  const { log, sink, store, coordinator, membership, generations } = backend;
  const chains = chainsOf(generations);
  const { partitions, cluster } = options;
  try {
    const node = new Node(
      {
        name: options.node,
        chains,
        partitions,
        threads: options.threads,
        acceptGap: options.acceptGap,
        inFlightBytesMax: options.limits.inFlightBytes,
        heartbeatMs: heartbeatMs(options),
        drainMsMax: options.drainTimeoutMs,
        silentMsMax: tuning.silentMsMax,
        own: ownPartitions(options),
        cluster: { leaseMs: cluster.leaseMs, sameName: cluster.sameName, url: urlOf(options) },
      },
      {
        log: new ChainedLog(log, chains),
        sink,
        coordinator,
        membership: cluster.replicas === undefined ? membership : undefined,
        threads: new PiscinaThreads<HostSetup>({
          entry: new URL('../../workers/host.js', import.meta.url).href,
          slots: options.threads,
          setup: (slot) => hostSetup(options, chains, slot),
        }),
        clock: systemClock,
        routes: streamRoutes(options, generations),
        line,
        defer: setImmediate,
      },
    );
    const reader = new StateReader(store, systemClock, partitions);
    const stopAnswering = backend.answerRequests?.(reader);
    return {
      node,
      reader,
      sink,
      store,
      close: async () => {
        stopAnswering?.();
        await node.drain();
        await backend.close();
      },
    };
  } catch (error) {
    await backend.close();
    throw error;
  }
}

/** The share that the options fix, undefined if they fix none. */
function ownPartitions({ cluster, partitions }: Options): number[] | undefined {
  const { replicas, ordinal = 0 } = cluster;
  return replicas === undefined ? undefined : partitionsOf(rangeOf(ordinal, replicas, partitions));
}

/** Where other nodes and people reach this node's HTTP API, undefined while nobody knows. */
function urlOf({ http }: Options): string | undefined {
  if (http.port === 0) return undefined;
  const host = http.host === '0.0.0.0' || http.host === '::' ? hostname() : http.host;
  return `http://${host.includes(':') ? `[${host}]` : host}:${http.port}`;
}

function hostSetup(options: Options, chains: readonly StreamChain[], slot: number): HostSetup {
  const { app, node, handler, handlerOptions, statusSink } = options;
  const store = storeSettings(options);
  return { app, node, handler, handlerOptions, store, statusSink, host: hostOptions(options, chains, slot) };
}

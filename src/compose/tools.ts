/** What commands work on that need log, store and ownership, but no node. Part of the composition root. */
import { randomBytes } from 'node:crypto';
import type { Layout } from '../core/checkpoint/record.js';
import { PARTITION_HASH } from '../core/key/partition.js';
import { streamIndexOf } from '../core/key/stream-share.js';
import type { StreamChain } from '../core/position/stream-chain.js';
import { chainsOf } from '../core/position/stream-generations.js';
import { loadHandler } from '../handlers/load-handler.js';
import { decodeOne } from '../host/decode-one.js';
import type { DecodedRecord } from '../host/event-decoder.js';
import { EventDecoder } from '../host/event-decoder.js';
import type { Options } from '../options/types.js';
import type { CheckpointStore } from '../ports/checkpoint-store.js';
import type { Coordinator } from '../ports/coordinator.js';
import type { EventLog } from '../ports/event-log.js';
import type { LogLine } from '../ports/log.js';
import type { Membership } from '../ports/membership.js';
import type { StateSource } from '../ports/status-sink.js';
import { ChainedLog } from '../runtime/chained-log.js';
import type { StreamRoute } from '../runtime/key-route.js';
import { keyRoute } from '../runtime/key-route.js';
import type { RestoreDependencies } from '../runtime/savepoint/restore-savepoint.js';
import type { VerifyDependencies, VerifyOptions } from '../runtime/verify.js';
import { type Company, openBackend } from './backend.js';
import { hostOptions } from './host-options.js';
import { streamRoutes } from './streams.js';

export interface Tools {
  readonly log: EventLog;
  readonly store: CheckpointStore & StateSource;
  readonly coordinator: Coordinator;
  readonly membership: Membership | undefined;
  /** The streams, each with those before it; the nth holds the nth share of the partitions. */
  readonly chains: readonly StreamChain[];
  /** One for each stream. */
  readonly routes: readonly StreamRoute[];
  close(): Promise<void>;
}

/** How long a command waits for the servers, ms. */
const WAIT_MS = 3_000;

/** Connects; `alone` where no node may run meanwhile, and a SQL database can see to that. Throws `NATS_UNREACHABLE` and `REDIS_UNREACHABLE` after a few seconds, and what a node refuses to start with. */
export async function openTools(options: Options, line: LogLine, company: Company = 'beside'): Promise<Tools> {
  const named = { ...options, node: `${options.node}-command` };
  const quiet: LogLine = (level, event, fields) =>
    event === 'stream.warning' ? undefined : line(level, event, fields);
  const patience = AbortSignal.timeout(WAIT_MS);
  const { log, store, coordinator, membership, generations, close } = await openBackend(
    named,
    quiet,
    patience,
    company,
  );
  const chains = chainsOf(generations);
  return {
    ...{ store, coordinator, membership, chains, close },
    log: new ChainedLog(log, chains),
    routes: streamRoutes(options, generations),
  };
}

export function savepointLayout({ app, partitions }: Options): Layout {
  return { app, partitions, hash: PARTITION_HASH };
}

export function restoreDependencies(options: Options, tools: Tools): RestoreDependencies {
  const { event, partitions } = options;
  const { chains } = tools;
  return {
    ...tools,
    nonce: () => randomBytes(16).toString('hex'),
    chainOf: (partition) => chains[streamIndexOf(partition, partitions, chains.length)]!,
    route: (count) => keyRoute({ key: event.format.key, partition: event.partition, partitions: count }),
  };
}

/** What `verify` needs of the options, as a node has it. Throws HANDLER_INVALID. */
export async function verification(
  options: Options,
  { log, chains, routes }: Tools,
): Promise<{ options: Pick<VerifyOptions, 'actor' | 'decoder' | 'partitions'>; deps: VerifyDependencies }> {
  const handler = await loadHandler(options.handler, options.handlerOptions);
  const { actor, decoder } = hostOptions(options, chains, 0);
  return { options: { actor, decoder, partitions: options.partitions }, deps: { log, handler, chains, routes } };
}

/** Decodes an event of one of the streams as a node would, and says whose it is. */
export function decoderOf(options: Options, { chains, routes }: Tools, stream: number) {
  const decoder = new EventDecoder(hostOptions(options, chains, 0).decoder);
  const route = routes[stream]!;
  return (
    sequence: number,
    timeMs: number,
    subject: Uint8Array,
    headers: Uint8Array | undefined,
    body: Uint8Array,
  ): DecodedRecord & { readonly partition: number } => {
    const partition = route(subject, headers, body, sequence);
    return { partition, ...decodeOne(decoder, { partition, sequence, timeMs, subject, headers, body }) };
  };
}

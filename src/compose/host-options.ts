import { PARTITION_HASH } from '../core/key/partition.js';
import type { StreamChain } from '../core/position/stream-chain.js';
import type { HostOptions } from '../host/host-options.js';
import type { Options } from '../options/types.js';
import { decoderMapping } from './streams.js';

/** What the options say to a host. */
export function hostOptions(options: Options, chains: readonly StreamChain[], slot: number): HostOptions {
  const { app, partitions, order, dedupe, limits, event, checkpoint } = options;
  return {
    slot,
    chains,
    checkpointMs: checkpoint.intervalMs,
    checkpointBytes: checkpoint.bytes,
    decoder: {
      format: event.format,
      limits: { payloadBytesMax: limits.payloadBytes, headerBytesMax: limits.headerBytes },
      idRequired: !dedupe.idempotent,
      partitions,
      ...decoderMapping(options),
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

/** What a host needs of the configuration: plain data, so that it crosses a thread edge. */
import type { ActorOptions } from '../core/actor/actor.js';
import type { StreamChain } from '../core/position/stream-chain.js';
import type { DecoderOptions } from './event-decoder.js';

export interface HostOptions {
  readonly slot: number;
  /** The streams of the application, each with those before it; stream n holds the nth share of the partitions. */
  readonly chains: readonly StreamChain[];
  readonly actor: ActorOptions;
  readonly decoder: DecoderOptions;
  /** A dirty partition is saved this often, ms. */
  readonly checkpointMs: number;
  /** A partition is saved early when its commit would reach this size, bytes. */
  readonly checkpointBytes: number;
}

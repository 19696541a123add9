/** What a host needs of the configuration: plain data, so that it crosses a thread edge. */
import type { ActorOptions } from '../core/actor/actor.js';
import type { DecoderOptions } from './event-decoder.js';

export interface HostOptions {
  readonly slot: number;
  readonly stream: string;
  readonly actor: ActorOptions;
  readonly decoder: DecoderOptions;
  /** A dirty partition is saved this often, ms. */
  readonly checkpointMs: number;
  /** A partition is saved early when its commit would reach this size, bytes. */
  readonly checkpointBytes: number;
}

/**
 * Where hosts run: worker threads in production, the same thread in the simulator.
 *
 * Contract
 * T1. Messages arrive in the order they were posted, each once.
 * T2. When the thread is gone, `exited` settles and nothing arrives any more; posting is then harmless.
 */
import type { HostToMain, MainToHost } from '../protocol/messages.js';

export interface HostLink {
  post(message: MainToHost, transfer?: readonly ArrayBuffer[]): void;
  /** Ends the thread at once, without saving anything. */
  terminate(): Promise<void>;
  /** Settles when the thread is gone: undefined after a drain, else what ended it. */
  readonly exited: Promise<Error | undefined>;
}

export interface Threads {
  /** Starts the host of a slot; `receive` gets everything it says. */
  start(slot: number, receive: (message: HostToMain) => void): HostLink;
  close(): Promise<void>;
}

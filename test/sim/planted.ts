/** Faults planted on purpose, to show that the simulator can fail: each breaks one rule in one place. */
import type { MemoryCheckpointStore } from '../../src/adapters/memory/memory-checkpoint-store.js';
import type { Handler } from '../../src/core/actor/handler.js';
import type { CheckpointStore } from '../../src/ports/checkpoint-store.js';

export interface Planted {
  readonly name: string;
  readonly store?: (store: MemoryCheckpointStore) => CheckpointStore;
  readonly handler?: (handler: Handler) => Handler;
}

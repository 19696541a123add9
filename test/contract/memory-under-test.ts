/** The reference models, as the contracts want them. */
import { MemoryCheckpointStore } from '../../src/adapters/memory/memory-checkpoint-store.js';
import { MemoryCoordinator } from '../../src/adapters/memory/memory-coordinator.js';
import type { StoreUnderTest } from './checkpoint-store.contract.js';
import type { CoordinatorUnderTest } from './coordinator.contract.js';
import type { MembershipUnderTest } from './membership.contract.js';

export async function memoryStore(): Promise<StoreUnderTest> {
  const store = new MemoryCheckpointStore();
  return {
    store,
    snapshot: async () => {
      const kept = store.snapshot();
      return async () => store.rollback(kept);
    },
    loseRecord: async (partition) => store.loseRecord(partition),
    close: () => store.close(),
  };
}

export async function memoryCoordinator(): Promise<CoordinatorUnderTest> {
  const first = new MemoryCoordinator({ node: 'first' });
  return { node: (name) => first.as(name), close: () => first.close() };
}

export async function memoryMembership(): Promise<MembershipUnderTest> {
  const first = new MemoryCoordinator({ node: 'first' });
  return {
    node: (name, incarnation) => {
      const both = first.as(name, incarnation);
      return { membership: both, coordinator: both };
    },
    close: () => first.close(),
  };
}

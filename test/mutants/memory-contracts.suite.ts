/** The contracts over the reference models alone: what `test/contract` also does, without a server to start. */
import { MemoryCheckpointStore } from '../../src/adapters/memory/memory-checkpoint-store.js';
import { MemoryCoordinator } from '../../src/adapters/memory/memory-coordinator.js';
import { checkpointStoreContract } from '../contract/checkpoint-store.contract.js';
import { coordinatorContract } from '../contract/coordinator.contract.js';
import { membershipContract } from '../contract/membership.contract.js';

checkpointStoreContract('memory', async () => {
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
});

coordinatorContract('memory', async () => {
  const first = new MemoryCoordinator({ node: 'first' });
  return { node: (name) => first.as(name), close: () => first.close() };
});

membershipContract('memory', async () => {
  const first = new MemoryCoordinator({ node: 'first' });
  return {
    node: (name, incarnation) => {
      const both = first.as(name, incarnation);
      return { membership: both, coordinator: both };
    },
    close: () => first.close(),
  };
});

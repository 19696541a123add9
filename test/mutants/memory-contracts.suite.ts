/** The contracts over the reference models alone: what `test/contract` also does, without a server to start. */
import { checkpointStoreContract } from '../contract/checkpoint-store.contract.js';
import { coordinatorContract } from '../contract/coordinator.contract.js';
import { membershipContract } from '../contract/membership.contract.js';
import { memoryCoordinator, memoryMembership, memoryStore } from '../contract/memory-under-test.js';

checkpointStoreContract('memory', memoryStore);
coordinatorContract('memory', memoryCoordinator);
membershipContract('memory', memoryMembership);

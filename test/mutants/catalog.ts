/**
 * Every mutant: the ways to break the guarantee that some suite must notice. `npm run mutants` plants them one by one.
 *
 * Not here, because only real servers show them: resending by the Redis client, a stale script hash, `duplicate: true`
 * taken for stored, the reconnect limit. The contract and integration suites hold those.
 */
import { clusterMutants } from './cluster-mutants.js';
import { commitMutants } from './commit-mutants.js';
import { identityMutants } from './identity-mutants.js';
import type { Mutant } from './mutant.js';
import { orderMutants } from './order-mutants.js';
import { scriptMutants } from './script-mutants.js';
import { streamMutants } from './stream-mutants.js';

export const catalog: readonly Mutant[] = [
  ...commitMutants,
  ...scriptMutants,
  ...identityMutants,
  ...orderMutants,
  ...streamMutants,
  ...clusterMutants,
];

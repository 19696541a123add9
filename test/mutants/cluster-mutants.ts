/** Several nodes: leases, claims, hand-over. */
import type { Mutant } from './mutant.js';

const OWNERSHIP = 'runtime/ownership.js';
const PRESENCE = 'runtime/presence.js';
const MEMORY = 'adapters/memory/memory-coordinator.js';

export const clusterMutants: readonly Mutant[] = [
  {
    id: 'renewal-without-thread-proof',
    failure: 'renew lease without thread proof',
    file: OWNERSHIP,
    find: 'isStalled: !isWhole,',
    replace: 'isStalled: false,',
    suites: ['unit/ownership'],
  },
  {
    id: 'silent-thread-counts',
    failure: 'renew lease without thread proof: a silent thread counts as one that works',
    file: 'runtime/supervisor.js',
    find: '.every((questions) => questions <= SILENT_QUESTIONS)',
    replace: '.some((questions) => questions <= SILENT_QUESTIONS)',
    suites: ['unit/supervisor'],
  },
  {
    id: 'claim-before-release',
    failure: 'claim before release: what another node still owns is claimed',
    file: OWNERSHIP,
    find: 'if (owner === undefined || owner === name)',
    replace: 'if (true)',
    suites: ['unit/ownership'],
  },
  {
    id: 'claim-of-any-epoch',
    failure: 'claim before release: a claim does not look at what was seen',
    file: MEMORY,
    find: 'after !== undefined && stored !== undefined && epoch !== after',
    replace: 'false',
    suites: ['mutants/memory-contracts'],
  },
  {
    id: 'release-of-any-epoch',
    failure: 'release twice: the second release ends the claim of whoever came since',
    file: MEMORY,
    find: 'if (claim?.epoch === epoch)',
    replace: 'if (claim !== undefined)',
    suites: ['mutants/memory-contracts'],
  },
  {
    id: 'silence-while-cut-off',
    failure: 'a node that was cut off or frozen takes everybody else for gone',
    file: PRESENCE,
    find: 'this.#steadyFrom = now; // Q2',
    replace: '; // Q2',
    suites: ['unit/ownership'],
  },
  {
    id: 'absent-is-gone',
    failure: 'an owner whose entry is on its way is taken for gone',
    file: PRESENCE,
    find: 'left.has(name) || this.#elapsed() >= this.#end(this.#absent.get(name))',
    replace: 'true',
    suites: ['unit/ownership'],
  },
  {
    id: 'lease-for-ever',
    failure: 'a node that is gone is never taken over',
    file: PRESENCE,
    find: 'return now >= this.#endOf(name);',
    replace: 'return false;',
    suites: ['unit/ownership'],
  },
  {
    id: 'name-written-over',
    failure: 'a process goes on beating in place of the one that has taken its name',
    file: MEMORY,
    find: 'stored.incarnation !== this.incarnation && !take',
    replace: 'false',
    suites: ['mutants/memory-contracts'],
  },
  {
    id: 'everything-moves',
    failure: 'an assignment that does not look at who owns what',
    file: 'core/assignment/assign.js',
    find: 'cost[row][columnOf[partition]] -= weight;',
    replace: 'cost[row][columnOf[partition]] -= 0;',
    suites: ['property/assignment'],
  },
  {
    id: 'late-proof-starts-another-claim',
    failure: 'apply twice: a partition that left and came back runs from the position of its earlier claim',
    file: 'runtime/partition-lifecycle.js',
    find: ' && this.#table.get(status.partition) === status',
    replace: '',
    suites: ['unit/partition-lifecycle'],
  },
  {
    id: 'forgotten-claim-kept',
    failure: 'a partition is nobody’s for ever: its claim was made, and whoever made it does not know',
    file: OWNERSHIP,
    find: 'if (!held.has(partition) && !this.#target.has(partition))',
    replace: 'if (false)',
    suites: ['unit/ownership'],
  },
  {
    id: 'release-loses-count',
    failure: 'a second release takes away what the first one said was applied',
    file: MEMORY,
    find: ' && !claim.isReleased)',
    replace: ')',
    suites: ['mutants/memory-contracts'],
  },
];
